//! Identity of values: same type, same bits.
//!
//! This is the relation by which records are addressed, bindings are shared, and unchanged content is recognised. It is
//! finer than SurrealDB's `==`, and unlike that it is an equivalence relation which a hash can follow.

use std::borrow::Borrow;
use std::hash::Hasher;
use std::ops::Bound;

use super::{Key, Object, Range, Value};

/// Whether both values are of the same type and indistinguishable.
pub fn are_identical(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::None, Value::None) | (Value::Null, Value::Null) => true,
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        (Value::Decimal(a), Value::Decimal(b)) => a.serialize() == b.serialize(),
        (Value::Array(a), Value::Array(b)) | (Value::Set(a), Value::Set(b)) => are_identical_lists(a, b),
        (Value::Object(a), Value::Object(b)) => are_identical_objects(a, b),
        (Value::RecordId(a), Value::RecordId(b)) => a.table == b.table && are_identical_keys(&a.key, &b.key),
        (Value::Range(a), Value::Range(b)) => are_identical_ranges(a, b),
        (Value::Geometry(a), Value::Geometry(b)) => a.is_identical(b),
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Int(_) | Value::Float(_) | Value::Decimal(_), _) => false,
        _ => std::mem::discriminant(a) == std::mem::discriminant(b) && a == b,
    }
}

pub fn are_identical_lists(a: &[Value], b: &[Value]) -> bool {
    std::ptr::eq(a, b) || (a.len() == b.len() && a.iter().zip(b).all(|(a, b)| are_identical(a, b)))
}

/// As [`are_identical_lists`], of values some of which could not be computed.
pub(crate) fn are_identical_attempts<V: Borrow<Value>>(a: &[Option<V>], b: &[Option<V>]) -> bool {
    let is_same = |(a, b): (&Option<V>, &Option<V>)| match (a, b) {
        (Some(a), Some(b)) => are_identical(a.borrow(), b.borrow()),
        (a, b) => a.is_none() && b.is_none(),
    };
    a.len() == b.len() && a.iter().zip(b).all(is_same)
}

pub fn are_identical_objects(a: &Object, b: &Object) -> bool {
    let same_fields = || a.iter().zip(b.iter()).all(|((a, x), (b, y))| a == b && are_identical(x, y));
    std::ptr::eq(a, b) || (a.len() == b.len() && same_fields())
}

/// Finer than whether both keys are those of one record: `[1.5]` and `[1.50]` in decimals are.
fn are_identical_keys(a: &Key, b: &Key) -> bool {
    match (a, b) {
        (Key::Array(a), Key::Array(b)) => are_identical_lists(a, b),
        (Key::Object(a), Key::Object(b)) => are_identical_objects(a, b),
        (Key::Range(a), Key::Range(b)) => are_identical_ranges(a, b),
        (a, b) => a.is_identical(b),
    }
}

fn are_identical_ranges(a: &Range, b: &Range) -> bool {
    are_identical_bounds(&a.start, &b.start) && are_identical_bounds(&a.end, &b.end)
}

fn are_identical_bounds(a: &Bound<Value>, b: &Bound<Value>) -> bool {
    match (a, b) {
        (Bound::Included(a), Bound::Included(b)) | (Bound::Excluded(a), Bound::Excluded(b)) => are_identical(a, b),
        (Bound::Unbounded, Bound::Unbounded) => true,
        _ => false,
    }
}

