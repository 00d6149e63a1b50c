//! Rows, plans and randomness for the tests of this crate.
#![allow(dead_code, reason = "each test uses a part")]

pub mod growth;
pub mod trees;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use circuit::{
    Application, Change, ChangeKind, Closure, Constant, Direction, Expr, Fold, Geometry, Key, Library, Object,
    Operator, OrderKey, Path, PathStep, Plan, Reader, RecordId, ResultId, Scope, Slot, Slots, Source, Step, Template,
    Value, Window,
};

/// A library for values that these tests never make.
#[derive(Debug)]
struct NoShapes;

impl Library for NoShapes {
    fn regex_matches(&self, regex: &str, text: &str) -> bool {
        text.contains(regex)
    }

    fn geometry_contains(&self, _: &Geometry, _: &Geometry) -> bool {
        unreachable!("no geometries in these tests")
    }

    fn geometry_intersects(&self, _: &Geometry, _: &Geometry) -> bool {
        unreachable!("no geometries in these tests")
    }

    fn fold(&self, _: Fold, _: &mut dyn Iterator<Item = &Value>, _: &[Value]) -> Value {
        unreachable!("no such aggregates in these tests")
    }
}

pub fn library() -> Arc<dyn Library> {
    Arc::new(NoShapes)
}

/// A small generator of pseudo-random numbers (xorshift64*), so that a seed names a run for good.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        let mut x = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0 = x;
        (x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }
}

pub fn key(number: i64) -> Key {
    Key::Int(number)
}

pub fn object<const N: usize>(fields: [(&str, Value); N]) -> Object {
    fields.into_iter().map(|(name, value)| (Arc::from(name), value)).collect()
}

pub fn record(table: &str, number: i64) -> RecordId {
    RecordId::new(table, key(number))
}

pub fn row(number: i64, version: u64, author: &str, priority: i64) -> Change {
    let id = record("thread", number);
    let content = object([("id", id.clone().into()), ("author", author.into()), ("priority", priority.into())]);
    Change { id, version, content: Some(content) }
}

pub fn with_field(number: i64, version: u64, field: &str, value: Value) -> Change {
    let id = record("thread", number);
    let content = object([("id", id.clone().into()), (field, value)]);
    Change { id, version, content: Some(content) }
}

pub fn linked(number: i64, version: u64, user: i64) -> Change {
    with_field(number, version, "author", record("user", user).into())
}

pub fn user(number: i64, version: u64, name: &str) -> Change {
    let id = record("user", number);
    Change { content: Some(object([("id", id.clone().into()), ("name", name.into())])), id, version }
}

pub fn deletion(number: i64, version: u64) -> Change {
    Change { id: record("thread", number), version, content: None }
}

pub fn changes(step: &Step, result: ResultId) -> Vec<(ChangeKind, u64)> {
    let of_result = step.deltas.iter().filter(|delta| delta.result == result);
    let mut changes: Vec<_> =
        of_result.flat_map(|delta| &delta.changes).map(|change| (change.kind, change.version)).collect();
    changes.sort_by_key(|(kind, _)| *kind as u8);
    changes
}

pub fn path(text: &str) -> Path {
    let mut steps = text.split('.');
    let first = steps.next().expect("a path has a first step");
    Path::new(first, steps.map(|step| PathStep::Field(step.into())))
}

pub fn expr(text: &str) -> Expr {
    path(text).into()
}

pub fn column(number: u16) -> Expr {
    Expr::Column(number)
}

pub fn slot(number: u16) -> Expr {
    Expr::Slot(number)
}

pub fn binary(operator: Operator, left: Expr, right: Expr) -> Expr {
    Expr::binary(operator, left, right)
}

pub fn slots<const N: usize>(values: [&str; N]) -> Slots {
    values.into_iter().map(Value::from).collect()
}

