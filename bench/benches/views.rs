//! One change under many views `SELECT * FROM thread WHERE author = $author`, beside differential-dataflow doing the
//! same.
//!
//! 100,000 rows of 8 fields (242 bytes of JSON each, for a number of five digits), one per author; the views are those of
//! the first N authors. A change moves any row to a viewed author, or back, so that it enters or leaves one result, or
//! both. In differential-dataflow the views are a table of parameters, arranged by author, that is joined with the rows,
//! arranged by author: the same plan. Its rows are native structs with an integer for the author, which is less work
//! than ours.
//!
//! `cargo bench --manifest-path bench/Cargo.toml` prints the table that is committed in `BENCHMARKS.md`.

mod support;

use std::time::Duration;

use support::{Percentiles, Report};

const ROWS: u64 = 100_000;
const CHANGES: usize = 20_000;

fn main() {
    let mut report = Report::new(&["views", "circuit p50", "p99", "differential-dataflow p50", "p99", "ratio of p50"]);
    for views in [1, 100, 10_000, 100_000] {
        let ours = ours::measure(views);
        let peer = peer::measure(views);
        report.row(&[
            views.to_string(),
            micros(ours.median),
            micros(ours.p99),
            micros(peer.median),
            micros(peer.p99),
            format!("{:.1}", peer.median.as_secs_f64() / ours.median.as_secs_f64()),
        ]);
    }
    report.print();
}

fn micros(duration: Duration) -> String {
    format!("{:.2} µs", duration.as_secs_f64() * 1e6)
}

/// The row of a change, and the author that it moves to: any of the rows, to an author that is viewed, and back. Rows all over the
/// table, so that no number of views is flattered by the processor's caches.
fn move_of(change: usize, views: u64) -> (u64, u64) {
    let number = change as u64 / 2;
    let row = number.wrapping_mul(48_271) % ROWS;
    let viewed = (number % views + u64::from(number % views == row)) % ROWS;
    (row, if change.is_multiple_of(2) { viewed } else { row })
}

mod ours {
    use std::time::Instant;

    use circuit::{Change, Circuit, Expr, Operator, Path, Plan, RecordId, Template, Value};

    use super::support::{author, library, thread};
    use super::{CHANGES, Percentiles, ROWS, move_of};

    pub fn measure(views: u64) -> Percentiles {
        let mut circuit = Circuit::new(library());
        circuit.step((0..ROWS).map(|row| change(row, row, 1)).collect());
        for view in 0..views {
            let plan =
                Plan { template: template(), slots: [Value::from(author(view))].into_iter().collect(), window: None };
            circuit.register(plan);
        }
        let mut samples = Vec::with_capacity(CHANGES);
        for number in 0..CHANGES {
            let (row, author) = move_of(number, views);
            // As for the peer, the row is made just before it is handed in.
            let batch = vec![change(row, author, number as u64 + 2)];
            let start = Instant::now();
            let step = circuit.step(batch);
            samples.push(start.elapsed());
            assert!(matches!(step.deltas.len(), 1 | 2));
        }
        Percentiles::of(samples)
    }

    fn template() -> Template {
        Template {
            table: "thread".into(),
            columns: vec![Path::field("author")],
            filter: Some(Expr::binary(Operator::Equal, Expr::Column(0), Expr::Slot(0))),
            order: Vec::new(),
        }
    }

    fn change(row: u64, author: u64, version: u64) -> Change {
        let id = RecordId::new("thread", circuit::Key::Int(row as i64));
        Change { content: Some(thread(&id, author, version)), id, version }
    }
}

mod peer {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::Instant;

    use differential_dataflow::input::Input;

    use super::{CHANGES, Percentiles, ROWS, move_of};

    /// A row as a Rust program would hold it: key, and the fields but the author, which is the key of the arrangement.
    type Thread = (u64, String, String, bool, i64, u64, (i64, u32), u64);

    fn thread(row: u64, version: u64) -> Thread {
        (
            row,
            super::support::title(row),
            super::support::body(row),
            true,
            row as i64 % 10,
            version / 2,
            (1_700_000_000, 0),
            version,
        )
    }

    pub fn measure(views: u64) -> Percentiles {
        let samples = timely::execute_directly(move |worker| {
            let reached = Rc::new(RefCell::new(0_usize));
            let reached_here = reached.clone();
            let (mut rows, mut parameters, probe) = worker.dataflow::<u64, _, _>(|scope| {
                let (rows_input, rows) = scope.new_collection::<(u64, Thread), isize>();
                let (parameters_input, parameters) = scope.new_collection::<(u64, u64), isize>();
                let joined = rows
                    .arrange_by_key()
                    .join_core(parameters.arrange_by_key(), |_, row, view| Some((*view, row.0, row.7)));
                let (probe, _) = joined.inspect(move |_| *reached_here.borrow_mut() += 1).probe();
                (rows_input, parameters_input, probe)
            });
            for row in 0..ROWS {
                rows.update((row, thread(row, 1)), 1);
            }
            for view in 0..views {
                parameters.update((view, view), 1);
            }
            let mut time = 1;
            rows.advance_to(time);
            rows.flush();
            parameters.advance_to(time);
            parameters.flush();
            worker.step_while(|| probe.less_than(rows.time()));

            let mut current: Vec<(u64, u64)> = (0..ROWS).map(|row| (row, 1)).collect();
            let mut samples = Vec::with_capacity(CHANGES);
            for number in 0..CHANGES {
                let (row, author) = move_of(number, views);
                let version = number as u64 + 2;
                let (old_author, old_version) = current[row as usize];
                let (old, new) = (thread(row, old_version), thread(row, version));
                let before = *reached.borrow();
                time += 1;
                let start = Instant::now();
                rows.update((old_author, old), -1);
                rows.update((author, new), 1);
                rows.advance_to(time);
                rows.flush();
                parameters.advance_to(time);
                parameters.flush();
                worker.step_while(|| probe.less_than(rows.time()));
                samples.push(start.elapsed());
                assert!(matches!(*reached.borrow() - before, 1 | 2));
                current[row as usize] = (author, version);
            }
            samples
        });
        Percentiles::of(samples)
    }
}
