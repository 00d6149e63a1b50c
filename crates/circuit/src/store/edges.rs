//! Edges by the records at their ends: what graph steps such as `->wrote->post` walk along.
//!
//! An edge is a record with record links in its fields `in` and `out`. SurrealDB keeps pointers at both ends, in the order
//! of the edges' tables and keys, and a graph step answers them in this order.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher};
use std::ops::Bound;
use std::sync::Arc;

use hashbrown::HashTable;

use crate::collection::shrink::shrink_table;
use crate::expr::reader::Direction;
use crate::store::table::Row;
use crate::value::{Key, RecordId, Value};

const HASHER: foldhash::fast::FixedState = foldhash::fast::FixedState::with_seed(0xed9e);

/// The edges at each record.
#[derive(Debug, Default)]
pub(crate) struct EdgeIndex {
    nodes: HashTable<(Arc<RecordId>, Ends)>,
}

/// The edges that leave a record, and those that arrive.
#[derive(Debug, Default)]
struct Ends {
    leaving: BTreeSet<Pointer>,
    arriving: BTreeSet<Pointer>,
}

/// A pointer to an edge, in the order of pointers: by the table of the edge, then by its key.
#[derive(Clone, Debug)]
struct Pointer(Arc<RecordId>);

/// A row as an edge: where it leads from and to.
#[derive(Debug)]
pub(crate) struct Edge {
    id: Arc<RecordId>,
    from: Arc<RecordId>,
    to: Arc<RecordId>,
}

impl Edge {
    /// The edge that a row is, if it is one.
    pub(crate) fn of(row: &Row) -> Option<Edge> {
        let Some(Value::RecordId(from)) = row.content.get("in") else { return None };
        let Some(Value::RecordId(to)) = row.content.get("out") else { return None };
        Some(Edge { id: row.id.clone(), from: from.clone(), to: to.clone() })
    }
}

impl EdgeIndex {
    /// Replaces what a row was as an edge by what it is; answers the records at the ends that this concerns, and which
    /// of their edges. O(log edges at a record).
    pub(crate) fn change(&mut self, before: Option<Edge>, after: Option<Edge>) -> Vec<(Arc<RecordId>, Direction)> {
        if let (Some(was), Some(is)) = (&before, &after)
            && was.from.is_same_record(&is.from)
            && was.to.is_same_record(&is.to)
        {
            return Vec::new();
        }
        let mut concerned = Vec::new();
        if let Some(Edge { id, from, to }) = before {
            let pointer = Pointer(id);
            self.remove(&from, |ends| &mut ends.leaving, &pointer);
            self.remove(&to, |ends| &mut ends.arriving, &pointer);
            concerned.extend([(from, Direction::Out), (to, Direction::In)]);
        }
        if let Some(Edge { id, from, to }) = after {
            self.at(&from).leaving.insert(Pointer(id.clone()));
            self.at(&to).arriving.insert(Pointer(id));
            concerned.extend([(from, Direction::Out), (to, Direction::In)]);
        }
        concerned
    }

    /// The edges at a record, of one table or of all, in order: those that arrive before those that leave. O(answer).
    pub(crate) fn of(&self, id: &RecordId, direction: Direction, table: Option<&str>) -> Vec<Arc<RecordId>> {
        let Some((_, ends)) = self.nodes.find(hash(id), |(known, _)| known.is_same_record(id)) else {
            return Vec::new();
        };
        let mut edges = Vec::new();
        if direction != Direction::Out {
            append(&ends.arriving, table, &mut edges);
        }
        if direction != Direction::In {
            append(&ends.leaving, table, &mut edges);
        }
        edges
    }

    fn at(&mut self, id: &Arc<RecordId>) -> &mut Ends {
        let entry = self.nodes.entry(hash(id), |(known, _)| known.is_same_record(id), |(known, _)| hash(known));
        &mut entry.or_insert_with(|| (id.clone(), Ends::default())).into_mut().1
    }

    fn remove(&mut self, id: &RecordId, side: impl Fn(&mut Ends) -> &mut BTreeSet<Pointer>, edge: &Pointer) {
        if let Ok(mut entry) = self.nodes.find_entry(hash(id), |(known, _)| known.is_same_record(id)) {
            let ends = &mut entry.get_mut().1;
            side(ends).remove(edge);
            if ends.leaving.is_empty() && ends.arriving.is_empty() {
                entry.remove();
                shrink_table(&mut self.nodes, |(known, _)| hash(known));
            }
        }
    }
}

/// Appends the edges of one table or of all.
fn append(edges: &BTreeSet<Pointer>, table: Option<&str>, out: &mut Vec<Arc<RecordId>>) {
    let Some(table) = table else { return out.extend(edges.iter().map(|edge| edge.0.clone())) };
    // No key sorts before the smallest integer.
    let first = Pointer(Arc::new(RecordId::new(table, Key::Int(i64::MIN))));
    let from_table = edges.range((Bound::Included(first), Bound::Unbounded)).map(|edge| &edge.0);
    out.extend(from_table.take_while(|edge| *edge.table == *table).cloned());
}

fn hash(record: &RecordId) -> u64 {
    let mut hasher = HASHER.build_hasher();
    record.hash_identity(&mut hasher);
    hasher.finish()
}

impl PartialEq for Pointer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pointer {}

impl PartialOrd for Pointer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pointer {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.table.cmp(&other.0.table).then_with(|| self.0.key.compare_stored(&other.0.key))
    }
}
