//! `ORDER BY`, `LIMIT` and `START`: what a row means to the windows before it, around it and behind it.

use circuit::{Change, Operator, OrderKey, Plan, Template, Value, Window, Work};

use super::scenario::*;
use super::support::*;

/// A window on the threads with this value, those of the lowest rank first.
fn lowest(field: &str, value: Value, start: u64, limit: u64) -> Plan {
    let filter = binary(Operator::Equal, column(0), slot(0));
    let order = vec![OrderKey::new(1, false)];
    let template = Template::of_table("thread", vec![expr(field), expr("rank")], Some(filter), order);
    let window = Window { start, limit: Some(limit) };
    Plan::new(template, [value].into_iter().collect(), Some(window))
}

fn of_author(number: i64, start: u64, limit: u64) -> Plan {
    lowest("author", record("user", number).into(), start, limit)
}

fn of_all(start: u64, limit: u64) -> Plan {
    lowest("status", 1.into(), start, limit)
}

#[test]
fn a_row_concerns_only_the_windows_that_it_changes() {
    let each = Work { rows_examined: 2, bindings_probed: 2, indexes_probed: 2, windows_probed: 1, ..Work::default() };
    let change = Scenario::change;
    let first_three = |number| of_author(number, 0, 3);
    let to_the_end = || vec![thread(3, 2, 3, 1_000_000)];
    carry_out(&[
        change("into a window, out of which goes another", first_three, || vec![thread(-1, 1, 3, -1)], 2, each),
        change("out of a window, into which comes the next", first_three, to_the_end, 2, each),
        change("gone out of a window", first_three, || vec![gone("thread", 3)], 2, each),
        change("behind a window", first_three, || vec![thread(-1, 1, 3, 1_000_000)], 0, each).concerning(1),
        change("within a window", first_three, || vec![thread(3, 2, 3, 2)], 1, each),
        change("from the front of a window to its end", |number| of_author(number, 2, 3), to_the_end, 2, each),
        change("another version in a window", first_three, || vec![thread(3, 2, 3, 3)], 1, each),
    ]);
}

/// A change of one row under many windows on the same rows.
struct UnderWindows {
    name: &'static str,
    view: View,
    change: fn() -> Change,
    /// The window that is concerned.
    concerned: i64,
    reported: usize,
}

/// Of many windows on the same rows only those are looked at that a row concerns, and a number that grows with the
/// logarithm of all.
#[test]
fn windows_that_a_row_does_not_concern_are_not_looked_at() {
    let page: View = |n| of_all(20 * n as u64, 20);
    let cases = [
        UnderWindows {
            name: "behind the end of all",
            view: |n| of_all(0, n as u64 + 1),
            change: || thread(-1, 1, 3, 1_000_000),
            concerned: 0,
            reported: 0,
        },
        UnderWindows {
            name: "before the start of all but one",
            view: |n| of_all(if n == 0 { 0 } else { 1_000_000 + n as u64 }, 5),
            change: || thread(-1, 1, 3, -1),
            concerned: 0,
            reported: 2,
        },
        UnderWindows {
            name: "in one of them",
            view: page,
            change: || thread(250, 2, 250, 251),
            concerned: 12,
            reported: 1,
        },
        UnderWindows {
            name: "through three of them",
            view: page,
            change: || thread(250, 2, 250, 290),
            concerned: 14,
            reported: 6,
        },
    ];
    for UnderWindows { name, view, change, concerned, reported } in cases {
        for (threads, views) in [(300, 10), (3_000, 10), (3_000, 140), (3_000, 2_900)] {
            let mut circuit = populated(threads);
            for number in 0..views {
                circuit.register(&view(number));
            }
            let work = work_of(&mut circuit, |circuit| {
                let step = circuit.step(vec![change()]);
                let rows: usize = step.deltas.iter().map(|delta| delta.changes.len()).sum();
                let expected = if views > concerned { reported } else { 0 };
                assert_eq!(rows, expected, "{name}: {threads} threads, {views} views");
            });
            assert!(work.windows_probed <= 200, "{name}: {threads} threads, {views} views: {work:?}");
            assert!(work.rows_examined <= 2 && work.bindings_probed <= 2, "{name}: {work:?}");
        }
    }
}
