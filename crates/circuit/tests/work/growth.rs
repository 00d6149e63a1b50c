//! Steps whose changes meet each other: what one of them looks for must not be looked for among all others.

use circuit::{Change, Circuit, Expr, Operator, Part, Plan, Slot, Slots, Template, Value};

use super::scenario::*;
use super::support::trees::*;
use super::support::*;

/// Measures one step. `prepare` answers the circuit, and the changes of the step.
fn assert_no_square(few: i64, prepare: impl Fn(i64) -> (Circuit, Vec<Change>)) {
    super::support::growth::assert_no_square(few, prepare, |(circuit, changes)| {
        let step = circuit.step(std::mem::take(changes));
        assert!(!step.deltas.is_empty() || !step.watched.is_empty());
    });
}

fn constant(value: impl Into<Value>) -> Slot {
    Slot::Constant(circuit::Constant(value.into()))
}

#[test]
fn many_rows_under_one_row() {
    // The threads of one user are followed by those of another, while all of the former change.
    assert_no_square(1_000, |size| {
        let mut circuit = Circuit::new(library());
        circuit.step(vec![member(1, 1, 1, 1, 2)]);
        circuit.step((0..2 * size).map(|number| thread(number, 1, 2 + number % 2, number)).collect());
        let threads = table("thread", "author", by_row("friend"));
        circuit.register(&under(table("user", "team", constant(1)), vec![child("threads", threads)]));
        let changed = (0..2 * size).step_by(2).map(|number| thread(number, 2, 2, number + 1));
        (circuit, changed.chain([member(1, 2, 1, 1, 3)]).collect())
    });
}

#[test]
fn many_values_that_come_to_a_set_and_go() {
    // Each row of the subquery has the value that the one before it had.
    assert_no_square(1_000, |size| {
        let mut circuit = Circuit::new(library());
        circuit.step((0..size).map(|number| comment(number, 1, 1, number % 2, 1)).collect());
        circuit.step((0..size).map(|number| thread(number, 1, number % 2, number)).collect());
        let authors = Plan { output: expr("author").into(), ..table("comment", "priority", constant(1)) };
        let filter = binary(Operator::Inside, column(0), slot(0));
        let template = Template::of_table("thread", vec![expr("author")], Some(filter), vec![]);
        let slots = vec![Slot::Computed(Expr::Subquery(0))];
        circuit.register(&Plan { slots, lookups: vec![authors], ..Plan::new(template, Slots::default(), None) });
        let changed = (0..size).map(|number| comment(number, 2, 1, 2 + number % 2, 1));
        (circuit, changed.collect())
    });
}

#[test]
fn a_row_that_reads_many_records() {
    assert_no_square(1_000, |size| {
        let mut circuit = Circuit::new(library());
        circuit.step((0..size).map(|number| member(number, 1, number, 1, 1)).collect());
        let filter = binary(Operator::Contains, column(0), slot(0));
        let template = Template::of_table("thread", vec![expr("members.name")], Some(filter), vec![]);
        circuit.register(&Plan::new(template, ["name 5".into()].into_iter().collect(), None));
        let members: Value = (0..size).map(|number| Value::from(record("user", number))).collect();
        (circuit, vec![with_field(1, 1, "members", members)])
    });
}

#[test]
fn many_results_that_get_other_bindings() {
    // All follow the friend of one user, while a row with something under it is in as many other results.
    assert_no_square(3_000, |size| {
        let mut circuit = Circuit::new(library());
        circuit.step(vec![member(1, 1, 1, 1, 2), thread(1, 1, 1, 0), comment(1, 1, 1, 1, 1)]);
        for number in 0..size {
            let filter = binary(Operator::Greater, slot(0), column(0));
            let template = Template::of_table("thread", vec![expr("rank")], Some(filter), vec![]);
            let threads = Plan { slots: vec![constant(number + 1)], ..Plan::new(template, Slots::default(), None) };
            circuit.register(&under(threads, vec![child("comments", comments(by_row("id"), None))]));
            circuit.register(&of_friend_with_rank(number));
        }
        (circuit, vec![member(1, 2, 1, 1, 3), comment(1, 2, 1, 1, 2)])
    });
}

/// `SELECT * FROM thread WHERE author = user:1.friend AND rank = $rank`.
fn of_friend_with_rank(rank: i64) -> Plan {
    let user = table("user", "id", constant(record("user", 1)));
    let filter =
        binary(Operator::And, binary(Operator::Equal, column(0), slot(0)), binary(Operator::Equal, column(1), slot(1)));
    let template = Template::of_table("thread", vec![expr("author"), expr("rank")], Some(filter), vec![]);
    let lookups = vec![Plan { output: expr("friend").into(), ..user }];
    let friend = Slot::Computed(Expr::Walk(Box::new(Expr::Subquery(0)), [Part::First].into()));
    Plan { slots: vec![friend, constant(rank)], lookups, ..Plan::new(template, Slots::default(), None) }
}
