//! The groups against a computation from scratch, which knows nothing of retraction.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::*;
use crate::derived::aggregate::{AggregateFunction, Fold};
use crate::value::{Datetime, Geometry, Key, RecordId, identity};

/// Answers a fold with all that it was given, so that a wrong order, value or argument shows.
#[derive(Debug)]
struct Listing;

impl Library for Listing {
    fn regex_matches(&self, _: &str, _: &str) -> bool {
        unreachable!("nothing is matched here")
    }

    fn geometry_contains(&self, _: &Geometry, _: &Geometry) -> bool {
        unreachable!("nothing is located here")
    }

    fn geometry_intersects(&self, _: &Geometry, _: &Geometry) -> bool {
        unreachable!("nothing is located here")
    }

    fn fold(&self, fold: Fold, values: &mut dyn Iterator<Item = &Value>, extra: &[Value]) -> Value {
        let name = Value::from(format!("{fold:?}").as_str());
        std::iter::once(name).chain(values.cloned()).chain(extra.iter().cloned()).collect()
    }
}

const FUNCTIONS: [AggregateFunction; 11] = [
    AggregateFunction::Count,
    AggregateFunction::CountTruthy,
    AggregateFunction::Sum,
    AggregateFunction::Mean,
    AggregateFunction::Min,
    AggregateFunction::Max,
    AggregateFunction::Median,
    AggregateFunction::TimeMin,
    AggregateFunction::TimeMax,
    AggregateFunction::Group,
    AggregateFunction::Fold(Fold::Join),
];

fn extra() -> Vec<Box<[Value]>> {
    let mut extra = vec![Box::default(); FUNCTIONS.len()];
    extra[FUNCTIONS.len() - 1] = [Value::from(", ")].into();
    extra
}

/// Groups whose functions have an argument of their own, or all the first one.
fn groups(is_all: bool, is_shared: bool) -> Groups {
    let arguments = (0..FUNCTIONS.len()).map(|number| if is_shared { 0 } else { number });
    Groups::new(Layout::new(FUNCTIONS.into_iter().zip(arguments)), extra(), is_all)
}

fn decimal(text: &str) -> Value {
    Value::Decimal(text.parse().expect("a decimal"))
}

fn at(record: i64) -> ScanKey {
    ScanKey { place: None, id: Arc::new(RecordId::new("t", Key::Int(record))) }
}

#[derive(Clone)]
struct Row {
    at: ScanKey,
    key: Vec<Value>,
    arguments: Vec<Value>,
}

/// The rows' groups as SurrealDB folds them: one after the other in scan order.
fn from_scratch(rows: &[Row], is_all: bool) -> Vec<Vec<Value>> {
    let mut sorted: Vec<&Row> = rows.iter().collect();
    sorted.sort_by(|a, b| a.at.cmp(&b.at));
    let mut groups: Vec<(Vec<Value>, Vec<&Row>)> = Vec::new();
    for row in sorted {
        match groups.iter_mut().find(|(key, _)| *key == row.key) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((row.key.clone(), vec![row])),
        }
    }
    if groups.is_empty() && is_all {
        groups.push((Vec::new(), Vec::new()));
    }
    groups.sort_by(|(a, _), (b, _)| a.cmp(b));
    let show = |(key, rows): (Vec<Value>, Vec<&Row>)| {
        let column = |place: usize| rows.iter().map(|row| row.arguments[place].clone()).collect::<Vec<_>>();
        let answers = FUNCTIONS.iter().enumerate().map(|(place, function)| answer(*function, &column(place)));
        key.into_iter().chain(answers).collect()
    };
    groups.into_iter().map(show).collect()
}

