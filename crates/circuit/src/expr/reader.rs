//! How expressions read other records than the row at hand.

use std::sync::Arc;

use crate::value::{Object, RecordId, Value};

/// Where an expression finds the records that a row links to, and the edges of a graph. Whoever implements this may note
/// what was asked for, and so learns what the value of the expression depends on.
pub trait Reader {
    /// The content of a record; `None` if there is no such record. O(fields).
    fn record(&mut self, id: &Arc<RecordId>) -> Option<Object>;

    /// A field of a record; `NONE` if there is no such record or field.
    fn field_of(&mut self, id: &Arc<RecordId>, field: &str) -> Value;

    /// The edges that leave a record, or those that lead to it, of one table or of all, in SurrealDB's order: by the name of
    /// the edge table, then by the key of the edge. An edge is a record with links in its fields `in` and `out`: it leaves
    /// the record in `in`, and leads to the one in `out`.
    fn edges(&mut self, id: &Arc<RecordId>, direction: Direction, table: Option<&str>) -> Vec<Arc<RecordId>>;

    /// The record at an end of an edge, `in` or `out`, as SurrealDB's pointers lead there, whoever may see the edge.
    fn end_of(&mut self, edge: &Arc<RecordId>, end: &str) -> Value {
        self.field_of(edge, end)
    }

    /// Whether a step along edges comes to a record. Without permissions to ask, SurrealDB does not look whether it is
    /// there.
    fn is_found(&mut self, _: &Arc<RecordId>) -> bool {
        true
    }
}

/// Which way along an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// `->`
    Out,
    /// `<-`
    In,
}

/// There are no records: what an expression is evaluated with that reads none.
#[derive(Debug)]
pub struct NoRecords;

impl Reader for NoRecords {
    fn record(&mut self, _: &Arc<RecordId>) -> Option<Object> {
        None
    }

    fn field_of(&mut self, _: &Arc<RecordId>, _: &str) -> Value {
        Value::None
    }

    fn edges(&mut self, _: &Arc<RecordId>, _: Direction, _: Option<&str>) -> Vec<Arc<RecordId>> {
        Vec::new()
    }
}
