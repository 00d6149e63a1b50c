//! `ORDER BY`, `LIMIT` and `START`: what a row means to the windows before it, around it and behind it.

use circuit::{Operator, OrderKey, Plan, Template, Window, Work};

use super::scenario::*;
use super::support::trees::*;
use super::support::*;

/// A window on the threads of a user, those of the highest rank first.
fn newest(number: i64, start: u64, limit: u64) -> Plan {
    windowed(ordered("author", record("user", number).into()), start, limit)
}

/// A window on all threads, those of the lowest rank first.
fn oldest(start: u64, limit: u64) -> Plan {
    let Plan { template, slots, .. } = ordered("status", 1.into());
    let order = vec![OrderKey::new(1, false)];
    let template = Template { order, ..(*template).clone() };
    let window = Some(Window { start, limit: Some(limit) });
    Plan { slots, window, ..Plan::new(template, Default::default(), None) }
}

fn ordered(field: &str, value: circuit::Value) -> Plan {
    let filter = binary(Operator::Equal, column(0), slot(0));
    let order = vec![OrderKey::new(1, true)];
    let template = Template::of_table("thread", vec![expr(field), expr("rank")], Some(filter), order);
    Plan::new(template, [value].into_iter().collect(), None)
}

#[test]
fn a_row_concerns_only_the_windows_that_it_changes() {
    let each = Work { rows_examined: 2, bindings_probed: 2, indexes_probed: 2, windows_probed: 2, ..Work::default() };
    let change = Scenario::change;
    let first_three = |n| newest(n, 0, 3);
    let to_the_front = || vec![thread(3, 2, 3, 1_000_000)];
    carry_out(&[
        change("into a window", first_three, to_the_front, 2, each),
        change("out of a window, which pulls in the next", |n| newest(n, 0, 10), || vec![gone("thread", 3)], 1, each),
        change(
            "out of a window, and the next is pulled in",
            |n| windowed(ordered("author", record("user", n).into()), 0, 9),
            || vec![gone("thread", 3), thread(-1, 1, 3, 1_000_000)],
            2,
            Work { windows_probed: 4, ..each },
        ),
        change("behind a window", first_three, || vec![thread(3, 2, 3, 2)], 0, each).concerning(1),
        change("within a window", |n| newest(n, 0, 10), || vec![thread(3, 2, 3, 2)], 1, each),
        change("in front of a window", |n| newest(n, 2, 3), to_the_front, 2, each),
        change("other content in a window", |n| newest(n, 0, 10), || vec![comment(3, 2, 3, 1, 1), moved_member()], 1, each),
    ]);
}

/// The first thread of user 3 with a member that it did not have.
fn moved_member() -> circuit::Change {
    let mut change = thread(3, 2, 3, 3);
    let content = change.content.take().expect("a thread");
    let fields = content.iter().map(|(name, value)| (name.clone(), value.clone()));
    change.content = Some(fields.chain([("members".into(), circuit::Value::None)]).collect());
    change
}

/// Of many windows on the same rows only those are looked at that a row concerns, and a number that grows with the
/// logarithm of all.
#[test]
fn windows_that_a_row_does_not_concern_are_not_looked_at() {
    let windows: [(&str, fn(u64) -> Plan, fn() -> circuit::Change, u64); 4] = [
        ("behind the end of all", |n| oldest(0, n + 1), || thread(-1, 1, 3, 1_000_000), 0),
        ("before the start of all but one", |n| oldest(if n == 0 { 0 } else { 1_000_000 + n }, 5), || thread(-1, 1, 3, -1), 2),
        ("in one of them", |n| oldest(20 * n, 20), || thread(250, 2, 250, 251), 1),
        ("through three of them", |n| oldest(20 * n, 20), || thread(250, 2, 250, 290), 6),
    ];
    for (name, view, change, reported) in windows {
        for (threads, views) in [(300, 10), (3_000, 10), (3_000, 140), (3_000, 2_900)] {
            let mut circuit = populated(threads);
            for number in 0..views {
                circuit.register(&view(number));
            }
            let work = work_of(&mut circuit, |circuit| {
                let step = circuit.step(vec![change()]);
                let rows: usize = step.deltas.iter().map(|delta| delta.changes.len()).sum();
                // Ten windows of twenty rows end before the row.
                let expected = if name.contains("them") && views == 10 { 0 } else { reported };
                assert_eq!(rows as u64, expected, "{name}: {threads} threads, {views} views");
            });
            assert!(work.windows_probed <= 200, "{name}: {threads} threads, {views} views: {work:?}");
            assert!(work.rows_examined <= 2 && work.bindings_probed <= 2, "{name}: {work:?}");
        }
    }
}
