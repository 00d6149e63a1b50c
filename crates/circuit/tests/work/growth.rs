//! What the counters can't see: a batch that is so many times as large must not take more than so many times as long.
//!
//! These tests look at the time that the thread was running. A large batch is compared with as many small ones as have
//! the same number of changes together: what grows with the square takes sixteen times as long in the large one.

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