/// A template over `thread` whose columns are those of its order.
pub fn template(filter: Option<Expr>, order: &[(&str, bool)]) -> Template {
    let keys = (0..).zip(order).map(|(column, (_, descending))| OrderKey::new(column, *descending));
    Template::of_table("thread", order.iter().map(|(name, _)| expr(name)).collect(), filter, keys.collect())
}

const NAMES: [&str; 4] = ["Ada", "Grace", "Edsger", ""];

fn random_value(random: &mut Random) -> Value {
    match random.below(12) {
        0 => Value::None,
        1 => Value::Null,
        2 => Value::Bool(random.below(2) == 0),
        3 | 4 => Value::Int(random.below(4) as i64),
        5 => Value::Float(random.below(8) as f64 / 2.0),
        6 => Value::Decimal(rust_decimal::Decimal::new(random.below(8) as i64 * 5, 1)),
        7..=9 => Value::from(random.pick(&NAMES)),
        10 => (0..random.below(3)).map(|_| Value::from(random.pick(&NAMES))).collect(),
        _ => record("user", random.below(3) as i64).into(),
    }
}

/// A creation, an update or a deletion of one of a few rows or users.
pub fn random_change(random: &mut Random, version: u64) -> Change {
    if random.below(5) == 0 {
        let number = random.below(4) as i64;
        let mut change = user(number, version, random.pick(&NAMES));
        if random.below(3) == 0 {
            change.content = None;
        }
        return change;
    }
    let number = random.below(12) as i64;
    if random.below(4) == 0 {
        return deletion(number, version);
    }
    let id = record("thread", number);
    let author =
        if random.below(2) == 0 { record("user", random.below(4) as i64).into() } else { random_value(random) };
    let tags = (0..random.below(3)).map(|_| random_value(random)).collect();
    let content = object([
        ("id", id.clone().into()),
        ("author", author),
        ("priority", random_value(random)),
        ("tags", tags),
        ("title", random_value(random)),
    ]);
    Change { id, version, content: Some(content) }
}

/// A query over `thread` of random shape and constants.
pub fn random_plan(random: &mut Random) -> Plan {
    let mut columns = Vec::new();
    let mut values = Vec::new();
    let filter = (random.below(8) != 0).then(|| random_condition(random, 2, &mut columns, &mut values));
    let mut order = Vec::new();
    for _ in 0..random.below(3) {
        let column = column_of(random, &mut columns);
        order.push(OrderKey::new(column, random.below(2) == 0));
    }
    let window = (random.below(2) == 0)
        .then(|| Window { start: random.below(4), limit: (random.below(4) != 0).then(|| random.below(5)) });
    let template = Template::of_table("thread", columns, filter, order);
    Plan::new(template, values.into_iter().collect(), window)
}

fn column_of(random: &mut Random, columns: &mut Vec<Expr>) -> u16 {
    let path = expr(random.pick(&["author", "priority", "tags", "title", "author.name", "tags.name", "id", "missing"]));
    let value = if random.below(6) == 0 { truthy_or_failure(path) } else { path };
    let position = columns.iter().position(|known| *known == value).unwrap_or_else(|| {
        columns.push(value);
        columns.len() - 1
    });
    position as u16
}

/// A value that can't be computed unless it is truthy.
pub fn truthy_or_failure(value: Expr) -> Expr {
    let is_truthy = Expr::Not(Box::new(Expr::Not(Box::new(Expr::Local(0)))));
    let closure = Closure { parameters: [None].into(), body: is_truthy, result: None };
    Expr::Apply(Application::Expect, [value].into(), Box::new(closure))
}

