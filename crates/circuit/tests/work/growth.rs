//! What the counters can't see: a batch that is so many times as large must not take more than so many times as long.
//!
//! These tests look at the time that the thread was running. A large batch is compared with as many small ones as have the
//! same number of changes together: what grows with the square takes sixteen times as long in the large one.

use std::time::{Duration, Instant};

use circuit::{Change, Circuit, Expr, Operator, Plan, Slot, Slots, Template, Value};

use super::scenario::*;
use super::support::trees::*;
use super::support::*;

const TIMES: i64 = 16;
const FEW: i64 = 1_000;
const MANY: i64 = TIMES * FEW;

/// How often it is tried again: other threads share the caches.
const TRIES: usize = 5;

/// Measures one step. `prepare` answers the circuit, and the changes of the step.
fn assert_no_square(prepare: impl Fn(i64) -> (Circuit, Vec<Change>)) {
    let time = |size: i64| {
        let (mut circuit, changes) = prepare(size);
        let start = running_time();
        let step = circuit.step(changes);
        let time = running_time() - start;
        assert!(!step.deltas.is_empty() || !step.watched.is_empty());
        time
    };
    let mut times = Vec::new();
    for _ in 0..TRIES {
        let few: Duration = (0..TIMES).map(|_| time(FEW)).sum();
        let many = time(MANY);
        if many < few * 4 {
            return;
        }
        times.push((few, many));
    }
    panic!("{TIMES} times {FEW}, and {MANY} at once: {times:?}");
}

/// How long this thread was running, as far as the system tells; else how long the process is there.
fn running_time() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|told| told.split_whitespace().next()?.parse().ok());
    nanoseconds.map_or_else(|| START.get_or_init(Instant::now).elapsed(), Duration::from_nanos)
}

fn constant(value: impl Into<Value>) -> Slot {
    Slot::Constant(circuit::Constant(value.into()))
}

#[test]
fn many_rows_under_one_row() {
    // The threads of one user are followed by those of another, while all of the former change.
    assert_no_square(|size| {
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
fn many_views_that_get_another_binding() {
    // Each view shows one thread of the user whom a record names, with subqueries that know the user.
    assert_no_square(|size| {
        let mut circuit = Circuit::new(library());
        circuit.step(vec![member(1, 1, 1, 1, 2)]);
        circuit.step((0..2 * size).map(|number| thread(number, 1, 2 + number % 2, number / 2)).collect());
        let equal = |column, slot| binary(Operator::Equal, column, slot);
        let filter = binary(Operator::And, equal(column(0), slot(0)), equal(column(1), slot(1)));
        let own = table("comment", "author", Slot::Computed(slot(0)));
        let threads = Template::of_table("thread", vec![expr("author"), expr("rank")], Some(filter), vec![]);
        let threads = under(Plan::new(threads, Slots::default(), None), vec![child("own", own)]);
        let friend = Plan { output: expr("friend").into(), ..table("user", "team", constant(1)) };
        let first = Expr::Walk(Box::new(Expr::Subquery(0)), [circuit::Part::First].into());
        for rank in 0..size {
            let slots = vec![Slot::Computed(first.clone()), constant(rank)];
            circuit.register(&Plan { slots, lookups: vec![friend.clone()], ..threads.clone() });
        }
        (circuit, vec![member(1, 2, 1, 1, 3)])
    });
}

#[test]
fn many_rows_of_an_answer_that_change_with_what_they_read() {
    assert_no_square(|size| {
        let mut circuit = Circuit::new(library());
        circuit.step(vec![member(1, 1, 1, 1, 2)]);
        circuit.step((0..size).map(|number| thread(number, 1, 1, number)).collect());
        circuit.watch(&Plan { output: expr("author.name").into(), ..table("thread", "status", constant(1)) });
        let changed = (0..size).map(|number| thread(number, 2, 1, number + 1));
        (circuit, changed.chain([member(1, 2, 2, 1, 2)]).collect())
    });
}

#[test]
fn many_rows_that_change_with_the_set_that_they_are_in() {
    assert_no_square(|size| {
        let mut circuit = Circuit::new(library());
        circuit.step(vec![member(1, 1, 1, 1, 2)]);
        circuit.step((0..size).map(|number| thread(number, 1, 1, number)).collect());
        let team = Plan { output: expr("id").into(), ..table("user", "team", constant(1)) };
        let filter = binary(Operator::Inside, column(0), slot(0));
        let template = Template::of_table("thread", vec![expr("author")], Some(filter), vec![]);
        let slots = vec![Slot::Computed(Expr::Subquery(0))];
        circuit.register(&Plan { slots, lookups: vec![team], ..Plan::new(template, Slots::default(), None) });
        let changed = (0..size).map(|number| thread(number, 2, 1, number + 1));
        (circuit, changed.chain([member(1, 2, 1, 2, 2)]).collect())
    });
}

#[test]
fn many_values_that_come_to_a_set_and_go() {
    // Each row of the subquery has the value that the one before it had.
    assert_no_square(|size| {
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
    assert_no_square(|size| {
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
fn many_sets_that_are_made_while_others_change() {
    // Under each thread the comments by all who have commented on it.
    assert_no_square(|size| {
        let mut circuit = Circuit::new(library());
        circuit.step((0..size).map(|number| thread(number, 1, 1, number)).collect());
        let authors = Plan { output: expr("author").into(), ..table("comment", "thread", by_row("id")) };
        let filter = binary(Operator::Inside, column(0), slot(0));
        let by_them = Template::of_table("comment", vec![expr("author")], Some(filter), vec![]);
        let slots = vec![Slot::Computed(Expr::Subquery(0))];
        let by_them = Plan { slots, lookups: vec![authors], ..Plan::new(by_them, Slots::default(), None) };
        circuit.register(&under(table("thread", "status", constant(1)), vec![child("by them", by_them)]));
        let more = (size..2 * size).map(|number| thread(number, 1, 1, number));
        let comments = (0..size).map(|number| comment(number, 1, number, number, 1));
        (circuit, more.chain(comments).collect())
    });
}