/// Feeds a value to a hasher such that identical values, and practically only these, feed the same bytes.
pub fn hash_identity(value: &Value, hasher: &mut impl Hasher) {
    hasher.write_u8(tag(value));
    match value {
        Value::None | Value::Null => {}
        Value::Bool(flag) => hasher.write_u8(*flag as u8),
        Value::Int(number) => hasher.write_u64(*number as u64),
        Value::Float(number) => hasher.write_u64(number.to_bits()),
        Value::Decimal(number) => hasher.write(&number.serialize()),
        Value::String(text) | Value::Table(text) | Value::Regex(text) => {
            hasher.write_u64(text.len() as u64);
            hasher.write(text.as_bytes());
        }
        Value::Duration(duration) => {
            hasher.write_u64(duration.as_secs());
            hasher.write_u32(duration.subsec_nanos());
        }
        Value::Datetime(moment) => {
            hasher.write_u64(moment.seconds as u64);
            hasher.write_u32(moment.nanos);
        }
        Value::Uuid(uuid) => hasher.write(uuid.as_bytes()),
        Value::Array(items) | Value::Set(items) => {
            hasher.write_u64(items.len() as u64);
            items.iter().for_each(|item| hash_identity(item, hasher));
        }
        Value::Object(object) => hash_object(object, hasher),
        Value::Geometry(geometry) => geometry.visit_bits(&mut |bits| hasher.write_u64(bits)),
        Value::Bytes(bytes) => {
            hasher.write_u64(bytes.len() as u64);
            hasher.write(bytes);
        }
        Value::RecordId(id) => {
            hasher.write(id.table.as_bytes());
            hasher.write_u8(0xff);
            match &id.key {
                Key::Array(items) => {
                    hasher.write_u8(3);
                    items.iter().for_each(|item| hash_identity(item, hasher));
                }
                Key::Object(object) => {
                    hasher.write_u8(4);
                    hash_object(object, hasher);
                }
                Key::Range(range) => {
                    hasher.write_u8(5);
                    hash_range(range, hasher);
                }
                simple => simple.hash_identity(hasher),
            }
        }
        Value::File(file) => {
            hasher.write(file.bucket.as_bytes());
            hasher.write_u8(0xff);
            hasher.write(file.key.as_bytes());
        }
        Value::Range(range) => hash_range(range, hasher),
    }
}

pub(crate) fn hash_object(object: &Object, hasher: &mut impl Hasher) {
    hasher.write_u64(object.len() as u64);
    object.iter().for_each(|(name, value)| hash_field(name, value, hasher));
}

/// Feeds a field of an object to a hasher.
pub(crate) fn hash_field(name: &str, value: &Value, hasher: &mut impl Hasher) {
    hasher.write_u64(name.len() as u64);
    hasher.write(name.as_bytes());
    hash_identity(value, hasher);
}

fn hash_range(range: &Range, hasher: &mut impl Hasher) {
    hash_ends(range, hasher, hash_identity);
}

/// Feeds a range to a hasher, with what is at its ends by `hash`.
pub(super) fn hash_ends<H: Hasher>(range: &Range, hasher: &mut H, hash: impl Fn(&Value, &mut H)) {
    for bound in [&range.start, &range.end] {
        let (tag, value) = match bound {
            Bound::Unbounded => (0, None),
            Bound::Included(value) => (1, Some(value)),
            Bound::Excluded(value) => (2, Some(value)),
        };
        hasher.write_u8(tag);
        if let Some(value) = value {
            hash(value, hasher);
        }
    }
}

/// A number for each type. Part of stored hashes: entries are only ever added.
fn tag(value: &Value) -> u8 {
    match value {
        Value::None => 0,
        Value::Null => 1,
        Value::Bool(_) => 2,
        Value::Int(_) => 3,
        Value::Float(_) => 4,
        Value::Decimal(_) => 5,
        Value::String(_) => 6,
        Value::Duration(_) => 7,
        Value::Datetime(_) => 8,
        Value::Uuid(_) => 9,
        Value::Array(_) => 10,
        Value::Set(_) => 11,
        Value::Object(_) => 12,
        Value::Geometry(_) => 13,
        Value::Bytes(_) => 14,
        Value::Table(_) => 15,
        Value::RecordId(_) => 16,
        Value::File(_) => 17,
        Value::Regex(_) => 18,
        Value::Range(_) => 19,
    }
}
