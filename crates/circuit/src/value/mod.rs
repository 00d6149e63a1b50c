//! One value type with SurrealDB's semantics.
//!
//! Every comparison of the engine goes through this module, so that a view orders, compares and matches values
//! exactly as SurrealDB's own operators do. Three relations exist side by side, and must not be mixed up:
//!
//! - [`PartialEq`] and [`Ord`]: SurrealDB's `==` and its total order across types (`NONE < NULL < bool < number < …`).
//!   Numbers compare across `int`, `float` and `decimal`, so `1 == 1.0`.
//! - [`Value::equal`]: SurrealDB's `=`, which in addition matches a string against a regex.
//! - [`identity`]: same type, same bits. Two records `t:[1]` and `t:[1.0]` have *equal* keys and are still two records;
//!   which keys are one record is almost this relation ([`RecordId::is_same_record`]).
//!
//! Cloning a value is O(1): everything of variable size is shared.

pub(crate) mod codec;
pub mod collation;
pub(crate) mod digest;
mod geometry;
pub mod identity;
mod number;
mod object;
mod operators;
mod order;
mod record_id;
mod routing_hash;
mod stored;

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;
use uuid::Uuid;

pub use geometry::Geometry;
pub use object::{Interner, Object};
pub use record_id::{Key, RecordId, SameRecord};
pub use routing_hash::{RoutingHash, routing_hash};

/// A SurrealQL value. 24 bytes; cloning is O(1).
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Absent: a field that does not exist.
    #[default]
    None,
    /// Present, and explicitly nothing.
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Decimal(Decimal),
    String(Arc<str>),
    Duration(Duration),
    Datetime(Datetime),
    Uuid(Uuid),
    Array(Arc<[Value]>),
    /// Sorted by [`Ord`] and without duplicates.
    Set(Arc<[Value]>),
    Object(Arc<Object>),
    Geometry(Arc<Geometry>),
    Bytes(Arc<[u8]>),
    /// The name of a table, as a value.
    Table(Arc<str>),
    RecordId(Arc<RecordId>),
    File(Arc<File>),
    /// The source text of a regular expression.
    Regex(Arc<str>),
    Range(Arc<Range>),
}

const _: () = assert!(size_of::<Value>() == 24);

/// A moment in UTC, with a resolution of one nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Datetime {
    /// Whole seconds since the Unix epoch, negative before it.
    pub seconds: i64,
    /// Nanoseconds after `seconds`.
    pub nanos: u32,
}

/// A pointer to a file in a bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct File {
    pub bucket: Arc<str>,
    pub key: Arc<str>,
}

/// A range over values of any type, by SurrealDB's total order.
#[derive(Clone, Debug)]
pub struct Range {
    pub start: Bound<Value>,
    pub end: Bound<Value>,
}

impl Range {
    /// The values at its ends, where it has some.
    pub fn ends(&self) -> impl Iterator<Item = &Value> {
        [&self.start, &self.end].into_iter().filter_map(|bound| match bound {
            Bound::Included(value) | Bound::Excluded(value) => Some(value),
            Bound::Unbounded => None,
        })
    }
}

impl Value {
    /// Whether SurrealDB treats this value as true in a condition.
    pub fn is_truthy(&self) -> bool {
        match self {
            Value::Bool(flag) => *flag,
            Value::Int(number) => *number != 0,
            Value::Float(number) => *number != 0.0,
            Value::Decimal(number) => !number.is_zero(),
            Value::String(text) => !text.is_empty(),
            Value::Duration(duration) => !duration.is_zero(),
            Value::Bytes(bytes) => !bytes.is_empty(),
            Value::Array(items) | Value::Set(items) => !items.is_empty(),
            Value::Object(object) => !object.is_empty(),
            Value::Datetime(_) | Value::Uuid(_) | Value::Geometry(_) | Value::RecordId(_) => true,
            Value::None | Value::Null | Value::Table(_) | Value::File(_) | Value::Regex(_) | Value::Range(_) => false,
        }
    }

    /// How many share what the value shares; of one that shares nothing, none.
    pub(crate) fn readers(&self) -> usize {
        match self {
            Value::String(text) => Arc::strong_count(text),
            Value::RecordId(id) => Arc::strong_count(id),
            Value::Array(items) => Arc::strong_count(items),
            Value::Object(object) => Arc::strong_count(object),
            _ => 0,
        }
    }

    /// Whether the value is `NONE` or `NULL`.
    pub fn is_nullish(&self) -> bool {
        matches!(self, Value::None | Value::Null)
    }

    /// Whether values are nested to more levels than these; a value without others in it has one level. O(nested values).
    pub(crate) fn is_deeper_than(&self, levels: usize) -> bool {
        let mut waiting = vec![(self, 1)];
        while let Some((value, level)) = waiting.pop() {
            if level > levels {
                return true;
            }
            let below = level + 1;
            match value {
                Value::Array(items) | Value::Set(items) => waiting.extend(items.iter().map(|item| (item, below))),
                Value::Object(object) => waiting.extend(object.iter().map(|(_, value)| (value, below))),
                Value::Range(range) => waiting.extend(range.ends().map(|end| (end, below))),
                Value::RecordId(id) => match &id.key {
                    Key::Array(items) => waiting.extend(items.iter().map(|item| (item, below))),
                    Key::Object(object) => waiting.extend(object.iter().map(|(_, value)| (value, below))),
                    Key::Range(range) => waiting.extend(range.ends().map(|end| (end, below))),
                    Key::Int(_) | Key::String(_) | Key::Uuid(_) => {}
                },
                _ => {}
            }
        }
        false
    }

    /// A set of the given items: sorted, duplicates removed. O(n log n).
    pub fn set(items: impl IntoIterator<Item = Value>) -> Value {
        let mut items: Vec<Value> = items.into_iter().collect();
        items.sort();
        items.dedup();
        Value::Set(items.into())
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Value::Bool(flag)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Value::Float(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(text.into())
    }
}

impl From<RecordId> for Value {
    fn from(id: RecordId) -> Self {
        Value::RecordId(Arc::new(id))
    }
}

impl FromIterator<Value> for Value {
    /// An array of the items.
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        Value::Array(items.into_iter().collect())
    }
}
