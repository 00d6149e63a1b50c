//! Where a row stands in a scan.

use std::cmp::Ordering;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::value::RecordId;
use crate::value::digest::Bytes;

/// A row's place among the rows that a query reads, in the order in which SurrealDB would read them.
///
/// Equal keys are the same row: records whose keys are equal without being the same, such as `t:[1]` and `t:[1.0]`,
/// keep a place of their own.
#[derive(Clone, Debug)]
pub(crate) struct ScanKey {
    /// The number of the source that the row comes from.
    pub(crate) input: u32,
    pub(crate) id: Arc<RecordId>,
    /// The number of the row among those that the record was split into.
    pub(crate) part: u32,
}

impl Ord for ScanKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_record = || compare_records(&self.id, &other.id);
        self.input.cmp(&other.input).then_with(by_record).then(self.part.cmp(&other.part))
    }
}

impl PartialOrd for ScanKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ScanKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ScanKey {}

/// The order in which SurrealDB reads two records of a table.
pub(crate) fn compare_records(a: &Arc<RecordId>, b: &Arc<RecordId>) -> Ordering {
    if Arc::ptr_eq(a, b) {
        return Ordering::Equal;
    }
    a.key.cmp(&b.key).then_with(|| if a.is_same_record(b) { Ordering::Equal } else { identity(a).cmp(&identity(b)) })
}

/// What identifies a record, in an order that is the same in every process: `int` before `float` before `decimal`, as
/// in SurrealDB's storage. Only asked of records with equal keys, which are rare.
fn identity(id: &RecordId) -> SmallVec<[u8; 64]> {
    let mut bytes = Bytes::default();
    id.hash_identity(&mut bytes);
    bytes.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Key, Value};

    fn at(input: u32, key: Key, part: u32) -> ScanKey {
        ScanKey { input, id: Arc::new(RecordId::new("t", key)), part }
    }

    fn list(item: Value) -> Key {
        Key::Array([item].into())
    }

    /// Catches rows that are folded in another order than SurrealDB reads them.
    #[test]
    fn a_scan_goes_by_source_then_record_then_part() {
        let ascending = [
            at(0, Key::Int(-1), 0),
            at(0, Key::Int(2), 0),
            at(0, Key::Int(2), 1),
            at(0, Key::Int(10), 0),
            at(0, Key::String("1".into()), 0),
            at(0, list(Value::Int(1)), 1),
            at(0, list(Value::Float(1.0)), 0),
            at(1, Key::Int(-5), 0),
        ];
        assert!(ascending.is_sorted_by(|a, b| a < b), "{ascending:?}");
    }

    /// Catches two records that take each other's place because their keys are equal, and a record that is not found
    /// again under another allocation of its id.
    #[test]
    fn only_the_same_row_is_equal() {
        assert_ne!(at(0, list(Value::Int(1)), 0), at(0, list(Value::Float(1.0)), 0));
        assert_eq!(at(0, list(Value::Int(1)), 0), at(0, list(Value::Int(1)), 0));
        let other_table = ScanKey { input: 0, id: Arc::new(RecordId::new("u", Key::Int(1))), part: 0 };
        assert_ne!(at(0, Key::Int(1), 0), other_table);
    }
}