fn answer(function: AggregateFunction, values: &[Value]) -> Value {
    let numbers = || values.iter().filter(|value| matches!(value, Value::Int(_) | Value::Float(_) | Value::Decimal(_)));
    let moments = || values.iter().filter(|value| matches!(value, Value::Datetime(_)));
    match function {
        AggregateFunction::Count => Value::Int(values.len() as i64),
        AggregateFunction::CountTruthy => Value::Int(values.iter().filter(|value| value.is_truthy()).count() as i64),
        AggregateFunction::Sum => sum(numbers()),
        AggregateFunction::Mean if numbers().next().is_none() => Value::Float(f64::NAN),
        AggregateFunction::Mean => match sum(numbers()) {
            Value::Null => Value::Null,
            sum => Value::Float(float(&sum) / numbers().count() as f64),
        },
        // `min_by` keeps the first of equal ones, `max_by` the last.
        AggregateFunction::Min => numbers().min().cloned().unwrap_or(Value::Float(f64::INFINITY)),
        AggregateFunction::Max => numbers().rev().max().cloned().unwrap_or(Value::Float(f64::NEG_INFINITY)),
        AggregateFunction::Median => {
            let mut numbers: Vec<_> = numbers().collect();
            numbers.sort();
            match (numbers.len() / 2, numbers.len() % 2) {
                (0, 0) => Value::None,
                (middle, 1) => numbers[middle].clone(),
                (middle, _) => Value::Float((float(numbers[middle - 1]) + float(numbers[middle])) / 2.0),
            }
        }
        AggregateFunction::TimeMin => moments().min().cloned().unwrap_or_default(),
        AggregateFunction::TimeMax => moments().max().cloned().unwrap_or_default(),
        AggregateFunction::Group => values.iter().cloned().collect(),
        AggregateFunction::Fold(fold) => Listing.fold(fold, &mut values.iter(), &[Value::from(", ")]),
    }
}

fn sum<'a>(numbers: impl Iterator<Item = &'a Value>) -> Value {
    let mut sum = Value::Int(0);
    for number in numbers {
        sum = match (&sum, number) {
            (Value::Int(a), Value::Int(b)) => Value::Int(a.wrapping_add(*b)),
            (Value::Int(a), Value::Float(b)) => Value::Float(*a as f64 + b),
            (Value::Float(a), Value::Int(b)) => Value::Float(a + *b as f64),
            (Value::Float(a), Value::Float(b)) => Value::Float(a + b),
            (a, b) => match exact(a).checked_add(exact(b)) {
                Some(sum) => Value::Decimal(sum),
                None => return Value::Null,
            },
        };
    }
    sum
}

fn float(number: &Value) -> f64 {
    match number {
        Value::Int(number) => *number as f64,
        Value::Float(number) => *number,
        Value::Decimal(number) => (*number).try_into().expect("a float"),
        other => panic!("{other:?} is no number"),
    }
}

fn exact(number: &Value) -> Decimal {
    match number {
        Value::Int(number) => (*number).into(),
        Value::Float(number) => (*number).try_into().unwrap_or(Decimal::ZERO),
        Value::Decimal(number) => *number,
        other => panic!("{other:?} is no number"),
    }
}

/// Pseudo-random numbers (Knuth's MMIX generator), so that a seed names a run for good.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn pick(&mut self, choices: &[Value]) -> Value {
        choices[self.below(choices.len())].clone()
    }
}

/// Values among which different states of a sum are at work: integers, decimals of one sign, of both, and everything.
fn palettes() -> Vec<Vec<Value>> {
    let ints = [-3, 0, 1, 2, 7, i64::MAX, i64::MIN, i64::MAX - 1].map(Value::Int);
    let positive = ["0.00", "1.50", "1.5", "2", "0.001", "12345678901.23456789"].map(decimal);
    let signed = ["-1.50", "-0.5", "-2", "0.0", "7922816251426433759354395033.5", "0.0000000000000000000000000001"];
    let floats = [0.1, 0.2, 0.3, -0.0, 0.0, 1.0, 2.0, 1e16, -1e16, f64::NAN, f64::INFINITY].map(Value::Float);
    let seconds = [-1, 0, 5].map(|seconds| Value::Datetime(Datetime { seconds, nanos: 7 }));
    let others = [Value::None, Value::Null, Value::Bool(true), Value::from("1"), [Value::Int(1)].into_iter().collect()];

    let small = ints[..5].to_vec();
    let growing = [&ints[1..5], &positive].concat();
    let falling = growing.iter().map(negated).collect();
    let mixed = [&growing[..], &signed.map(decimal)].concat();
    let everything = [&ints[..], &positive, &floats, &seconds, &others].concat();
    vec![small, ints.to_vec(), growing, falling, mixed, floats.to_vec(), everything]
}

