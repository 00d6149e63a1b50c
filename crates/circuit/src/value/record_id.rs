//! Record ids: the table and the key that address one record.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use uuid::Uuid;

use super::{Object, Range, Value, stored};

/// The address of a record.
///
/// The derived equality is SurrealDB's `==` on record ids, under which `t:[1]` equals `t:[1.0]`, although they address
/// two records. Where records are told apart, [`RecordId::is_same_record`] decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordId {
    pub table: Arc<str>,
    pub key: Key,
}

/// The part of a record id behind the colon. Ordered as SurrealDB orders records in a scan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Int(i64),
    String(Arc<str>),
    Uuid(Uuid),
    Array(Arc<[Value]>),
    Object(Arc<Object>),
    /// Of no record: a link may be stored whose key is a range (`t:1..5`), and it leads nowhere. SurrealDB has no order among
    /// these (it compares the start of one with the end of the other); here they are ordered by start, then end.
    Range(Arc<Range>),
}

impl RecordId {
    pub fn new(table: impl Into<Arc<str>>, key: Key) -> Self {
        RecordId { table: table.into(), key }
    }

    /// Whether both ids address the same record.
    pub fn is_same_record(&self, other: &RecordId) -> bool {
        self.table == other.table && self.key.is_identical(&other.key)
    }

    /// The order in which SurrealDB reads two records of a table; equal means the same record.
    pub fn compare_stored(&self, other: &RecordId) -> Ordering {
        self.key.compare_stored(&other.key).then_with(|| self.table.cmp(&other.table))
    }

    /// Feeds the identity of this record to a hasher: equal for two ids exactly if they address the same record.
    pub fn hash_identity(&self, hasher: &mut impl Hasher) {
        hasher.write(self.table.as_bytes());
        hasher.write_u8(0xff);
        self.key.hash_identity(hasher);
    }
}

/// A record id as a key of maps and sets, where it stands for the record that it addresses.
#[derive(Clone, Debug)]
pub struct SameRecord(pub Arc<RecordId>);

impl PartialEq for SameRecord {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_same_record(&other.0)
    }
}

impl Eq for SameRecord {}

impl Hash for SameRecord {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash_identity(state);
    }
}

impl TryFrom<&Value> for Key {
    type Error = ();

    /// The key that a plain value stands for, if it is of a type that keys have.
    fn try_from(value: &Value) -> Result<Self, ()> {
        Ok(match value {
            Value::Int(number) => Key::Int(*number),
            Value::String(text) => Key::String(text.clone()),
            Value::Uuid(uuid) => Key::Uuid(*uuid),
            Value::Array(items) => Key::Array(items.clone()),
            Value::Object(object) => Key::Object(object.clone()),
            _ => return Err(()),
        })
    }
}

impl From<RecordId> for SameRecord {
    fn from(id: RecordId) -> Self {
        SameRecord(Arc::new(id))
    }
}

impl Key {
    /// Whether both keys address the same record of a table.
    pub fn is_identical(&self, other: &Key) -> bool {
        match (self, other) {
            (Key::Int(a), Key::Int(b)) => a == b,
            (Key::String(a), Key::String(b)) => a == b,
            (Key::Uuid(a), Key::Uuid(b)) => a == b,
            (Key::Array(a), Key::Array(b)) => stored::compare_lists(a, b) == Ordering::Equal,
            (Key::Object(a), Key::Object(b)) => stored::compare_objects(a, b) == Ordering::Equal,
            (Key::Range(a), Key::Range(b)) => stored::compare_ranges(a, b) == Ordering::Equal,
            _ => false,
        }
    }

    /// The order in which SurrealDB reads records with these keys.
    pub fn compare_stored(&self, other: &Key) -> Ordering {
        match (self, other) {
            (Key::Array(a), Key::Array(b)) => stored::compare_lists(a, b),
            (Key::Object(a), Key::Object(b)) => stored::compare_objects(a, b),
            (Key::Range(a), Key::Range(b)) => stored::compare_ranges(a, b),
            _ => self.cmp(other),
        }
    }

    /// Feeds the identity of this key to a hasher.
    pub fn hash_identity(&self, hasher: &mut impl Hasher) {
        match self {
            Key::Int(number) => {
                hasher.write_u8(0);
                hasher.write_u64(*number as u64);
            }
            Key::String(text) => {
                hasher.write_u8(1);
                hasher.write(text.as_bytes());
            }
            Key::Uuid(uuid) => {
                hasher.write_u8(2);
                hasher.write(uuid.as_bytes());
            }
            Key::Array(items) => {
                hasher.write_u8(3);
                items.iter().for_each(|item| stored::hash(item, hasher));
            }
            Key::Object(object) => {
                hasher.write_u8(4);
                stored::hash_object(object, hasher);
            }
            Key::Range(range) => {
                hasher.write_u8(5);
                stored::hash_range(range, hasher);
            }
        }
    }
}