fn random_condition(random: &mut Random, depth: u32, columns: &mut Vec<Expr>, values: &mut Vec<Value>) -> Expr {
    if depth > 0 && random.below(2) == 0 {
        let operator = random.pick(&[Operator::And, Operator::And, Operator::Or, Operator::Coalesce]);
        let left = random_condition(random, depth - 1, columns, values);
        return binary(operator, left, random_condition(random, depth - 1, columns, values));
    }
    if random.below(8) == 0 {
        return Expr::Not(Box::new(random_condition(random, 0, columns, values)));
    }
    let column = Expr::Column(column_of(random, columns));
    if random.below(10) == 0 {
        return column;
    }
    let operator = random.pick(&[
        Operator::Equal,
        Operator::Equal,
        Operator::Equal,
        Operator::NotEqual,
        Operator::Exact,
        Operator::AllEqual,
        Operator::AnyEqual,
        Operator::Less,
        Operator::LessOrEqual,
        Operator::Greater,
        Operator::GreaterOrEqual,
        Operator::Contains,
        Operator::ContainsNot,
        Operator::ContainsAll,
        Operator::ContainsAny,
        Operator::ContainsNone,
        Operator::Inside,
        Operator::NotInside,
        Operator::AllInside,
        Operator::AnyInside,
        Operator::NoneInside,
    ]);
    values.push(random_value(random));
    let slot = Expr::Slot(values.len() as u16 - 1);
    if random.below(4) == 0 { binary(operator, slot, column) } else { binary(operator, column, slot) }
}

/// The records of the model.
struct ModelReader<'a>(&'a BTreeMap<String, Change>);

impl Reader for ModelReader<'_> {
    fn record(&mut self, id: &Arc<RecordId>) -> Option<Object> {
        self.0.get(&format!("{id:?}")).and_then(|change| change.content.clone())
    }

    fn field_of(&mut self, id: &Arc<RecordId>, field: &str) -> Value {
        let change = self.0.get(&format!("{id:?}"));
        change.and_then(|change| change.content.as_ref()?.get(field).cloned()).unwrap_or_default()
    }

    fn edges(&mut self, _: &Arc<RecordId>, _: Direction, _: Option<&str>) -> Vec<Arc<RecordId>> {
        Vec::new()
    }
}

fn constant(slot: &Slot) -> Value {
    match slot {
        Slot::Constant(Constant(value)) => value.clone(),
        Slot::Computed(_) => panic!("these tests compute no slots"),
    }
}

/// What a plan's result must be: filter, sort and cut everything. Rows whose condition or place can't be computed are
/// left out.
pub fn expected_rows<'a>(model: &'a BTreeMap<String, Change>, plan: &'a Plan) -> Vec<&'a Change> {
    let library = library();
    let mut rows: Vec<(Vec<Option<Cow<'_, Value>>>, &Change)> = Vec::new();
    for change in model.values().filter(|change| Source::Table(change.id.table.clone()) == plan.template.source) {
        let Some(content) = &change.content else { continue };
        let mut reader = ModelReader(model);
        let scope = Scope::of_row(content);
        let mut value = |column: &'a Expr| column.evaluate(&scope, &mut reader, &*library).ok();
        let columns: Vec<Option<Cow<'_, Value>>> = plan.template.columns.iter().map(&mut value).collect();
        let slots: Vec<Option<Value>> = plan.slots.iter().map(|slot| Some(constant(slot))).collect();
        let scope = Scope { columns: &columns, slots: &slots, ..Scope::default() };
        let mut holds = |filter: &Expr| filter.test(&scope, &mut reader, &*library).unwrap_or(false);
        let holds = plan.template.filter.as_ref().is_none_or(&mut holds);
        let has_place = plan.template.order.iter().all(|key| columns[usize::from(key.column)].is_some());
        if holds && has_place {
            rows.push((columns, change));
        }
    }
    rows.sort_by(|(a, x), (b, y)| {
        let keys = plan.template.order.iter().map(|key| {
            let (a, b) = (&a[usize::from(key.column)], &b[usize::from(key.column)]);
            if key.descending { b.cmp(a) } else { a.cmp(b) }
        });
        keys.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then).then_with(|| x.id.key.cmp(&y.id.key))
    });
    let window = plan.window.unwrap_or(Window { start: 0, limit: None });
    let limit = window.limit.unwrap_or(u64::MAX);
    rows.into_iter().map(|(_, change)| change).skip(window.start as usize).take(limit as usize).collect()
}
