//! The keys under which rows and bindings meet.
//!
//! One side of a join is *filed* under its keys, and the other one *seeks* under its own: a changed row seeks bindings,
//! and a new binding seeks rows. Whatever belongs together has a key in common. What else has is told apart by the
//! whole condition, so keys may answer too much, and must never answer too little.

use smallvec::SmallVec;

use crate::value::{RoutingHash, Value, routing_hash};

/// The hashes under which one side of a join is filed or seeks, ascending.
#[derive(Debug, PartialEq)]
pub(crate) enum Keys {
    These(SmallVec<[u64; 2]>),
    /// No key can tell: candidates are all on the other side.
    Wild,
}

/// What of a value is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The value.
    Whole,
    /// Each item that `CONTAINS` would find in it.
    Contained,
    /// Each item of a list.
    Items,
    /// Each item of a list, or the value itself where it is no list.
    ItemsOrSelf,
    /// The first item of a list: what holds for all items holds for this one.
    First,
    /// The first item of a list, or the value itself where it is no list.
    FirstOrSelf,
}

/// The key of the values that have to be equal on both sides, which comes in front of a further key; none where nothing
/// has to be equal.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Prefix(Option<u64>);

/// An odd constant that spreads the bits of a composite key: 2^64 divided by the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// The further key under which everything with a prefix is filed, to be found by who seeks without one.
const ALL: u64 = 0xa11;

/// The further key under which is filed what no other one tells, to be found by everyone who seeks with the prefix.
const UNTOLD: u64 = 0x3117;

impl Part {
    /// The keys of a value.
    pub(crate) fn keys(self, value: &Value) -> Keys {
        match (self, value.as_list()) {
            (Part::Whole, _) | (Part::ItemsOrSelf | Part::FirstOrSelf, None) => Keys::of_values([value].into_iter()),
            (Part::Contained, _) => contained(value),
            (Part::Items | Part::ItemsOrSelf, Some(items)) => Keys::of_values(items.iter()),
            (Part::Items, None) => match value {
                // The parts of a text and of a geometry are not enumerable.
                Value::String(_) | Value::Geometry(_) => Keys::Wild,
                _ => Keys::none(),
            },
            // Everything holds for all items of an empty list.
            (Part::First | Part::FirstOrSelf, Some([])) => Keys::Wild,
            (Part::First | Part::FirstOrSelf, Some([first, ..])) => Keys::of_values([first].into_iter()),
            (Part::First, None) => Keys::none(),
        }
    }
}

impl Keys {
    /// Of what belongs to nothing.
    pub(crate) fn none() -> Keys {
        Keys::These(SmallVec::new())
    }

    /// The keys of values, each as [`Part::Whole`] has it.
    pub(crate) fn of_values<'a>(values: impl Iterator<Item = &'a Value>) -> Keys {
        let mut keys = SmallVec::new();
        for value in values {
            let RoutingHash::Key(hash) = routing_hash(value) else { return Keys::Wild };
            keys.push(key_of_hash(hash));
        }
        Keys::of(keys)
    }

    /// The keys of live sets.
    pub(crate) fn of_sets(sets: impl Iterator<Item = u32>) -> Keys {
        Keys::of(sets.map(u64::from).collect())
    }

    pub(crate) fn one(key: u64) -> Keys {
        Keys::These(SmallVec::from_slice(&[key]))
    }

    pub(crate) fn of(mut keys: SmallVec<[u64; 2]>) -> Keys {
        if keys.len() > 1 {
            keys.sort_unstable();
            keys.dedup();
        }
        Keys::These(keys)
    }
}

impl Prefix {
    /// The prefix of values that have to be equal to others; `None` if one of them may equal values of any hash.
    pub(crate) fn of<'a>(mut values: impl Iterator<Item = &'a Value>) -> Option<Prefix> {
        values.try_fold(Prefix::default(), Prefix::with)
    }

    /// The prefix with one more value behind it; `None` if this may equal values of any hash.
    pub(crate) fn with(self, value: &Value) -> Option<Prefix> {
        let RoutingHash::Key(hash) = routing_hash(value) else { return None };
        Some(Prefix(Some(mix(self.0.unwrap_or(0), hash))))
    }

    /// The key under which everything with this prefix is filed, where there is a further key.
    pub(crate) fn all(self) -> Option<u64> {
        self.0.map(|prefix| mix(prefix, ALL))
    }

    /// The keys under which something is filed; `further` are those behind the prefix, where there are any.
    pub(crate) fn filed(self, further: Option<Keys>) -> Keys {
        match (self.0, further) {
            (prefix, None) => Keys::one(prefix.unwrap_or(0)),
            (None, Some(keys)) => keys,
            (Some(prefix), Some(Keys::These(mut keys))) => {
                keys.iter_mut().for_each(|key| *key = mix(prefix, *key));
                keys.push(mix(prefix, ALL));
                Keys::of(keys)
            }
            (Some(prefix), Some(Keys::Wild)) => {
                Keys::of(SmallVec::from_slice(&[mix(prefix, UNTOLD), mix(prefix, ALL)]))
            }
        }
    }

    /// The keys under which the other side has to be looked for.
    pub(crate) fn sought(self, further: Option<Keys>) -> Keys {
        match (self.0, further) {
            (prefix, None) => Keys::one(prefix.unwrap_or(0)),
            (None, Some(keys)) => keys,
            (Some(prefix), Some(Keys::These(mut keys))) => {
                keys.iter_mut().for_each(|key| *key = mix(prefix, *key));
                keys.push(mix(prefix, UNTOLD));
                Keys::of(keys)
            }
            (Some(prefix), Some(Keys::Wild)) => Keys::one(mix(prefix, ALL)),
        }
    }
}

/// The key of a value with this hash, as [`Part::Whole`] has it.
pub(crate) fn key_of_hash(hash: u64) -> u64 {
    mix(0, hash)
}

fn mix(combined: u64, hash: u64) -> u64 {
    (combined.rotate_left(23) ^ hash).wrapping_mul(MIX)
}

/// The keys of everything that `CONTAINS` finds in a value.
fn contained(value: &Value) -> Keys {
    match value {
        Value::Array(items) | Value::Set(items) => Keys::of_values(items.iter()),
        Value::Object(object) => {
            let names: Vec<Value> = object.iter().map(|(name, _)| Value::String(name.clone())).collect();
            Keys::of_values(names.iter())
        }
        Value::String(_) | Value::Uuid(_) | Value::Range(_) | Value::Geometry(_) => Keys::Wild,
        _ => Keys::none(),
    }
}
