//! Columns and answers that follow record links and edges.

use std::sync::Arc;

use circuit::{
    Direction, EdgeTable, Expr, FetchStep, Fields, GraphStep, Operator, OrderKey, Output, Part, Plan, Template, Value,
    Work,
};

use super::scenario::*;
use super::support::trees::*;
use super::support::*;

fn column_is(column_expr: Expr, operator: Operator, value: impl Into<Value>) -> Plan {
    let filter = binary(operator, column(0), slot(0));
    let template = Template::of_table("thread", vec![column_expr], Some(filter), vec![]);
    Plan::new(template, [value.into()].into_iter().collect(), None)
}

fn of_authors_name(number: i64) -> Plan {
    column_is(expr("author.name"), Operator::Equal, &*format!("name {number}"))
}

/// `WHERE <-wrote<-user CONTAINS $user`.
fn written_by(number: i64) -> Plan {
    let step = |table: &str| GraphStep {
        directions: &[Direction::In],
        tables: [EdgeTable { name: table.into(), keys: (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded) }]
            .into(),
        condition: None,
        order: Box::default(),
        start: None,
        limit: None,
        value: None,
    };
    let steps: Box<[GraphStep]> = [step("wrote"), step("user")].into();
    let writers = Expr::Walk(Box::new(Expr::Row), [Part::Graph(steps, false)].into());
    column_is(writers, Operator::Contains, record("user", number))
}

/// The first threads by the name of their authors, of all that have a rank.
fn first_by_name(number: i64) -> Plan {
    let columns = vec![expr("priority"), expr("author.name"), expr("author")];
    let filter = binary(Operator::Equal, column(2), slot(0));
    let order = vec![OrderKey::new(1, true), OrderKey::new(0, false)];
    let template = Template::of_table("thread", columns, Some(filter), order);
    windowed(Plan::new(template, [record("user", number).into()].into_iter().collect(), None), 0, 3)
}

fn fetching(number: i64) -> Plan {
    let fetch = vec![vec![FetchStep::Field("author".into())]];
    let output = Output { fields: Fields::All, fetch, ..Output::default() };
    Plan { output: Arc::new(output), ..threads_of(record("user", number).into()) }
}

#[test]
fn a_linked_record_concerns_only_the_rows_that_read_what_has_changed() {
    let each = Work {
        rows_examined: 2,
        bindings_probed: 2,
        indexes_probed: 2,
        columns_computed: 1,
        records_read: 1,
        ..Work::default()
    };
    let change = Scenario::change;
    let renamed = || vec![member(3, 2, 1_000_000, 3, 4)];
    let other_field = || vec![member(3, 2, 3, 1_000_000, 4)];
    carry_out(&[
        change("the name of an author", of_authors_name, renamed, 10, each),
        change("another field of an author", of_authors_name, other_field, 0, each),
        change("an author that is gone", of_authors_name, || vec![gone("user", 3)], 10, each),
        change("a thread with another author", of_authors_name, || vec![thread(3, 2, 4, 3)], 2, each),
        change(
            "the name of the organisation of authors",
            |n| column_is(expr("author.org.name"), Operator::Equal, &*format!("org {n}")),
            || vec![org(0, 2, 4)],
            200,
            each,
        ),
        change(
            "the name of one of several members",
            |n| column_is(expr("members.name"), Operator::Contains, &*format!("name {n}")),
            renamed,
            20,
            Work { records_read: 2, indexes_probed: 4, bindings_probed: 3, ..each },
        ),
        change("names that rows are ordered by", first_by_name, renamed, 0, Work { windows_probed: 2, ..each })
            .concerning(10),
        Scenario::watched(
            "a record that an answer fetches",
            fetching,
            renamed,
            0,
            Work { outputs_computed: 1, records_read: 1, ..Work::default() },
        )
        .concerning(10),
        Scenario::watched(
            "names that an answer shows",
            |n| Plan { output: expr("author.name").into(), ..threads_of(record("user", n).into()) },
            renamed,
            0,
            Work { outputs_computed: 1, records_read: 1, ..Work::default() },
        )
        .concerning(10),
    ]);
}

#[test]
fn an_edge_concerns_only_the_rows_at_its_ends() {
    let each = Work {
        rows_examined: 2,
        bindings_probed: 3,
        indexes_probed: 3,
        columns_computed: 1,
        records_read: 9,
        ..Work::default()
    };
    let change = Scenario::change;
    let nothing = Work::default();
    carry_out(&[
        change("a new edge", written_by, || vec![edge("wrote", -1, 1, (4, 3))], 1, each),
        change("an edge that is gone", written_by, || vec![gone("wrote", 3)], 1, each),
        change("an edge of another table", written_by, || vec![edge("read", -1, 1, (4, 3))], 0, nothing),
        change("other content of an edge", written_by, || vec![edge("wrote", 3, 2, (3, 3))], 0, nothing),
    ]);
}
