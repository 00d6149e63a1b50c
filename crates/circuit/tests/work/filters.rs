//! Conditions: how a changed row finds its views, and a new view its rows.

use circuit::{Expr, Operator, Plan, Template, Value, Work};

use super::scenario::*;
use super::support::*;

/// A view of threads for which all of these comparisons hold.
fn where_all<const N: usize>(comparisons: [(&str, Operator, Value); N]) -> Plan {
    let mut columns: Vec<&str> = comparisons.iter().map(|(field, ..)| *field).collect();
    columns.dedup();
    let column_of = |field: &str| column(columns.iter().position(|known| *known == field).expect("a column") as u16);
    let mut conjuncts =
        (0..).zip(&comparisons).map(|(at, (field, operator, _))| binary(*operator, column_of(field), slot(at)));
    let first = conjuncts.next().expect("a condition");
    let filter = conjuncts.fold(first, |left, right| binary(Operator::And, left, right));
    let columns = columns.iter().map(|field| expr(field)).collect();
    let template = Template::of_table("thread", columns, Some(filter), vec![]);
    Plan::new(template, comparisons.into_iter().map(|(_, _, value)| value).collect(), None)
}

/// A view of threads for which this holds of a column and a slot.
fn of(field: &str, condition: impl Fn(Expr, Expr) -> Expr, value: Value) -> Plan {
    let template = Template::of_table("thread", vec![expr(field)], Some(condition(column(0), slot(0))), vec![]);
    Plan::new(template, [value].into_iter().collect(), None)
}

fn list<const N: usize>(items: [i64; N]) -> Value {
    items.into_iter().map(Value::Int).collect()
}

/// A range of ten ranks, which no other view has.
fn decade(number: i64) -> Plan {
    where_all([
        ("rank", Operator::GreaterOrEqual, (10 * number).into()),
        ("rank", Operator::Less, (10 * number + 10).into()),
    ])
}

/// The same, with an equality in front that all views have in common.
fn decade_of_status(number: i64) -> Plan {
    where_all([
        ("status", Operator::Equal, 1.into()),
        ("rank", Operator::Greater, (10 * number - 1).into()),
        ("rank", Operator::LessOrEqual, (10 * number + 9).into()),
    ])
}

fn tagged(number: i64) -> Plan {
    where_all([("status", Operator::Equal, 1.into()), ("tags", Operator::Contains, number.into())])
}

const ONE: Work = Work {
    rows_examined: 2,
    bindings_probed: 2,
    indexes_probed: 2,
    windows_probed: 0,
    rows_read: 0,
    records_read: 0,
    columns_computed: 0,
    outputs_computed: 0,
    plans_started: 0,
    rows_derived: 0,
    values_folded: 0,
    rows_saved: 0,
};

