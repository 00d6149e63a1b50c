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
    leaving: BTreeSet<Edge>,
    arriving: BTreeSet<Edge>,
}

/// An edge in the order of pointers: by table, then by key.
#[derive(Clone, Debug)]
struct Edge(Arc<RecordId>);

impl EdgeIndex {
    /// Replaces what a row was as an edge by what it is; answers the records at the ends that this concerns. O(log
    /// edges at a record).
    pub(crate) fn change(&mut self, before: Option<EdgeRow>, after: Option<EdgeRow>) -> Vec<Arc<RecordId>> {
        let mut concerned: Vec<Arc<RecordId>> = Vec::new();
        if let (Some(before), Some(after)) = (&before, &after)
            && before.is_same(after)
        {
            return concerned;
        }
        if let Some(EdgeRow { edge, from, to }) = before {
            self.remove(&from, |ends| &mut ends.leaving, &edge);
            self.remove(&to, |ends| &mut ends.arriving, &edge);
            concerned.extend([from, to]);
        }
        if let Some(EdgeRow { edge, from, to }) = after {
            self.at(&from).leaving.insert(edge.clone());
            self.at(&to).arriving.insert(edge);
            concerned.extend([from, to]);
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

    fn remove(&mut self, id: &RecordId, side: impl Fn(&mut Ends) -> &mut BTreeSet<Edge>, edge: &Edge) {
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
fn append(edges: &BTreeSet<Edge>, table: Option<&str>, out: &mut Vec<Arc<RecordId>>) {
    let Some(table) = table else { return out.extend(edges.iter().map(|edge| edge.0.clone())) };
    // No key sorts before the smallest integer.
    let first = Edge(Arc::new(RecordId::new(table, Key::Int(i64::MIN))));
    let from_table = edges.range((Bound::Included(first), Bound::Unbounded)).map(|edge| &edge.0);
    out.extend(from_table.take_while(|edge| *edge.table == *table).cloned());
}

/// A row as an edge.
#[derive(Debug)]
pub(crate) struct EdgeRow {
    edge: Edge,
    from: Arc<RecordId>,
    to: Arc<RecordId>,
}

impl EdgeRow {
    /// The edge that a row is, if it is one.
    pub(crate) fn of(row: &Row) -> Option<EdgeRow> {
        match (row.content.get("in"), row.content.get("out")) {
            (Some(Value::RecordId(from)), Some(Value::RecordId(to))) => {
                Some(EdgeRow { edge: Edge(row.id.clone()), from: from.clone(), to: to.clone() })
            }
            _ => None,
        }
    }

    fn is_same(&self, other: &EdgeRow) -> bool {
        self.from.is_same_record(&other.from) && self.to.is_same_record(&other.to)
    }
}

fn hash(record: &RecordId) -> u64 {
    let mut hasher = HASHER.build_hasher();
    record.hash_identity(&mut hasher);
    hasher.finish()
}

impl PartialEq for Edge {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Edge {}

impl PartialOrd for Edge {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Edge {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = self.0.table.cmp(&other.0.table).then_with(|| self.0.key.cmp(&other.0.key));
        // Keys such as `[1]` and `[1.0]` are equal and still two records; their hashes tell them apart.
        order.then_with(|| {
            if self.0.is_same_record(&other.0) { Ordering::Equal } else { hash(&self.0).cmp(&hash(&other.0)) }
        })
    }
}