fn negated(number: &Value) -> Value {
    match number {
        Value::Int(number) => Value::Int(-number),
        Value::Decimal(number) => Value::Decimal(-number),
        other => other.clone(),
    }
}

/// Keys that are equal without being the same, and some that are neither.
fn keys() -> Vec<Value> {
    let nested = |item: Value| -> Value { [Value::from("a"), item].into_iter().collect() };
    vec![
        Value::Int(1),
        Value::Float(1.0),
        decimal("1"),
        decimal("1.0"),
        Value::from("1"),
        Value::None,
        nested(Value::Float(0.0)),
        nested(Value::Float(-0.0)),
        RecordId::new("u", Key::Array([Value::Int(1)].into())).into(),
        RecordId::new("u", Key::Array([Value::Float(1.0)].into())).into(),
    ]
}

/// What has been reported so far, by the number of the group.
#[derive(Default)]
struct Shown(std::collections::BTreeMap<u32, Box<[Value]>>);

impl Shown {
    fn apply(&mut self, changes: Vec<GroupChange>) {
        for change in changes {
            match change.values {
                Some(values) => drop(self.0.insert(change.number, values)),
                None => assert!(self.0.remove(&change.number).is_some(), "the end of a group that nobody knew"),
            }
        }
    }

    #[track_caller]
    fn assert_is(&self, expected: &[Vec<Value>]) {
        let mut shown: Vec<_> = self.0.values().collect();
        shown.sort();
        assert_eq!(shown.len(), expected.len(), "{shown:#?}\nagainst {expected:#?}");
        for (shown, expected) in shown.into_iter().zip(expected) {
            assert!(identity::are_identical_lists(shown, expected), "{shown:#?}\nagainst {expected:#?}");
        }
    }
}

/// Catches any state that a removal does not restore: a sum that keeps a rounding error or the scale of a decimal that
/// left, a minimum that is not the first of equal ones, a key that is not that of the first row, values out of order, a
/// group that is not reported, or reported under another's number; all of it also where functions share what is kept.
#[test]
fn any_sequence_of_changes_equals_a_computation_from_scratch() {
    for (seed, palette) in (0..8u64).flat_map(|seed| palettes().into_iter().map(move |palette| (seed, palette))) {
        let random = &mut Random(seed);
        let is_all = seed % 4 == 3;
        let is_shared = seed % 2 == 1;
        let mut groups = groups(is_all, is_shared);
        let mut rows: Vec<Row> = Vec::new();
        let mut shown = Shown::default();
        for round in 0..120 {
            // Grow first, then shrink, so that groups empty.
            let growth = if round < 70 { 6 } else { 2 };
            for _ in 0..random.below(8) {
                if random.below(8) < growth {
                    let mut row = Row {
                        at: at(random.below(90) as i64),
                        key: if is_all { Vec::new() } else { vec![random.pick(&keys())] },
                        arguments: FUNCTIONS.map(|_| random.pick(&palette)).to_vec(),
                    };
                    if is_shared {
                        row.arguments = vec![row.arguments[0].clone(); FUNCTIONS.len()];
                    }
                    if rows.iter().all(|other| other.at != row.at) {
                        groups.insert(row.at.clone(), &row.key, &row.arguments);
                        rows.push(row);
                    }
                } else if !rows.is_empty() {
                    let row = rows.swap_remove(random.below(rows.len()));
                    groups.remove(&row.at, &row.key, &row.arguments);
                }
            }
            shown.apply(groups.take_changed(&Listing, &mut 0));
            shown.assert_is(&from_scratch(&rows, is_all));
        }
        for row in rows.drain(..) {
            groups.remove(&row.at, &row.key, &row.arguments);
        }
        shown.apply(groups.take_changed(&Listing, &mut 0));
        shown.assert_is(&from_scratch(&[], is_all));
        assert_eq!(groups.groups.len(), usize::from(is_all), "a group without rows is left");
        assert_eq!(groups.numbers.len(), usize::from(is_all), "a key without a group is left");
    }
}

