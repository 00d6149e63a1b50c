//! Generated values of every type, with a bias to what is almost equal.
#![allow(dead_code, reason = "each test file uses a part of this")]

use std::borrow::Cow;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use circuit::{
    Constant, Datetime, Direction, Expr, File, Geometry, Key, Object, Plan, Range, Reader, RecordId, Scope, Slot, Value,
};
use proptest::collection::vec;
use proptest::prelude::*;
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;
use uuid::Uuid;

/// The value of an expression over a row, as the condition of a compiled query.
pub fn evaluate(text: &str, row: &Object, parameters: &Object, reader: &mut dyn Reader) -> Result<Value, String> {
    let query =
        query::compile(&format!("SELECT * FROM t WHERE {text}"), parameters).map_err(|error| error.to_string())?;
    evaluate_plan(&query.plan, row, reader)
}

/// The value of the condition of a plan over a row.
pub fn evaluate_plan(plan: &Plan, row: &Object, reader: &mut dyn Reader) -> Result<Value, String> {
    let library = query::SurrealLibrary;
    let scope = Scope::of_row(row);
    let mut value = |expr: &Expr, scope: &Scope| {
        expr.evaluate(scope, reader, &library).map(|value| value.into_owned()).map_err(|failure| failure.to_string())
    };
    let mut columns = Vec::new();
    for column in &plan.template.columns {
        columns.push(value(column, &scope).ok().map(Cow::Owned));
    }
    let mut slots = Vec::new();
    for slot in &plan.slots {
        slots.push(match slot {
            Slot::Constant(Constant(value)) => Some(value.clone()),
            Slot::Computed(expr) => value(expr, &Scope::default()).ok(),
        });
    }
    let filter = plan.template.filter.as_ref().expect("there is a condition");
    value(filter, &Scope { columns: &columns, slots: &slots, ..Scope::default() })
}

/// Records of a database, as text: `t:1` and `{ .. }`. Those with links in `in` and `out` are edges.
#[derive(Default)]
pub struct Records(Vec<(Arc<RecordId>, Object)>);

impl Records {
    pub fn new(records: &[(&str, &str)]) -> Self {
        let record = |(id, fields): &(&str, &str)| {
            let id = query::parse_record_id(id).expect("a record id");
            let Value::Object(fields) = query::parse_value(fields).expect("an object") else { panic!("no object") };
            let fields = fields.iter().map(|(name, value)| (name.clone(), value.clone()));
            let content = fields.chain([(Arc::from("id"), Value::from(id.clone()))]).collect();
            (Arc::new(id), content)
        };
        Records(records.iter().map(record).collect())
    }

    pub fn get(&self, id: &str) -> Object {
        let id = Arc::new(query::parse_record_id(id).expect("a record id"));
        self.find(&id).cloned().expect("the record is known")
    }

    fn find(&self, id: &Arc<RecordId>) -> Option<&Object> {
        self.0.iter().find(|(known, _)| known.is_same_record(id)).map(|(_, content)| content)
    }
}

impl Reader for Records {
    fn record(&mut self, id: &Arc<RecordId>) -> Option<Object> {
        self.find(id).cloned()
    }

    fn field_of(&mut self, id: &Arc<RecordId>, field: &str) -> Value {
        self.find(id).and_then(|content| content.get(field)).cloned().unwrap_or_default()
    }

    fn edges(&mut self, id: &Arc<RecordId>, direction: Direction, table: Option<&str>) -> Vec<Arc<RecordId>> {
        let (near, far) = match direction {
            Direction::Out => ("in", "out"),
            Direction::In => ("out", "in"),
        };
        let leads = |content: &Object| {
            matches!(
                (content.get(near), content.get(far)),
                (Some(Value::RecordId(near)), Some(Value::RecordId(_))) if near.is_same_record(id)
            )
        };
        let edges =
            self.0.iter().filter(|(edge, content)| table.is_none_or(|table| *table == *edge.table) && leads(content));
        let mut edges: Vec<Arc<RecordId>> = edges.map(|(edge, _)| edge.clone()).collect();
        edges.sort_by(|a, b| (&a.table, &a.key).cmp(&(&b.table, &b.key)));
        edges
    }
}

/// A number of cases that `PROPTEST_CASES` overrides. A failure prints its shrunk input, which becomes a test of its
/// own.
pub fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, max_global_rejects: u32::MAX, ..default }
}

