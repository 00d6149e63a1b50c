//! `SELECT * FROM thread WHERE string::len(title) + $n > 20`, which offers nothing to find a view by: the peer and the
//! floor.

use differential_dataflow::input::Input as _;

use crate::contest::Floor;
use crate::dataflow::{Dataflow, Input, Inputs, Output, Sessions, advance};
use crate::results::{Entry, Map, Results};
use crate::rows::Thread;

pub const QUERY: &str = "SELECT * FROM thread WHERE string::len(title) + $n > 20";

/// What of a row the peer needs: id, version, and the length of its title.
type Titled = (u64, u64, i64);

fn holds(len: i64, n: i64) -> bool {
    len + n > 20
}

fn title_len(row: &Thread) -> i64 {
    row.title.chars().count() as i64
}

pub struct ScanInputs {
    rows: Input<((), Titled)>,
    views: Input<((), (i64, u32))>,
    current: Map<u64, Titled>,
}

/// The product of the rows with the parameters, filtered.
pub fn peer() -> Dataflow<ScanInputs> {
    Dataflow::new(|worker, output: &Output| {
        worker.dataflow(|scope| {
            let (rows_input, rows) = scope.new_collection::<((), Titled), isize>();
            let (views_input, views) = scope.new_collection::<((), (i64, u32)), isize>();
            let results = rows.arrange_by_key().join_core(views.arrange_by_key(), |_, row, (n, view)| {
                let (id, version, len) = row;
                holds(*len, *n).then(|| (Entry::of_view(*view, *id), *version))
            });
            output.take(results);
            ScanInputs { rows: rows_input, views: views_input, current: Map::default() }
        })
    })
}

impl Sessions for ScanInputs {
    fn advance(&mut self, time: u64) {
        advance(&mut self.rows, time);
        advance(&mut self.views, time);
    }
}

impl Inputs<Thread> for ScanInputs {
    type Change = Titled;

    fn change(row: &Thread) -> Titled {
        (row.id, row.version, title_len(row))
    }

    fn send(&mut self, new: Titled) {
        if let Some(old) = self.current.insert(new.0, new) {
            self.rows.update(((), old), -1);
        }
        self.rows.update(((), new), 1);
    }
}

/// A parameter with the number of its view.
impl Inputs<(i64, u32)> for ScanInputs {
    type Change = (i64, u32);

    fn change(view: &(i64, u32)) -> (i64, u32) {
        *view
    }

    fn send(&mut self, view: (i64, u32)) {
        self.views.update(((), view), 1);
    }
}

/// The same by hand: a list of the views.
#[derive(Debug, Default)]
pub struct Scans {
    rows: Map<u64, Thread>,
    views: Vec<(i64, u32)>,
    results: Results,
}

impl Scans {
    pub fn new(views: Vec<(i64, u32)>, rows: impl IntoIterator<Item = Thread>) -> Scans {
        let mut scans = Scans { views, ..Scans::default() };
        rows.into_iter().for_each(|row| scans.apply(row));
        scans.results.deltas.clear();
        scans
    }
}

impl Floor<Thread> for Scans {
    fn apply(&mut self, row: Thread) {
        let id = row.id;
        let (version, len) = (row.version, title_len(&row));
        let old = self.rows.insert(id, row).map(|old| (old.version, title_len(&old)));
        for (n, view) in &self.views {
            let entry = Entry::of_view(*view, id);
            let before = old.filter(|(_, len)| holds(*len, *n));
            match (before, holds(len, *n)) {
                (None, true) => self.results.enter(entry, version),
                (Some((old, _)), false) => self.results.leave(entry, old),
                (Some((old, _)), true) => self.results.update(entry, old, version),
                (None, false) => {}
            }
        }
    }

    fn results(&mut self) -> &mut Results {
        &mut self.results
    }
}
