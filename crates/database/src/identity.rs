//! Record ids as keys of hash maps.

use std::hash::{Hash, Hasher};

use circuit::RecordId;

/// A record id that equals another exactly if both address the same record.
#[derive(Clone, Debug)]
pub(crate) struct Identity(pub(crate) RecordId);

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_same_record(&other.0)
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.hash_identity(hasher);
    }
}