/// Numbers around which all three kinds of numbers are tried.
const NUMBERS: &[f64] = &[
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.0,
    0.1,
    0.3,
    0.5,
    -0.1,
    1.5,
    1e-7,
    123.456,
    9_007_199_254_740_991.0,
    9_007_199_254_740_992.0,
    9_007_199_254_740_994.0,
    -9_007_199_254_740_993.0,
    9_223_372_036_854_775_807.0,
    -9_223_372_036_854_775_808.0,
    1e19,
    1e28,
    7.922816251426434e28,
    1e29,
    -1e29,
    1e300,
    f64::MAX,
    f64::MIN,
    f64::MIN_POSITIVE,
    5e-324,
    1e-28,
    1e-29,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

pub fn number() -> impl Strategy<Value = Value> {
    let base = prop_oneof![
        4 => proptest::sample::select(NUMBERS),
        2 => (-5i32..5).prop_map(f64::from),
        1 => any::<f64>(),
        1 => any::<i64>().prop_map(|number| number as f64),
    ];
    let near = (base, 0..9u8, 0..3u8).prop_map(|(base, form, step)| {
        let stepped = match step {
            0 => base,
            1 => base.next_up(),
            _ => base.next_down(),
        };
        match form {
            0 | 1 => Value::Float(stepped),
            2 | 3 => Value::Int((base as i64).saturating_add(i64::from(step) - 1)),
            4 | 5 => Value::Decimal(Decimal::from_f64(stepped).unwrap_or(Decimal::MAX)),
            6 => Value::Decimal(Decimal::from_f64_retain(stepped).unwrap_or(Decimal::MIN)),
            7 => Value::Decimal(
                Decimal::from(base as i64).checked_add(Decimal::new(i64::from(step), 28)).unwrap_or_default(),
            ),
            _ => Value::Float(-f64::NAN),
        }
    });
    prop_oneof![
        8 => near,
        1 => any::<i64>().prop_map(Value::Int),
        1 => (any::<i64>(), 0..=28u32).prop_map(|(digits, scale)| Value::Decimal(Decimal::new(digits, scale))),
    ]
}

pub fn text() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![
        3 => proptest::sample::select(&["", "a", "ab", "abc", "b", "A", "1", "é", "00000000-0000-0000-0000-000000000000"][..])
            .prop_map(Arc::from),
        1 => "[ -~]{0,4}".prop_map(Arc::from),
    ]
}

fn regex() -> impl Strategy<Value = Arc<str>> {
    proptest::sample::select(&["a", "^a", "b$", "", "^$", "[a-c]+", "(?i)A", "x"][..]).prop_map(Arc::from)
}

fn coordinate() -> impl Strategy<Value = f64> {
    proptest::sample::select(&[0.0, -0.0, 1.0, 2.0, -1.0, 0.5, 10.0][..])
}

fn point() -> impl Strategy<Value = [f64; 2]> {
    [coordinate(), coordinate()]
}

/// A square: of other shapes that are not simple, SurrealDB's own functions may panic.
fn ring() -> impl Strategy<Value = Vec<[f64; 2]>> {
    (point(), 1..4u8).prop_map(|([x, y], size)| {
        let size = f64::from(size);
        vec![[x, y], [x + size, y], [x + size, y + size], [x, y + size], [x, y]]
    })
}

pub fn geometry() -> impl Strategy<Value = Geometry> {
    let polygon = || ring().prop_map(|ring| vec![ring]);
    let leaf = prop_oneof![
        point().prop_map(Geometry::Point),
        vec(point(), 2..4).prop_map(Geometry::Line),
        polygon().prop_map(Geometry::Polygon),
        vec(point(), 1..3).prop_map(Geometry::MultiPoint),
        vec(vec(point(), 2..3), 1..3).prop_map(Geometry::MultiLine),
        vec(polygon(), 1..3).prop_map(Geometry::MultiPolygon),
    ];
    leaf.prop_recursive(1, 4, 3, |inner| vec(inner, 0..3).prop_map(Geometry::Collection))
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(Value::None),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::Bool),
        6 => number(),
        3 => text().prop_map(Value::String),
        1 => (0..3u64, 0..2u32).prop_map(|(seconds, nanos)| Value::Duration(Duration::new(seconds, nanos))),
        1 => (-2..3i64, 0..2u32).prop_map(|(seconds, nanos)| Value::Datetime(Datetime { seconds, nanos })),
        1 => (0..3u128).prop_map(|number| Value::Uuid(Uuid::from_u128(number))),
        2 => geometry().prop_map(|geometry| Value::Geometry(Arc::new(geometry))),
        1 => vec(0..2u8, 0..3).prop_map(|bytes| Value::Bytes(bytes.into())),
        1 => text().prop_map(Value::Table),
        1 => regex().prop_map(Value::Regex),
        1 => (text(), text()).prop_map(|(bucket, key)| Value::File(Arc::new(File { bucket, key }))),
    ]
}

fn names() -> impl Strategy<Value = Arc<str>> {
    proptest::sample::select(&["a", "b", "c", "aa"][..]).prop_map(Arc::from)
}

pub fn object(value: impl Strategy<Value = Value> + Clone) -> impl Strategy<Value = Object> {
    vec((names(), value), 0..3).prop_map(|fields| fields.into_iter().collect())
}

pub fn bound<T: std::fmt::Debug>(value: impl Strategy<Value = T> + Clone) -> impl Strategy<Value = Bound<T>> {
    prop_oneof![
        Just(()).prop_map(|()| Bound::Unbounded),
        value.clone().prop_map(Bound::Included),
        value.prop_map(Bound::Excluded),
    ]
}

