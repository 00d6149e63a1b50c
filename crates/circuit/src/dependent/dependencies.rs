//! Who has read what: the reverse of every read that goes beyond the row.
//!
//! A column such as `author.name`, a computed slot and a subquery under a row depend on other records, on edges, or on
//! other results. Each such computation has an *owner* here, with what it read. A change of a record, of the edges at
//! one, or of a result answers the owners that have to be computed again, and no others: the join on the link, seen
//! from its other side.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use hashbrown::{HashMap, HashTable};

use crate::collection::id_set::IdSet;
use crate::collection::shrink::{Shrink, shrink_table};
use crate::collection::slab::Slab;
use crate::store::table::TableId;
use crate::value::RecordId;

const HASHER: foldhash::fast::FixedState = foldhash::fast::FixedState::with_seed(0x11_4b);

/// Something that was read.
#[derive(Clone, Debug)]
pub(crate) enum Read {
    /// The content of a record, or that there is no such record.
    Record(Arc<RecordId>),
    /// The edges at a record.
    Edges(Arc<RecordId>),
}

/// What has to be computed again when something that it read changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dependent {
    /// A virtual column of a row.
    Virtual { table: TableId, column: u32, row: u32 },
    /// The subqueries under a row, in an environment of slot values.
    Attachment { template: u32, row: u32, environment: u32 },
    /// What a consumer is told of a row.
    Output { consumer: u32, row: u32 },
    /// The slots of a registered plan.
    Root { root: u32 },
}

/// All owners, by what they read.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    owners: Slab<Owner>,
    by_read: HashTable<(Read, IdSet)>,
    by_result: HashMap<u32, IdSet, foldhash::fast::FixedState>,
}

#[derive(Debug)]
struct Owner {
    dependent: Dependent,
    reads: Box<[Read]>,
    results: Box<[u32]>,
}

/// Distinct reads.
#[derive(Debug, Default)]
struct Reads {
    list: Vec<Read>,
    /// Positions in the list; empty while it is short.
    index: HashTable<usize>,
}

/// Up to so many reads a linear search beats hashing.
const FEW: usize = 8;

impl Reads {
    /// Each of these once. O(reads).
    fn of(reads: Vec<Read>) -> Reads {
        let mut distinct = Reads { list: Vec::with_capacity(reads.len()), index: HashTable::new() };
        for read in reads {
            if !distinct.contains(&read) {
                distinct.push(read);
            }
        }
        distinct
    }

    fn contains(&self, read: &Read) -> bool {
        match self.index.is_empty() {
            true => self.list.iter().any(|known| known.is_same(read)),
            false => self.index.find(read.hash(), |position| self.list[*position].is_same(read)).is_some(),
        }
    }

    fn push(&mut self, read: Read) {
        self.list.push(read);
        let Reads { list, index } = self;
        let first = if index.is_empty() { 0 } else { list.len() - 1 };
        for position in first..list.len() {
            if list.len() > FEW {
                index.insert_unique(list[position].hash(), position, |position| list[*position].hash());
            }
        }
    }
}

impl Dependencies {
    pub(crate) fn len(&self) -> usize {
        self.owners.len()
    }

    /// Adds an owner with what it read. O(reads).
    fn add(&mut self, dependent: Dependent, reads: Vec<Read>, results: Vec<u32>) -> u32 {
        let owner = self.owners.insert(Owner { dependent, reads: Box::default(), results: Box::default() });
        self.set(owner, reads, results);
        owner
    }

    /// Makes what a computation read now known: adds an owner, changes it, or removes it, as it takes. O(reads).
    pub(crate) fn renew(
        &mut self,
        owner: Option<u32>,
        dependent: Dependent,
        reads: Vec<Read>,
        results: Vec<u32>,
    ) -> Option<u32> {
        match (owner, reads.is_empty() && results.is_empty()) {
            (Some(owner), true) => {
                self.remove(owner);
                None
            }
            (Some(owner), false) => {
                self.set(owner, reads, results);
                Some(owner)
            }
            (None, true) => None,
            (None, false) => Some(self.add(dependent, reads, results)),
        }
    }

