//! A hash under which equal values meet.
//!
//! Routing finds the views that a row may belong to, and the rows that a new view may contain, by hash. A candidate is
//! always checked with the whole predicate, so a collision costs time and nothing else; but two values for which `a =
//! b` holds must never be kept apart. SurrealDB's `=` is wider than identity (`1 = 1.0 = 1dec`) and, between floats and
//! decimals, approximate; the hash therefore only takes in what all equal values have in common.

use std::hash::{BuildHasher, Hasher};
use std::ops::Bound;

use super::{Key, Range, RecordId, Value, identity};

/// Where a value can be found by equality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutingHash {
    /// Equal values have this hash too.
    Key(u64),
    /// The value may equal values of any hash: a regex, which equals the strings that it matches.
    Wild,
}

const HASHER: foldhash::fast::FixedState = foldhash::fast::FixedState::with_seed(0x5300_6b79);

/// The hash by which values equal to this one are found. O(size of the value).
pub fn routing_hash(value: &Value) -> RoutingHash {
    if matches!(value, Value::Regex(_)) {
        return RoutingHash::Wild;
    }
    let mut hasher = HASHER.build_hasher();
    feed(value, &mut hasher);
    RoutingHash::Key(hasher.finish())
}

fn feed(value: &Value, hasher: &mut impl Hasher) {
    if let Some(number) = value.as_number() {
        let (integral, fraction) = number.leading_digits();
        hasher.write_u8(3);
        hasher.write_u64(integral as u64);
        hasher.write_u64(fraction as u64);
        return;
    }
    match value {
        Value::Array(items) | Value::Set(items) => {
            hasher.write_u8(8);
            items.iter().for_each(|item| feed(item, hasher));
        }
        Value::Object(object) => {
            hasher.write_u8(10);
            for (name, value) in object.iter() {
                hasher.write(name.as_bytes());
                feed(value, hasher);
            }
        }
        Value::RecordId(id) => feed_record_id(id, hasher),
        Value::Range(range) => feed_range(range, hasher),
        // -0.0 and 0.0 are equal coordinates; kinds of geometries are few, and equality on them is rare.
        Value::Geometry(_) => hasher.write_u8(11),
        other => identity::hash_identity(other, hasher),
    }
}

fn feed_record_id(id: &RecordId, hasher: &mut impl Hasher) {
    hasher.write_u8(14);
    hasher.write(id.table.as_bytes());
    match &id.key {
        Key::Array(items) => items.iter().for_each(|item| feed(item, hasher)),
        Key::Object(object) => object.iter().for_each(|(_, value)| feed(value, hasher)),
        Key::Range(range) => feed_range(range, hasher),
        simple => simple.hash_identity(hasher),
    }
}

fn feed_range(range: &Range, hasher: &mut impl Hasher) {
    feed_bound(&range.start, hasher);
    feed_bound(&range.end, hasher);
}

fn feed_bound(bound: &Bound<Value>, hasher: &mut impl Hasher) {
    match bound {
        Bound::Unbounded => hasher.write_u8(0),
        Bound::Included(value) => feed(value, hasher),
        Bound::Excluded(value) => feed(value, hasher),
    }
}
