//! Results in terms that all contestants share, so that they can be compared.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

/// A hash map as the floor uses it: with the hash function that the engine uses too.
pub type Map<K, V> = HashMap<K, V, FixedState>;

/// A row in the result of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entry {
    pub view: u32,
    /// The row that this one is a child of.
    pub parent: u64,
    /// 0 for a row of the view itself, else which subquery it answers.
    pub relation: u8,
    pub row: u64,
}

impl Entry {
    /// A row of the view itself.
    pub fn of_view(view: u32, row: u64) -> Entry {
        Entry { view, parent: 0, relation: 0, row }
    }
}

/// Number and hash of entries with their versions: independent of order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub rows: i64,
    pub hash: u64,
}

impl Sum {
    pub fn add(&mut self, entry: &Entry, version: u64, weight: i64) {
        self.rows += weight;
        let hash = FixedState::with_seed(1).hash_one((entry, version));
        self.hash = self.hash.wrapping_add(hash.wrapping_mul(weight as u64));
    }

    pub fn plus(&mut self, other: Sum) {
        self.rows += other.rows;
        self.hash = self.hash.wrapping_add(other.hash);
    }
}

/// The sums of all results of a contestant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// Rows of the views themselves.
    pub members: Sum,
    /// Answers of subqueries.
    pub children: Sum,
}

impl Digest {
    pub fn add(&mut self, entry: &Entry, version: u64, weight: i64) {
        let sum = if entry.relation == 0 { &mut self.members } else { &mut self.children };
        sum.add(entry, version, weight);
    }
}

/// One movement in a result, as a floor reports it.
#[derive(Clone, Copy, Debug)]
pub struct Delta {
    pub entry: Entry,
    pub version: u64,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Enter,
    Leave,
    Update,
}

/// What a floor keeps of its results, and what it reports: the engine, too, keeps size and hash of each.
#[derive(Debug, Default)]
pub struct Results {
    pub deltas: Vec<Delta>,
    digests: Vec<Digest>,
}

impl Results {
    pub fn enter(&mut self, entry: Entry, version: u64) {
        self.digest_of(entry.view).add(&entry, version, 1);
        self.deltas.push(Delta { entry, version, kind: Kind::Enter });
    }

    pub fn leave(&mut self, entry: Entry, version: u64) {
        self.digest_of(entry.view).add(&entry, version, -1);
        self.deltas.push(Delta { entry, version, kind: Kind::Leave });
    }

    pub fn update(&mut self, entry: Entry, old: u64, version: u64) {
        let digest = self.digest_of(entry.view);
        digest.add(&entry, old, -1);
        digest.add(&entry, version, 1);
        self.deltas.push(Delta { entry, version, kind: Kind::Update });
    }

    /// The sum over all results.
    pub fn digest(&self) -> Digest {
        let mut total = Digest::default();
        for digest in &self.digests {
            total.members.plus(digest.members);
            total.children.plus(digest.children);
        }
        total
    }

    fn digest_of(&mut self, view: u32) -> &mut Digest {
        let view = view as usize;
        if view >= self.digests.len() {
            self.digests.resize(view + 1, Digest::default());
        }
        &mut self.digests[view]
    }
}