    /// Replaces what an owner reads. O(reads), and what it read before costs nothing again.
    fn set(&mut self, number: u32, reads: Vec<Read>, mut results: Vec<u32>) {
        let distinct = Reads::of(reads);
        results.sort_unstable();
        results.dedup();
        let Some(owner) = self.owners.get_mut(number) else { return };
        let former_reads = Reads::of(std::mem::replace(&mut owner.reads, distinct.list.clone().into()).into_vec());
        let former_results = std::mem::replace(&mut owner.results, results.clone().into());
        self.unfile(
            number,
            former_reads.list.iter().filter(|read| !distinct.contains(read)),
            former_results.iter().filter(|result| results.binary_search(result).is_err()),
        );
        for read in distinct.list.iter().filter(|read| !former_reads.contains(read)) {
            let entry = self.by_read.entry(read.hash(), |(known, _)| known.is_same(read), |(known, _)| known.hash());
            entry.or_insert_with(|| (read.clone(), IdSet::default())).get_mut().1.insert(number);
        }
        for result in results.iter().filter(|result| former_results.binary_search(result).is_err()) {
            self.by_result.entry(*result).or_default().insert(number);
        }
    }

    /// Removes an owner. O(its reads).
    pub(crate) fn remove(&mut self, number: u32) {
        if let Some(owner) = self.owners.remove(number) {
            self.unfile(number, owner.reads.iter(), owner.results.iter());
        }
    }

    /// Calls `visit` with everyone who read this. O(answer).
    pub(crate) fn readers_of(&self, read: &Read, visit: impl FnMut(Dependent)) {
        if self.by_read.is_empty() {
            return;
        }
        if let Some((_, owners)) = self.by_read.find(read.hash(), |(known, _)| known.is_same(read)) {
            self.visit(owners, visit);
        }
    }

    /// Calls `visit` with everyone who read this result. O(answer).
    pub(crate) fn readers_of_result(&self, result: u32, visit: impl FnMut(Dependent)) {
        if let Some(owners) = self.by_result.get(&result) {
            self.visit(owners, visit);
        }
    }

    fn visit(&self, owners: &IdSet, visit: impl FnMut(Dependent)) {
        let mut numbers = Vec::with_capacity(owners.len());
        owners.append_to(&mut numbers);
        numbers.sort_unstable();
        numbers.into_iter().filter_map(|number| self.owners.get(number)).map(|owner| owner.dependent).for_each(visit);
    }

    /// Takes an owner away from what it does not read any more.
    fn unfile<'a>(
        &mut self,
        number: u32,
        reads: impl Iterator<Item = &'a Read>,
        results: impl Iterator<Item = &'a u32>,
    ) {
        for read in reads {
            if let Ok(mut entry) = self.by_read.find_entry(read.hash(), |(known, _)| known.is_same(read)) {
                entry.get_mut().1.remove(number);
                if entry.get().1.is_empty() {
                    entry.remove();
                    shrink_table(&mut self.by_read, |(known, _)| known.hash());
                }
            }
        }
        for result in results {
            if let Some(owners) = self.by_result.get_mut(result) {
                owners.remove(number);
                if owners.is_empty() {
                    self.by_result.remove(result);
                    self.by_result.shrink();
                }
            }
        }
    }
}

impl Read {
    fn is_same(&self, other: &Read) -> bool {
        match (self, other) {
            (Read::Record(a), Read::Record(b)) | (Read::Edges(a), Read::Edges(b)) => a.is_same_record(b),
            _ => false,
        }
    }

    fn hash(&self) -> u64 {
        let mut hasher = HASHER.build_hasher();
        let (tag, id) = match self {
            Read::Record(id) => (0, id),
            Read::Edges(id) => (1, id),
        };
        hasher.write_u8(tag);
        id.hash_identity(&mut hasher);
        hasher.finish()
    }
}
