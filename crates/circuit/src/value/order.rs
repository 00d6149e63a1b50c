//! SurrealDB's equality and total order, across all types.

use std::cmp::Ordering;
use std::ops::Bound;

use super::number::Number;
use super::{Range, Value};

impl Value {
    /// The place of the value's type in the order across types. All numbers share one place.
    fn rank(&self) -> u8 {
        match self {
            Value::None => 0,
            Value::Null => 1,
            Value::Bool(_) => 2,
            Value::Int(_) | Value::Float(_) | Value::Decimal(_) => 3,
            Value::String(_) => 4,
            Value::Duration(_) => 5,
            Value::Datetime(_) => 6,
            Value::Uuid(_) => 7,
            Value::Array(_) => 8,
            Value::Set(_) => 9,
            Value::Object(_) => 10,
            Value::Geometry(_) => 11,
            Value::Bytes(_) => 12,
            Value::Table(_) => 13,
            Value::RecordId(_) => 14,
            Value::File(_) => 15,
            Value::Regex(_) => 16,
            Value::Range(_) => 17,
        }
    }

    pub(super) fn as_number(&self) -> Option<Number> {
        match self {
            Value::Int(number) => Some(Number::Int(*number)),
            Value::Float(number) => Some(Number::Float(*number)),
            Value::Decimal(number) => Some(Number::Decimal(*number)),
            _ => None,
        }
    }
}

impl PartialEq for Value {
    /// SurrealDB's `==`. Like SurrealDB's it is not transitive where a float meets a decimal.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            // The hot cases first, without the detour over the order.
            (Value::String(a), Value::String(b)) => std::sync::Arc::ptr_eq(a, b) || a == b,
            (Value::RecordId(a), Value::RecordId(b)) => std::sync::Arc::ptr_eq(a, b) || a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Geometry(a), Value::Geometry(b)) => a == b,
            _ => self.rank() == other.rank() && self.cmp(other) == Ordering::Equal,
        }
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            // The hot case first, without the detour over other numbers.
            (Value::Int(a), Value::Int(b)) => return a.cmp(b),
            (Value::Int(_) | Value::Float(_) | Value::Decimal(_), _) => {
                if let (Some(a), Some(b)) = (self.as_number(), other.as_number()) {
                    return a.compare(b);
                }
            }
            _ => {}
        }
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::String(a), Value::String(b)) => a.cmp(b),
            (Value::Duration(a), Value::Duration(b)) => a.cmp(b),
            (Value::Datetime(a), Value::Datetime(b)) => a.cmp(b),
            (Value::Uuid(a), Value::Uuid(b)) => a.cmp(b),
            (Value::Array(a), Value::Array(b)) | (Value::Set(a), Value::Set(b)) => a.cmp(b),
            (Value::Object(a), Value::Object(b)) => a.cmp(b),
            (Value::Geometry(a), Value::Geometry(b)) => a.compare(b),
            (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
            (Value::Table(a), Value::Table(b)) => a.cmp(b),
            (Value::RecordId(a), Value::RecordId(b)) => a.cmp(b),
            (Value::File(a), Value::File(b)) => a.cmp(b),
            (Value::Regex(a), Value::Regex(b)) => a.cmp(b),
            (Value::Range(a), Value::Range(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialEq for Range {
    fn eq(&self, other: &Self) -> bool {
        self.start == other.start && self.end == other.end
    }
}

impl Eq for Range {}

impl PartialOrd for Range {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Range {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_bounds(&self.start, &other.start).then_with(|| compare_bounds(&self.end, &other.end))
    }
}

fn compare_bounds(a: &Bound<Value>, b: &Bound<Value>) -> Ordering {
    match (a, b) {
        (Bound::Unbounded, Bound::Unbounded) => Ordering::Equal,
        (Bound::Unbounded, _) => Ordering::Less,
        (_, Bound::Unbounded) => Ordering::Greater,
        (Bound::Included(a), Bound::Included(b)) | (Bound::Excluded(a), Bound::Excluded(b)) => a.cmp(b),
        (Bound::Included(_), Bound::Excluded(_)) => Ordering::Less,
        (Bound::Excluded(_), Bound::Included(_)) => Ordering::Greater,
    }
}
