//! Rows that are made from other rows: nested queries, split rows, groups.

use std::sync::Arc;

use circuit::{
    Aggregate, AggregateFunction, Change, Circuit, Constant, Direction, EdgeTable, Expr, Field, Fields, GraphStep,
    Grouping, Named, Only, Operator, OrderKey, Others, Output, Part, Plan, Shape, Slot, Template, Value, Work,
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

/// `FROM <user>-><table>->thread`.
fn along_edges(edges: &str, user: i64) -> Plan {
    let step = |table: &str| GraphStep {
        directions: &[Direction::Out],
        tables: [EdgeTable::all(table)].into(),
        condition: None,
        order: Box::default(),
        start: None,
        limit: None,
        value: None,
    };
    let user = Slot::Constant(Constant(record("user", user).into()));
    items_of(user, [Part::Graph([step(edges), step("thread")].into(), false)], true)
}

/// `FROM <user>.friends`.
fn through_links(user: i64) -> Plan {
    let user = Slot::Constant(Constant(record("user", user).into()));
    items_of(user, [Part::Field("friends".into())], false)
}

#[test]
fn a_record_concerns_only_the_lists_that_hold_it() {
    let change = Scenario::change;
    let ranked = || vec![thread(3, 2, 3, 9)];
    // A list of ten is computed and gone through.
    let again = Work { records_read: 36, columns_computed: 1, values_folded: 11, ..EACH };
    carry_out(&[
        change("a record at the end of edges", |n| along_edges("wrote", n), ranked, 1, EACH),
        change(
            "a record at the end of edges that comes to satisfy a condition",
            |n| where_equal(along_edges("wrote", n), "rank", 9),
            ranked,
            1,
            EACH,
        ),
        change(
            "a record that is gone from a window on what edges lead to",
            |n| windowed(along_edges("wrote", n), 0, 3),
            || vec![gone("thread", 3)],
            2,
            EACH,
        ),
        change("one more edge", |n| along_edges("wrote", n), || vec![edge("wrote", -1, 1, (3, 4))], 1, again),
        change("an edge less", |n| along_edges("wrote", n), || vec![gone("wrote", 3)], 1, again),
        change("an edge of another table", |n| along_edges("wrote", n), || vec![edge("read", -1, 1, (3, 4))], 0, EACH),
        change("a record in two lists of links", through_links, || vec![member(4, 2, 99, 4, 5)], 2, EACH),
        change(
            "another list of links",
            through_links,
            || vec![member(3, 2, 3, 3, 9)],
            // In lists 1 and 2 the record itself, in list 3 two that are gone and two that have come.
            6,
            Work { records_read: 1, values_folded: 1, ..EACH },
        ),
    ]);
}

/// Catches a list that is gone through for one of its records.
#[test]
fn a_record_costs_the_same_in_a_list_of_any_length() {
    let work_in_list_of = |length: i64, view: &dyn Fn() -> Plan, change: Change| {
        let friends = (0..length).map(|number| Value::from(record("thread", number))).collect();
        let content = object([("id", record("user", 1).into()), ("friends", friends)]);
        let mut changes: Vec<Change> = (0..length).map(|number| thread(number, 1, 1, number)).collect();
        changes.extend((0..length).map(|number| edge("wrote", number, 1, (1, number))));
        changes.push(Change { id: record("user", 1), version: 1, content: Some(content) });
        let mut circuit = Circuit::new(library());
        circuit.step(changes);
        circuit.register(&view());
        work_of(&mut circuit, |circuit| assert_eq!(circuit.step(vec![change.clone()]).deltas.len(), 1))
    };
    let window = || windowed(through_links(1), 10, 20);
    let views: [&dyn Fn() -> Plan; 3] = [&|| along_edges("wrote", 1), &|| through_links(1), &window];
    for (view, number) in views.into_iter().zip(0..) {
        let [short, long] = [100, 3_000].map(|length| work_in_list_of(length, view, thread(15, 2, 1, 7)));
        assert_eq!(short, long, "view {number}");
        assert!(short.is_within(EACH), "view {number}: {short:?}");
    }
    // One more item: the list is gone through, and nothing is done to the items that were there.
    for length in [100, 3_000] {
        let work = work_in_list_of(length, views[0], edge("wrote", length, 1, (1, 15)));
        let most = Work { records_read: 4 * length as u64, values_folded: length as u64 + 1, ..EACH };
        assert!(work.is_within(most), "{work:?}");
    }
}

/// `SELECT *, 1 AS one FROM (SELECT VALUE author FROM thread WHERE author = <user>)`.
fn records_of_links(user: i64) -> Plan {
    let fields = vec![Field::new("one", Expr::Constant(Constant(1.into())))];
    let shown = Named::placed(true, false, fields, Others::Computed);
    let links = Plan { output: expr("author").into(), ..of_author(user) };
    Plan { output: Arc::new(Output::new(Fields::Named(shown))), ..rows_of(vec![links], None) }
}

/// `SELECT * FROM (SELECT * FROM ONLY <thread>)`.
fn answer_of_only(thread: i64) -> Plan {
    let one = table("thread", "id", Slot::Constant(Constant(record("thread", thread).into())));
    let one = Plan { output: Arc::new(Output { only: Only::OneOrNone, ..Output::default() }), ..one };
    let once = derived(Shape::Once, Vec::new(), None);
    let slots = vec![Slot::Computed(Expr::Subquery(0))];
    rows_of(vec![Plan { slots, lookups: vec![one], output: slot(0).into(), ..once }], None)
}

/// `SELECT author, array::group((SELECT * FROM <comment>)) FROM thread WHERE author = <user> GROUP BY author`.
fn grouped_answers(number: i64) -> Plan {
    let comment = table("comment", "id", Slot::Constant(Constant(record("comment", number).into())));
    let plan =
        grouped(under(of_author(number), vec![child("comment", comment)]), &["author"], AggregateFunction::Group, "id");
    let inputs = plan
        .inputs
        .into_iter()
        .map(|input| Plan { output: Expr::Array([expr("author"), Expr::Subquery(0)].into()).into(), ..input });
    Plan { inputs: inputs.collect(), ..plan }
}

#[test]
fn rows_of_any_value_cost_what_is_in_them() {
    carry_out(&[
        Scenario::watched(
            "records that rows which are links stand for",
            records_of_links,
            || vec![member(3, 2, 99, 3, 4)],
            0,
            Work { outputs_computed: 1, records_read: 1, ..Work::default() },
        )
        .concerning(10),
        Scenario::change("the answer of a subquery as a row", answer_of_only, || vec![thread(3, 2, 3, 9)], 1, {
            Work { plans_started: 3, rows_read: 4, ..EACH }
        }),
        Scenario::change("the answer of a subquery, grouped", grouped_answers, || vec![comment(3, 2, 3, 1, 9)], 1, {
            Work { values_folded: 1, rows_read: 1, ..EACH }
        })
        .concerning(10),
    ]);
}

/// All threads for the view of number 3; for the others a user's.
fn of_all_but(number: i64) -> Plan {
    if number == 3 { of_status() } else { of_author(number + 10) }
}
