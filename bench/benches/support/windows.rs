//! `SELECT * FROM thread WHERE status = $status ORDER BY created_at DESC LIMIT 20`: the peer and the floor.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use differential_dataflow::input::Input as _;

use crate::contest::Floor;
use crate::dataflow::{Dataflow, Input, Inputs, Output, Rows, Sessions, advance};
use crate::results::{Entry, Map, Results};
use crate::rows::Thread;

pub const QUERY: &str = "SELECT * FROM thread WHERE status = $status ORDER BY created_at DESC LIMIT 20";

const LIMIT: usize = 20;

/// The place of a row in a window, and its version: newest first, then by ascending id.
type Place = (Reverse<i64>, u64, u64);

pub struct WindowInputs {
    rows: Input<(u32, Arc<Thread>)>,
    views: Input<(u32, u32)>,
    current: Map<u64, Arc<Thread>>,
}

/// The join of the rows with the parameters, both arranged by status, and of that the first 20 of each view.
///
/// A reduction reads all values of a key again when one of them changes. With many rows in a view it is therefore done
/// in levels, as Materialize plans it: the first 20 of each of `buckets[0]` parts, of these the first 20 of each of
/// `buckets[1]` parts, and so on. An empty list is right for small views.
pub fn peer(buckets: &[u64]) -> Dataflow<WindowInputs> {
    Dataflow::new(|worker, output: &Output| {
        worker.dataflow(|scope| {
            let (rows_input, rows) = scope.new_collection::<(u32, Arc<Thread>), isize>();
            let (views_input, views) = scope.new_collection::<(u32, u32), isize>();
            let candidates = rows.arrange_by_key().join_core(views.arrange_by_key(), |_, row, view| {
                Some((*view, (Reverse(row.created_at), row.id, row.version)))
            });
            let mut candidates = candidates;
            for parts in buckets {
                candidates = first_of_parts(candidates, *parts);
            }
            let results = first(candidates).map(|(view, (_, id, version))| (Entry::of_view(view, id), version));
            output.take(results);
            WindowInputs { rows: rows_input, views: views_input, current: Map::default() }
        })
    })
}

fn first_of_parts(places: Rows<'_, (u32, Place)>, parts: u64) -> Rows<'_, (u32, Place)> {
    first(places.map(move |(view, place)| ((view, place.1 % parts), place))).map(|((view, _), place)| (view, place))
}

/// The first 20 of each key.
fn first<'scope, K>(places: Rows<'scope, (K, Place)>) -> Rows<'scope, (K, Place)>
where
    K: differential_dataflow::ExchangeData + differential_dataflow::Hashable,
{
    places.reduce(|_, places, window| window.extend(places.iter().take(LIMIT).map(|(place, _)| (**place, 1))))
}

impl Sessions for WindowInputs {
    fn advance(&mut self, time: u64) {
        advance(&mut self.rows, time);
        advance(&mut self.views, time);
    }
}

impl Inputs<Thread> for WindowInputs {
    type Change = Arc<Thread>;

    fn change(row: &Thread) -> Arc<Thread> {
        Arc::new(row.clone())
    }

    fn send(&mut self, new: Arc<Thread>) {
        if let Some(old) = self.current.insert(new.id, new.clone()) {
            self.rows.update((old.status, old), -1);
        }
        self.rows.update((new.status, new), 1);
    }
}

/// A status with the number of its view.
impl Inputs<(u32, u32)> for WindowInputs {
    type Change = (u32, u32);

    fn change(view: &(u32, u32)) -> (u32, u32) {
        *view
    }

    fn send(&mut self, view: (u32, u32)) {
        self.views.update(view, 1);
    }
}

/// The same by hand: an ordered set of the rows of each status, and its first 20 beside it.
#[derive(Debug, Default)]
pub struct Windows {
    rows: Map<u64, Thread>,
    by_status: Map<u32, Partition>,
    results: Results,
}

#[derive(Debug, Default)]
struct Partition {
    rows: BTreeSet<(Reverse<i64>, u64)>,
    shown: Vec<(Reverse<i64>, u64)>,
    view: Option<u32>,
}

impl Windows {
    /// Makes a view of a status, before any row is loaded.
    pub fn add_view(&mut self, view: u32, status: u32) {
        self.by_status.entry(status).or_default().view = Some(view);
    }

    pub fn load(&mut self, rows: impl IntoIterator<Item = Thread>) {
        rows.into_iter().for_each(|row| self.apply(row));
        self.results.deltas.clear();
    }

    fn insert(&mut self, id: u64) {
        let row = &self.rows[&id];
        let key = (Reverse(row.created_at), id);
        let partition = self.by_status.entry(row.status).or_default();
        partition.rows.insert(key);
        let Some(view) = partition.view else { return };
        let rank = partition.shown.partition_point(|other| *other < key);
        if rank == LIMIT {
            return;
        }
        partition.shown.insert(rank, key);
        self.results.enter(Entry::of_view(view, id), row.version);
        if partition.shown.len() > LIMIT
            && let Some((_, last)) = partition.shown.pop()
        {
            self.results.leave(Entry::of_view(view, last), self.rows[&last].version);
        }
    }

    fn remove(&mut self, row: &Thread) {
        let key = (Reverse(row.created_at), row.id);
        let Some(partition) = self.by_status.get_mut(&row.status) else { return };
        partition.rows.remove(&key);
        let Some(view) = partition.view else { return };
        let Ok(rank) = partition.shown.binary_search(&key) else { return };
        partition.shown.remove(rank);
        self.results.leave(Entry::of_view(view, row.id), row.version);
        if partition.shown.len() + 1 < LIMIT {
            return;
        }
        let last = partition.shown.last().map_or(Bound::Unbounded, |last| Bound::Excluded(*last));
        if let Some(next) = partition.rows.range((last, Bound::Unbounded)).next() {
            partition.shown.push(*next);
            self.results.enter(Entry::of_view(view, next.1), self.rows[&next.1].version);
        }
    }
}

impl Floor<Thread> for Windows {
    fn apply(&mut self, row: Thread) {
        let id = row.id;
        let old = self.rows.remove(&id);
        if let Some(old) = old {
            if old.status == row.status && old.created_at == row.created_at {
                let partition = self.by_status.get(&row.status);
                let is_shown = partition
                    .is_some_and(|partition| partition.shown.binary_search(&(Reverse(row.created_at), id)).is_ok());
                if let Some(view) = partition.and_then(|partition| partition.view).filter(|_| is_shown) {
                    self.results.update(Entry::of_view(view, id), old.version, row.version);
                }
                self.rows.insert(id, row);
                return;
            }
            self.remove(&old);
        }
        self.rows.insert(id, row);
        self.insert(id);
    }

    fn results(&mut self) -> &mut Results {
        &mut self.results
    }
}
