//! What a computation has read beyond its row: of which record, and what of it.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use crate::expr::reader::Direction;
use crate::value::{Object, RecordId, identity};

const HASHER: foldhash::fast::FixedState = foldhash::fast::FixedState::with_seed(0x11_4b);

/// Something that was read.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) record: Arc<RecordId>,
    pub(crate) aspect: Aspect,
}

/// What of a record was read, as a hash: two that are taken for one another cost a computation, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Aspect(u64);

impl Aspect {
    /// All of the record, or that there is none.
    pub(crate) const WHOLE: Aspect = Aspect(0);

    /// One field.
    pub(crate) fn field(name: &str) -> Aspect {
        Aspect(hash(1, name.as_bytes()))
    }

    /// The edges that leave the record, or those that lead to it, of one table or of all.
    pub(crate) fn edges(direction: Direction, table: Option<&str>) -> Aspect {
        let tag = match (direction, table) {
            (Direction::Out, None) => 2,
            (Direction::In, None) => 3,
            (Direction::Out, Some(_)) => 4,
            (Direction::In, Some(_)) => 5,
        };
        Aspect(hash(tag, table.unwrap_or_default().as_bytes()))
    }

    /// What differs between two contents of a record, the record itself included. O(fields).
    pub(crate) fn differences(before: Option<&Object>, after: Option<&Object>) -> Vec<Aspect> {
        let mut aspects = vec![Aspect::WHOLE];
        let mut before = before.into_iter().flat_map(Object::iter).peekable();
        let mut after = after.into_iter().flat_map(Object::iter).peekable();
        while let Some(name) = before.peek().into_iter().chain(after.peek()).map(|(name, _)| *name).min() {
            let was = before.next_if(|(other, _)| *other == name).map(|(_, value)| value);
            let is = after.next_if(|(other, _)| *other == name).map(|(_, value)| value);
            let is_same = matches!((was, is), (Some(was), Some(is)) if identity::are_identical(was, is));
            if !is_same {
                aspects.push(Aspect::field(name));
            }
        }
        aspects
    }
}

impl Read {
    pub(crate) fn new(record: &Arc<RecordId>, aspect: Aspect) -> Read {
        Read { record: record.clone(), aspect }
    }

    pub(crate) fn is_same(&self, other: &Read) -> bool {
        self.aspect == other.aspect && self.record.is_same_record(&other.record)
    }
}

/// The hash by which the readers of a record are found.
pub(crate) fn hash_record(record: &RecordId) -> u64 {
    let mut hasher = HASHER.build_hasher();
    record.hash_identity(&mut hasher);
    hasher.finish()
}

fn hash(tag: u8, name: &[u8]) -> u64 {
    let mut hasher = HASHER.build_hasher();
    hasher.write_u8(tag);
    hasher.write(name);
    hasher.finish().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn object(fields: &[(&str, i64)]) -> Object {
        fields.iter().map(|(name, value)| (Arc::from(*name), Value::Int(*value))).collect()
    }

    /// Catches a reader that is not woken by a field that came, went or changed, and one that is by another field.
    #[test]
    fn differences_are_the_fields_that_are_not_the_same() {
        let (before, after) = (object(&[("a", 1), ("b", 2), ("d", 4)]), object(&[("b", 2), ("c", 3), ("d", 5)]));
        let expected = ["a", "c", "d"].map(Aspect::field);
        assert_eq!(Aspect::differences(Some(&before), Some(&after))[1..], expected);
        assert_eq!(Aspect::differences(Some(&before), Some(&before)), [Aspect::WHOLE]);
        for (before, after) in [(None, Some(&after)), (Some(&after), None)] {
            assert_eq!(Aspect::differences(before, after)[1..], ["b", "c", "d"].map(Aspect::field));
        }
    }
}