#[test]
fn a_changed_row_meets_only_the_views_that_it_concerns() {
    let moved = || vec![thread(3, 2, 4, 3)];
    let ranked = || vec![thread(3, 2, 3, 31)];
    let change = Scenario::change;
    carry_out(&[
        change("an equality", |n| where_all([("author", Operator::Equal, record("user", n).into())]), moved, 2, ONE),
        change("an exact equality", |n| where_all([("rank", Operator::Exact, n.into())]), ranked, 2, ONE),
        change("another field", |n| where_all([("author", Operator::Equal, record("user", n).into())]), ranked, 1, ONE),
        // Out of the views of 0 to 2, and of those from 4 to 31.
        change("a range without an end", |n| where_all([("rank", Operator::Greater, n.into())]), ranked, 31, ONE),
        change("a range with two ends", decade, ranked, 2, ONE),
        change(
            "ranges in one another",
            |n| {
                where_all([
                    ("rank", Operator::GreaterOrEqual, n.into()),
                    ("rank", Operator::LessOrEqual, (1_000_000 - n).into()),
                ])
            },
            || vec![thread(3, 2, 3, 1)],
            4,
            ONE,
        ),
        change("a range behind an equality that all have in common", decade_of_status, ranked, 2, ONE),
        change("a list", |n| where_all([("rank", Operator::Inside, list([n, n + 1]))]), ranked, 4, ONE),
        change(
            "a list behind an equality that all have in common",
            |n| where_all([("status", Operator::Equal, 1.into()), ("rank", Operator::Inside, list([n, n + 1]))]),
            ranked,
            4,
            ONE,
        ),
        change("an item", |n| where_all([("tags", Operator::Contains, n.into())]), ranked, 4, ONE),
        change(
            "an item behind an equality that all have in common",
            tagged,
            ranked,
            4,
            Work { indexes_probed: 3, ..ONE },
        ),
        change("all items", |n| where_all([("tags", Operator::ContainsAll, list([n, n + 1]))]), ranked, 2, ONE),
        change("any item", |n| where_all([("tags", Operator::ContainsAny, list([n, n + 1_000_000]))]), ranked, 4, ONE),
        change("all items inside", |n| where_all([("tags", Operator::AllInside, list([n, n + 1]))]), ranked, 2, ONE),
        change("any item that equals", |n| where_all([("tags", Operator::AnyEqual, n.into())]), ranked, 4, ONE),
        change(
            "any item of the slot that equals",
            |n| of("rank", |column, slot| binary(Operator::AnyEqual, slot, column), list([n, n + 1])),
            ranked,
            4,
            ONE,
        ),
        change(
            "all items of the slot that equal",
            |n| of("rank", |column, slot| binary(Operator::AllEqual, slot, column), list([n, n])),
            ranked,
            2,
            ONE,
        ),
        change("all items that equal", |n| where_all([("rank", Operator::AllEqual, n.into())]), ranked, 2, ONE),
        change(
            "one of two conditions",
            |n| {
                let either = binary(
                    Operator::Or,
                    binary(Operator::Equal, column(0), slot(0)),
                    binary(Operator::Equal, column(1), slot(1)),
                );
                let columns = vec![expr("author"), expr("rank")];
                let template = Template::of_table("thread", columns, Some(either), vec![]);
                Plan::new(template, [record("user", n).into(), n.into()].into_iter().collect(), None)
            },
            || vec![thread(3, 2, 3, 31)],
            2,
            Work { indexes_probed: 2, ..ONE },
        ),
    ]);
}

#[test]
fn a_new_view_meets_only_its_rows() {
    let each = Work { plans_started: 1, indexes_probed: 3, ..ONE };
    carry_out(&[
        Scenario::register(
            "an equality",
            |n| where_all([("author", Operator::Equal, record("user", n).into())]),
            10,
            each,
        ),
        Scenario::register("a range with two ends", decade, 10, each),
        Scenario::register("a range behind an equality that all have in common", decade_of_status, 10, each),
        Scenario::register("an item behind an equality that all have in common", tagged, 2, each),
        Scenario::register("a list", |n| where_all([("rank", Operator::Inside, list([n, n + 1]))]), 2, each),
        Scenario::register(
            "a range that is empty",
            |n| {
                let (above, below) = if n == 3 { (8, 5) } else { (10 * n, 10 * n + 10) };
                where_all([("rank", Operator::Greater, above.into()), ("rank", Operator::Less, below.into())])
            },
            0,
            each,
        )
        .concerning(1),
        Scenario::register(
            "a range of one value, without its ends",
            |n| {
                let (above, below) = if n == 3 { (5, 5) } else { (10 * n, 10 * n + 10) };
                where_all([("rank", Operator::Greater, above.into()), ("rank", Operator::Less, below.into())])
            },
            0,
            each,
        )
        .concerning(1),
    ]);
}

/// What no index leads to is tried by each view, and by no more than that.
#[test]
fn a_condition_without_an_index_costs_the_views_and_not_the_rows() {
    for (threads, views) in [(300, 100), (6_000, 100), (300, 1_000)] {
        let mut circuit = populated(threads);
        for number in 0..views {
            circuit.register(&where_all([("rank", Operator::NotEqual, number.into())]));
        }
        assert_eq!(circuit.size().unindexed_bindings as i64, views);
        let work = work_of(&mut circuit, |circuit| drop(circuit.step(vec![thread(3, 2, 3, 31)])));
        assert_eq!(work, Work { rows_examined: 2, bindings_probed: 2 * views as u64, ..Work::default() });
    }
}