pub fn value() -> impl Strategy<Value = Value> + Clone {
    leaf()
        .prop_recursive(3, 16, 4, |inner| {
            let key = prop_oneof![
                any::<i8>().prop_map(|number| Key::Int(number.into())),
                text().prop_map(Key::String),
                (0..2u128).prop_map(|number| Key::Uuid(Uuid::from_u128(number))),
                vec(inner.clone(), 0..3).prop_map(|items| Key::Array(items.into())),
                object(inner.clone()).prop_map(|object| Key::Object(Arc::new(object))),
            ];
            prop_oneof![
                3 => vec(inner.clone(), 0..4).prop_map(|items| Value::Array(items.into())),
                2 => vec(inner.clone(), 0..4).prop_map(Value::set),
                2 => object(inner.clone()).prop_map(Value::from),
                2 => (names(), key).prop_map(|(table, key)| Value::from(RecordId::new(table, key))),
                1 => (bound(inner.clone()), bound(inner)).prop_map(|(start, end)| {
                    Value::Range(Arc::new(Range { start, end }))
                }),
            ]
        })
        .boxed()
}

/// Two values that often are equal, contain each other, or differ only in the kind of a number in them.
pub fn pair() -> impl Strategy<Value = (Value, Value)> {
    let almost = (value(), any::<u64>()).prop_map(|(value, seed)| {
        let other = vary(&value, &mut seed.wrapping_add(1));
        (value, other)
    });
    let item = (vec(value(), 1..4), any::<u64>()).prop_map(|(items, seed)| {
        let item = vary(&items[seed as usize % items.len()], &mut seed.clone());
        let list = if seed % 3 == 0 { Value::set(items) } else { Value::Array(items.into()) };
        if seed % 2 == 0 { (list, item) } else { (item, list) }
    });
    let lists = (vec(value(), 0..4), any::<u64>()).prop_map(|(items, seed)| {
        let other: Vec<Value> =
            items.iter().skip((seed % 2) as usize).map(|item| vary(item, &mut seed.clone())).collect();
        (Value::Array(items.into()), if seed % 3 == 0 { Value::set(other) } else { Value::Array(other.into()) })
    });
    let texts = (text(), vec(text(), 0..3))
        .prop_map(|(text, parts)| (Value::String(text), parts.into_iter().map(Value::String).collect()));
    let matched = (text(), regex(), any::<bool>()).prop_map(|(text, regex, swap)| {
        let (a, b) = (Value::String(text), Value::Regex(regex));
        if swap { (b, a) } else { (a, b) }
    });
    let shapes =
        (geometry(), geometry()).prop_map(|(a, b)| (Value::Geometry(Arc::new(a)), Value::Geometry(Arc::new(b))));
    let ranges = (number(), number(), number()).prop_map(|(start, end, inner)| {
        let range = Range { start: Bound::Excluded(start), end: Bound::Included(end) };
        (Value::Range(Arc::new(range)), inner)
    });
    prop_oneof![
        4 => (value(), value()),
        4 => (number(), number()),
        8 => almost,
        4 => item,
        4 => lists,
        2 => texts,
        2 => matched,
        2 => shapes,
        2 => ranges,
    ]
}

/// The same value with numbers in other kinds, by the bits of a seed.
pub fn vary(value: &Value, seed: &mut u64) -> Value {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let form = (*seed >> 60) % 4;
    match value {
        Value::Int(number) => match form {
            0 => Value::Float(*number as f64),
            1 => Value::Decimal(Decimal::from(*number)),
            _ => value.clone(),
        },
        Value::Float(number) => match form {
            0 => Value::Int(*number as i64),
            1 => Decimal::from_f64(*number).map_or_else(|| value.clone(), Value::Decimal),
            2 => Value::Float(if *number == 0.0 { -*number } else { *number }),
            _ => value.clone(),
        },
        Value::Decimal(number) => match form {
            0 => Value::Float(f64::try_from(*number).unwrap_or(0.0)),
            1 => Value::Decimal(number.normalize()),
            2 => Value::Decimal(number.trunc()),
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(|item| vary(item, seed)).collect(),
        Value::Set(items) => Value::set(items.iter().map(|item| vary(item, seed)).collect::<Vec<_>>()),
        Value::Object(object) => {
            let fields = object.iter().map(|(name, value)| (name.clone(), vary(value, seed)));
            Value::from(fields.collect::<Object>())
        }
        Value::RecordId(id) => {
            let key = match &id.key {
                Key::Array(items) => Key::Array(items.iter().map(|item| vary(item, seed)).collect()),
                Key::Object(object) => {
                    let fields = object.iter().map(|(name, value)| (name.clone(), vary(value, seed)));
                    Key::Object(Arc::new(fields.collect()))
                }
                other => other.clone(),
            };
            Value::from(RecordId { table: id.table.clone(), key })
        }
        Value::Range(range) => {
            let mut vary_bound = |bound: &Bound<Value>| match bound {
                Bound::Included(value) => Bound::Included(vary(value, seed)),
                Bound::Excluded(value) => Bound::Excluded(vary(value, seed)),
                Bound::Unbounded => Bound::Unbounded,
            };
            let (start, end) = (vary_bound(&range.start), vary_bound(&range.end));
            Value::Range(Arc::new(Range { start, end }))
        }
        other => other.clone(),
    }
}
