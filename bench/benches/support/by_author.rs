//! `SELECT * FROM thread WHERE author = $author`: the peer and the floor.

use std::sync::Arc;

use differential_dataflow::input::Input as _;

use crate::contest::Floor;
use crate::dataflow::{Dataflow, Input, Inputs, Output, Sessions, advance};
use crate::engine::View;
use crate::results::{Entry, Map, Results};
use crate::rows::Thread;

pub const QUERY: &str = "SELECT * FROM thread WHERE author = $author";

/// The inputs of the peer: rows by author, and views by author.
pub struct ByAuthorInputs {
    rows: Input<(u64, Arc<Thread>)>,
    views: Input<(u64, u32)>,
    /// The rows by id: a change says what a row is now, and the dataflow wants to be told what it was.
    current: Map<u64, Arc<Thread>>,
}

/// The join of the rows with the parameters of the views, both arranged by author. Rows are shared, so that merging two
/// batches of an arrangement copies pointers.
pub fn peer() -> Dataflow<ByAuthorInputs> {
    Dataflow::new(|worker, output: &Output| {
        worker.dataflow(|scope| {
            let (rows_input, rows) = scope.new_collection::<(u64, Arc<Thread>), isize>();
            let (views_input, views) = scope.new_collection::<(u64, u32), isize>();
            let results = rows
                .arrange_by_key()
                .join_core(views.arrange_by_key(), |_, row, view| Some((Entry::of_view(*view, row.id), row.version)));
            output.take(results);
            ByAuthorInputs { rows: rows_input, views: views_input, current: Map::default() }
        })
    })
}

impl Sessions for ByAuthorInputs {
    fn advance(&mut self, time: u64) {
        advance(&mut self.rows, time);
        advance(&mut self.views, time);
    }
}

impl Inputs<Thread> for ByAuthorInputs {
    type Change = Arc<Thread>;

    fn change(row: &Thread) -> Arc<Thread> {
        Arc::new(row.clone())
    }

    fn send(&mut self, new: Arc<Thread>) {
        if let Some(old) = self.current.insert(new.id, new.clone()) {
            self.rows.update((old.author, old), -1);
        }
        self.rows.update((new.author, new), 1);
    }
}

impl Inputs<Vec<Thread>> for ByAuthorInputs {
    type Change = Vec<Arc<Thread>>;

    fn change(batch: &Vec<Thread>) -> Vec<Arc<Thread>> {
        batch.iter().map(<Self as Inputs<Thread>>::change).collect()
    }

    fn send(&mut self, batch: Vec<Arc<Thread>>) {
        batch.into_iter().for_each(|row| Inputs::<Thread>::send(self, row));
    }
}

/// An author with the number of the view.
impl Inputs<(u64, u32)> for ByAuthorInputs {
    type Change = (u64, u32);

    fn change(view: &(u64, u32)) -> (u64, u32) {
        *view
    }

    fn send(&mut self, view: (u64, u32)) {
        self.views.update(view, 1);
    }
}

impl Inputs<View> for ByAuthorInputs {
    type Change = (u64, u32);

    fn change(view: &View) -> (u64, u32) {
        (view.key, view.number)
    }

    fn send(&mut self, view: (u64, u32)) {
        self.views.update(view, 1);
    }
}

/// The same by hand: the rows, and two hash maps to find rows and views by author.
#[derive(Debug, Default)]
pub struct ByAuthor {
    rows: Map<u64, Thread>,
    rows_by_author: Map<u64, Vec<u64>>,
    views_by_author: Map<u64, Vec<u32>>,
    results: Results,
}

impl ByAuthor {
    pub fn add_view(&mut self, author: u64, view: u32) {
        self.views_by_author.entry(author).or_default().push(view);
        for id in self.rows_by_author.get(&author).into_iter().flatten() {
            self.results.enter(Entry::of_view(view, *id), self.rows[id].version);
        }
    }

    pub fn load(&mut self, rows: impl IntoIterator<Item = Thread>) {
        rows.into_iter().for_each(|row| self.apply(row));
        self.results.deltas.clear();
    }
}

impl Floor<Thread> for ByAuthor {
    fn apply(&mut self, row: Thread) {
        let (id, author, version) = (row.id, row.author, row.version);
        let old = self.rows.insert(id, row);
        if let Some(old) = &old
            && old.author == author
        {
            for view in self.views_by_author.get(&author).into_iter().flatten() {
                self.results.update(Entry::of_view(*view, id), old.version, version);
            }
            return;
        }
        if let Some(old) = old {
            if let Some(rows) = self.rows_by_author.get_mut(&old.author) {
                rows.retain(|other| *other != id);
                if rows.is_empty() {
                    self.rows_by_author.remove(&old.author);
                }
            }
            for view in self.views_by_author.get(&old.author).into_iter().flatten() {
                self.results.leave(Entry::of_view(*view, id), old.version);
            }
        }
        self.rows_by_author.entry(author).or_default().push(id);
        for view in self.views_by_author.get(&author).into_iter().flatten() {
            self.results.enter(Entry::of_view(*view, id), version);
        }
    }

    fn results(&mut self) -> &mut Results {
        &mut self.results
    }
}

impl Floor<Vec<Thread>> for ByAuthor {
    fn apply(&mut self, batch: Vec<Thread>) {
        batch.into_iter().for_each(|row| self.apply(row));
    }

    fn results(&mut self) -> &mut Results {
        &mut self.results
    }
}

impl Floor<View> for ByAuthor {
    fn apply(&mut self, view: View) {
        self.add_view(view.key, view.number);
    }

    fn results(&mut self) -> &mut Results {
        &mut self.results
    }
}
