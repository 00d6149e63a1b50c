//! Rows that are made from other rows: nested queries, split rows, groups.

use std::sync::Arc;

use circuit::{
    Aggregate, AggregateFunction, Constant, Expr, Field, Fields, Grouping, Named, Operator, OrderKey, Output, Plan,
    Shape, Slot, Template, Value, Work,
};

use super::scenario::*;
use super::support::trees::*;
use super::support::*;

fn of_author(number: i64) -> Plan {
    threads_of(record("user", number).into())
}

fn of_status() -> Plan {
    table("thread", "status", Slot::Constant(Constant(1.into())))
}

/// `SELECT <key>, <function>(<argument>) AS value FROM ... GROUP BY <key>`.
fn grouped(input: Plan, keys: &[&str], function: AggregateFunction, argument: &str) -> Plan {
    let items = keys.iter().map(|key| expr(key)).chain([expr(argument)]).collect();
    let input = Plan { output: Expr::Array(items).into(), ..input };
    let aggregates = vec![Aggregate { function, extra: Vec::new() }];
    let shown = Named::new(vec![Field::new("value", column(keys.len() as u16))]);
    let output = Arc::new(Output::new(Fields::Named(shown)));
    derived(Shape::Group(Grouping { keys: keys.len() as u16, aggregates, output }), vec![input], None)
}

/// The template of a derived source with a condition.
fn where_equal(plan: Plan, field: &str, value: impl Into<Value>) -> Plan {
    let filter = binary(Operator::Equal, column(0), slot(0));
    let template = Template { columns: vec![expr(field)], filter: Some(filter), ..(*plan.template).clone() };
    let slots = vec![Slot::Constant(Constant(value.into()))];
    Plan { template: Arc::new(template), slots, ..plan }
}

const EACH: Work = Work {
    rows_examined: 4,
    bindings_probed: 4,
    indexes_probed: 4,
    windows_probed: 4,
    rows_read: 0,
    records_read: 0,
    columns_computed: 0,
    outputs_computed: 2,
    plans_started: 0,
    rows_derived: 1,
    values_folded: 0,
    rows_saved: 0,
};

#[test]
fn a_row_concerns_only_what_is_derived_from_it() {
    let change = Scenario::change;
    let ranked = || vec![thread(3, 2, 3, 9)];
    carry_out(&[
        change("a row of a nested query", |n| rows_of(vec![of_author(n)], None), ranked, 1, EACH),
        change(
            "a row that goes from one nested query to another",
            |n| rows_of(vec![of_author(n)], None),
            || vec![thread(3, 2, 4, 3)],
            2,
            EACH,
        ),
        change(
            "a row of one of two sources",
            |n| rows_of(vec![of_author(n), comments(Slot::Constant(Constant(record("thread", n).into())), None)], None),
            || vec![comment(3, 2, 3, 1, 9)],
            1,
            EACH,
        ),
        change(
            "a row of a nested query that many views look into",
            |n| where_equal(rows_of(vec![of_status()], None), "rank", n),
            || vec![thread(3, 2, 3, 31)],
            2,
            Work { columns_computed: 1, ..EACH },
        ),
        change(
            "a row of a window on a nested query",
            |n| rows_of(vec![Plan { window: None, ..of_author(n) }], Some((0, 3))),
            || vec![gone("thread", 3)],
            2,
            Work { windows_probed: 4, ..EACH },
        ),
        change(
            "a thread that is split by its tags",
            |n| derived(Shape::Split(vec![vec!["tags".into()]]), vec![of_author(n)], None),
            ranked,
            2,
            EACH,
        ),
        change(
            "names of authors in nested rows",
            |n| rows_of(vec![Plan { output: expr("author.name").into(), ..of_author(n) }], None),
            || vec![member(3, 2, 99, 3, 4)],
            10,
            Work { records_read: 1, ..EACH },
        ),
    ]);
}

#[test]
fn a_row_concerns_only_its_groups() {
    use AggregateFunction::{Count, CountTruthy, Group, Max, Mean, Median, Min, Sum, TimeMax, TimeMin};
    let change = Scenario::change;
    let ranked = || vec![thread(3, 2, 3, 11)];
    let of_all: [(&str, View); 9] = [
        ("count", |n| grouped(of_all_but(n), &[], Count, "id")),
        ("count of a condition", |n| grouped(of_all_but(n), &[], CountTruthy, "rank")),
        ("sum", |n| grouped(of_all_but(n), &[], Sum, "rank")),
        ("mean", |n| grouped(of_all_but(n), &[], Mean, "rank")),
        ("least", |n| grouped(of_all_but(n), &[], Min, "rank")),
        ("greatest", |n| grouped(of_all_but(n), &[], Max, "rank")),
        ("median", |n| grouped(of_all_but(n), &[], Median, "rank")),
        ("earliest", |n| grouped(of_all_but(n), &[], TimeMin, "rank")),
        ("latest", |n| grouped(of_all_but(n), &[], TimeMax, "rank")),
    ];
    // The one group of all threads, whose value may be the same as before.
    let in_all = of_all.map(|(name, view)| Scenario {
        reported: u64::from(matches!(name, "sum" | "mean")),
        // Threads by status, threads by author, and groups.
        ..change(name, view, ranked, 1, Work { rows_examined: 6, ..EACH })
    });
    carry_out(&in_all);
    carry_out(&[
        change(
            "a row that goes from one group to another",
            |n| grouped(of_author(n), &["priority"], Sum, "rank"),
            || vec![thread(3, 2, 3, 5)],
            2,
            EACH,
        ),
        change(
            "a list of the values of a group, which goes through them",
            |n| grouped(of_author(n), &["author"], Group, "rank"),
            ranked,
            1,
            Work { values_folded: 10, ..EACH },
        ),
        change(
            "the greatest of many groups",
            |n| {
                let plan = grouped(of_author(n), &["rank"], Sum, "rank");
                let order = vec![OrderKey::new(0, true)];
                let template = Template { columns: vec![expr("value")], order, ..(*plan.template).clone() };
                windowed(Plan { template: Arc::new(template), ..plan }, 0, 2)
            },
            || vec![thread(3, 2, 3, 1_000_000)],
            2,
            EACH,
        ),
    ]);
}

/// All threads for the view of number 3; for the others a user's.
fn of_all_but(number: i64) -> Plan {
    if number == 3 { of_status() } else { of_author(number + 10) }
}
