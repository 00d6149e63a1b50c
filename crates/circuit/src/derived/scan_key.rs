//! Where a row stands in a scan.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::plan::OrderKey;
use crate::value::collation::compare_collated;
use crate::value::{RecordId, Value};

/// A row's place among the rows that a query reads, in the order in which SurrealDB would read them.
///
/// Equal keys are the same row: records whose keys are equal without being the same, such as `t:[1]` and `t:[1.0]`,
/// keep a place of their own, and so do the rows of one record in several sources.
#[derive(Clone, Debug)]
pub(crate) struct ScanKey {
    /// Where rows that were derived stand: those of a table have no other order than that of their ids.
    pub(crate) place: Option<Arc<Place>>,
    pub(crate) id: Arc<RecordId>,
}

/// The values by which rows are ordered, and how.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) keys: Box<[Value]>,
    pub(crate) order: Arc<[OrderKey]>,
}

impl Ord for ScanKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_place = match (&self.place, &other.place) {
            (Some(a), Some(b)) => compare_keys(&a.keys, &b.keys, &a.order),
            (a, b) => a.is_some().cmp(&b.is_some()),
        };
        by_place.then_with(|| compare_records(&self.id, &other.id))
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

/// The order of two lists of keys.
pub(crate) fn compare_keys(a: &[Value], b: &[Value], order: &[OrderKey]) -> Ordering {
    for ((x, y), key) in a.iter().zip(b).zip(order) {
        let ordering = match (x, y) {
            (Value::RecordId(x), Value::RecordId(y)) if key.as_read => x.compare_stored(y),
            _ if key.collate || key.numeric => compare_collated(x, y, key.collate, key.numeric),
            _ => x.cmp(y),
        };
        let ordering = if key.descending { ordering.reverse() } else { ordering };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    Ordering::Equal
}

/// The order in which SurrealDB reads two records of a table.
pub(crate) fn compare_records(a: &Arc<RecordId>, b: &Arc<RecordId>) -> Ordering {
    if Arc::ptr_eq(a, b) {
        return Ordering::Equal;
    }
    a.compare_stored(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Key;

    fn at(place: &[i64], key: Key) -> ScanKey {
        let order = Arc::new([OrderKey::new(0, false), OrderKey::new(1, true)]);
        let keys = place.iter().map(|number| Value::Int(*number)).collect();
        let place = (!place.is_empty()).then(|| Arc::new(Place { keys, order }));
        ScanKey { place, id: Arc::new(RecordId::new("t", key)) }
    }

    fn list(item: Value) -> Key {
        Key::Array([item].into())
    }

    /// Catches rows that are folded in another order than SurrealDB reads them.
    #[test]
    fn a_scan_goes_by_place_then_record() {
        let ascending = [
            at(&[], Key::Int(-1)),
            at(&[], Key::Int(2)),
            at(&[], Key::Int(10)),
            at(&[], Key::String("1".into())),
            at(&[], list(Value::Int(1))),
            at(&[], list(Value::Float(1.0))),
            at(&[0, 9], Key::Int(7)),
            at(&[0, 3], Key::Int(-5)),
            at(&[0, 3], Key::Int(5)),
            at(&[1, 4], Key::Int(-5)),
        ];
        assert!(ascending.is_sorted_by(|a, b| a < b), "{ascending:?}");
    }

    /// Catches two records that take each other's place because their keys are equal, and a record that is not found
    /// again under another allocation of its id.
    #[test]
    fn only_the_same_row_is_equal() {
        assert_ne!(at(&[], list(Value::Int(1))), at(&[], list(Value::Float(1.0))));
        assert_eq!(at(&[0], list(Value::Int(1))), at(&[0], list(Value::Int(1))));
        assert_ne!(at(&[0], Key::Int(1)), at(&[1], Key::Int(1)));
        let other_table = ScanKey { place: None, id: Arc::new(RecordId::new("u", Key::Int(1))) };
        assert_ne!(at(&[], Key::Int(1)), other_table);
    }
}