/// Catches a bulk evaluation that differs from the incremental one.
#[test]
fn evaluation_equals_a_fold() {
    for (seed, palette) in palettes().into_iter().enumerate() {
        let random = &mut Random(seed as u64);
        for len in 0..20 {
            let values: Vec<Value> = (0..len).map(|_| random.pick(&palette)).collect();
            for function in FUNCTIONS {
                let extra = [Value::from(", ")];
                let (actual, expected) = (function.evaluate(&values, &extra, &Listing), answer(function, &values));
                assert!(identity::are_identical(&actual, &expected), "{function:?} of {values:?}: {actual:?}");
            }
        }
    }
}

/// Catches a number that is used again while somebody still shows its group, and a report of what nobody has seen.
#[test]
fn numbers_stay_with_their_group() {
    let mut groups = Groups::new(Layout::new([(AggregateFunction::Count, 0)]), vec![Box::default()], false);
    let (a, b) = ([Value::from("a")], [Value::from("b")]);
    let counts = |groups: &mut Groups| -> Vec<(u32, Option<Value>)> {
        let changes = groups.take_changed(&Listing, &mut 0).into_iter();
        changes.map(|change| (change.number, change.values.map(|values| values[1].clone()))).collect()
    };

    groups.insert(at(1), &a, &[Value::None]);
    groups.insert(at(2), &b, &[Value::None]);
    assert_eq!(counts(&mut groups), [(0, Some(Value::Int(1))), (1, Some(Value::Int(1)))]);
    assert_eq!(counts(&mut groups), [], "nothing changed");

    groups.remove(&at(1), &a, &[Value::None]);
    groups.insert(at(3), &a, &[Value::None]);
    assert_eq!(counts(&mut groups), [(0, Some(Value::Int(1)))], "the group was empty only in between");

    groups.remove(&at(3), &a, &[Value::None]);
    groups.insert(at(4), &[Value::from("c")], &[Value::None]);
    groups.remove(&at(4), &[Value::from("c")], &[Value::None]);
    assert_eq!(counts(&mut groups), [(0, None)], "nobody has seen the other one");

    groups.insert(at(5), &[Value::from("d")], &[Value::None]);
    let [(number, Some(Value::Int(1)))] = counts(&mut groups)[..] else {
        panic!("one group came");
    };
    assert_ne!(number, 1, "that group lives");
}

/// Catches a `GROUP ALL` that shows nothing over no rows, or other defaults than SurrealDB's.
#[test]
fn group_all_stands_without_rows() {
    let names = [
        ("count", 0, Value::Int(0)),
        ("count", 1, Value::Int(0)),
        ("math::sum", 1, Value::Int(0)),
        ("math::mean", 1, Value::Float(f64::NAN)),
        ("math::min", 1, Value::Float(f64::INFINITY)),
        ("math::max", 1, Value::Float(f64::NEG_INFINITY)),
        ("math::median", 1, Value::None),
        ("time::min", 1, Value::None),
        ("time::max", 1, Value::None),
        ("array::group", 1, [].into_iter().collect()),
    ];
    let function = |name: &str, arguments| AggregateFunction::named(name, arguments).expect("a function of SurrealDB");
    let functions = names.each_ref().map(|(name, arguments, _)| function(name, *arguments));
    let mut groups = Groups::new(Layout::new(functions.into_iter().zip(0..)), Vec::new(), true);
    let [GroupChange { number: 0, values: Some(values) }] = &groups.take_changed(&Listing, &mut 0)[..] else {
        panic!("one group, from the start");
    };
    for (value, (name, _, expected)) in values.iter().zip(&names) {
        assert!(identity::are_identical(value, expected), "{name}: {value:?}");
    }
    assert_eq!(AggregateFunction::named("math::mode", 1), None, "not an aggregate of SurrealDB");
}

/// Catches keys that are shown in the wrong form, and places of rows that are kept for nothing.
#[test]
fn only_keys_of_several_forms_hold_the_places_of_their_rows() {
    let several = [0, 1, 2, 3, 6, 8].map(|place| keys()[place].clone());
    assert!(!several.iter().any(|key| shown_key::have_one_form(std::slice::from_ref(key))));
    let one = [Value::from("1"), Value::None, Value::Bool(true), RecordId::new("u", Key::Int(1)).into()];
    assert!(shown_key::have_one_form(&one));
}
