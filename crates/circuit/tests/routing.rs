//! Conditions of several comparisons, by which rows and views find each other in all ways that there are.
//!
//! Whatever the indexes do, every view must hold the rows for which its condition holds. Values are few, of many types,
//! and often equal across types, so that a key that is missing shows.

mod support;

use std::collections::BTreeMap;

use circuit::{Change, Circuit, Expr, Operator, OrderKey, Plan, ResultId, Template, Value, Window};
use support::*;

const FIELDS: [&str; 4] = ["author", "priority", "tags", "title"];

const OPERATORS: [Operator; 15] = [
    Operator::Equal,
    Operator::Equal,
    Operator::Exact,
    Operator::AnyEqual,
    Operator::AllEqual,
    Operator::Less,
    Operator::LessOrEqual,
    Operator::Greater,
    Operator::GreaterOrEqual,
    Operator::Inside,
    Operator::Contains,
    Operator::ContainsAll,
    Operator::ContainsAny,
    Operator::AllInside,
    Operator::AnyInside,
];

fn scalar(random: &mut Random) -> Value {
    match random.below(14) {
        0 => Value::None,
        1 => Value::Bool(true),
        2..=6 => Value::Int(random.below(4) as i64),
        7 => Value::Float(random.below(6) as f64 / 2.0),
        8 => Value::Decimal(rust_decimal::Decimal::new(random.below(6) as i64 * 5, 1)),
        9 | 10 => Value::from(random.pick(&["a", "b", "ab"])),
        11 => Value::Regex("a".into()),
        _ => record("user", random.below(2) as i64).into(),
    }
}

fn value(random: &mut Random) -> Value {
    match random.below(5) {
        0 => (0..random.below(4)).map(|_| scalar(random)).collect(),
        1 => Value::set((0..random.below(3)).map(|_| scalar(random))),
        _ => scalar(random),
    }
}

/// A conjunction of comparisons, or one of two.
fn condition(random: &mut Random, columns: usize) -> (Expr, u16) {
    let mut slots = 0;
    let mut comparison = |random: &mut Random| {
        let (column, slot) = (column(random.below(columns as u64) as u16), slot(slots));
        slots += 1;
        let operator = random.pick(&OPERATORS);
        if random.below(4) == 0 { binary(operator, slot, column) } else { binary(operator, column, slot) }
    };
    let mut filter = comparison(random);
    for _ in 0..random.below(4) {
        filter = binary(Operator::And, filter, comparison(random));
    }
    if random.below(6) == 0 {
        filter = binary(Operator::Or, filter, comparison(random));
    }
    (filter, slots)
}

fn change(random: &mut Random, version: u64) -> Change {
    let number = random.below(25) as i64;
    if random.below(6) == 0 {
        return deletion(number, version);
    }
    let id = record("thread", number);
    let [author, priority, tags, title] = FIELDS.map(|field| (field, value(random)));
    Change { content: Some(object([("id", id.clone().into()), author, priority, tags, title])), id, version }
}

/// Catches a view that misses a row, or keeps one, because a key or an interval of either side is not where the other
/// looks for it.
#[test]
fn every_view_finds_its_rows_and_every_row_its_views() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let mut circuit = Circuit::new(library());
        let mut model: BTreeMap<String, Change> = BTreeMap::new();
        let mut views: Vec<(Plan, ResultId)> = Vec::new();
        let templates: Vec<(Template, u16)> = (0..4)
            .map(|_| {
                let (filter, slots) = condition(&mut random, 3);
                let columns = FIELDS[random.below(2) as usize..].iter().map(|field| expr(field)).collect();
                let order =
                    if random.below(2) == 0 { vec![OrderKey::new(0, random.below(2) == 0)] } else { Vec::new() };
                (Template::of_table("thread", columns, Some(filter), order), slots)
            })
            .collect();
        for version in 0..40 {
            for _ in 0..4 {
                let (template, slots) = random.pick(&templates);
                let slots = (0..slots).map(|_| value(&mut random)).collect();
                let window = Window { start: random.below(3), limit: Some(random.below(6)) };
                let plan = Plan::new(template, slots, (random.below(3) == 0).then_some(window));
                views.push((plan.clone(), circuit.register(&plan)));
            }
            let batch: Vec<Change> = (0..=random.below(3)).map(|_| change(&mut random, version + 1)).collect();
            for change in &batch {
                model.insert(format!("{:?}", change.id), change.clone());
            }
            circuit.step(batch);
            if views.len() > 60 {
                let (_, gone) = views.swap_remove(random.below(60) as usize);
                circuit.unregister(gone);
            }
            let mut fresh = Circuit::new(library());
            fresh.step(model.values().filter(|change| change.content.is_some()).cloned().collect());
            for (plan, result) in &views {
                let expected = expected_rows(&model, plan);
                let expected: Vec<String> = expected.iter().map(|change| format!("{:?}", change.id)).collect();
                let ids = |circuit: &Circuit, result| -> Vec<String> {
                    circuit.rows(result).iter().map(|row| format!("{:?}", row.id)).collect()
                };
                // What rows find their views by shows in the digest, and what views find their rows by in the rows.
                assert_eq!(ids(&circuit, *result), expected, "seed {seed}: {plan:?}");
                let result_of_fresh = fresh.register(plan);
                assert_eq!(circuit.digest(*result), fresh.digest(result_of_fresh), "seed {seed}: {plan:?}");
            }
        }
        views.iter().for_each(|(_, result)| circuit.unregister(*result));
        let size = circuit.size();
        assert_eq!((size.templates, size.bindings, size.results, size.arrangements), (0, 0, 0, 0), "something leaks");
    }
}
