//! Who has read what: the reverse of every read that goes beyond the row.
//!
//! A column such as `author.name`, a computed slot and a subquery under a row depend on other records, on edges, or on
//! other results. Each such computation has an *owner* here, with what it read. A change of a record, of the edges at
//! one, or of a result answers the owners that have to be computed again, and no others: the join on the link, seen
//! from its other side.

use std::sync::Arc;

use hashbrown::{HashMap, HashTable};
use smallvec::SmallVec;

use crate::collection::id_set::IdSet;
use crate::collection::shrink::{Shrink, shrink_table};
use crate::collection::slab::Slab;
use crate::dependent::read::{Aspect, Read, hash_record};
use crate::store::table::TableId;
use crate::value::{Object, RecordId};

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
    /// An item of a list that is a link.
    Item { operator: u32, item: u32 },
}

/// All owners, by what they read.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    owners: Slab<Owner>,
    records: HashTable<Readers>,
    by_result: HashMap<u32, IdSet, foldhash::fast::FixedState>,
}

/// The owners that have read something of a record.
#[derive(Debug)]
struct Readers {
    record: Arc<RecordId>,
    /// By what they have read, ascending.
    owners: SmallVec<[(Aspect, IdSet); 1]>,
}

#[derive(Debug)]
struct Owner {
    dependent: Dependent,
    reads: Box<[Read]>,
    results: Box<[u32]>,
}

/// Up to so many reads are compared with those before one by one.
const FEW: usize = 8;

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

    /// Replaces what an owner reads. O(reads · log reads); of few reads, those that are as before cost nothing again.
    fn set(&mut self, number: u32, mut reads: Vec<Read>, mut results: Vec<u32>) {
        dedup(&mut reads);
        results.sort_unstable();
        results.dedup();
        let Some(owner) = self.owners.get_mut(number) else { return };
        let former_reads = std::mem::take(&mut owner.reads);
        let former_results = std::mem::take(&mut owner.results);
        let is_few = reads.len().max(former_reads.len()) <= FEW;
        let is_among = |read: &Read, others: &[Read]| is_few && others.iter().any(|other| other.is_same(read));
        self.unfile(
            number,
            former_reads.iter().filter(|read| !is_among(read, &reads)),
            former_results.iter().filter(|result| results.binary_search(result).is_err()),
        );
        for read in reads.iter().filter(|read| !is_among(read, &former_reads)) {
            let Read { record, aspect } = read;
            let is_same = |known: &Readers| known.record.is_same_record(record);
            let entry = self.records.entry(hash_record(record), is_same, Readers::hash);
            let readers = entry.or_insert_with(|| Readers { record: record.clone(), owners: SmallVec::new() });
            readers.into_mut().insert(*aspect, number);
        }
        for result in results.iter().filter(|result| former_results.binary_search(result).is_err()) {
            self.by_result.entry(*result).or_default().insert(number);
        }
        if let Some(owner) = self.owners.get_mut(number) {
            owner.reads = reads.into();
            owner.results = results.into();
        }
    }

    /// Removes an owner. O(its reads).
    pub(crate) fn remove(&mut self, number: u32) {
        if let Some(owner) = self.owners.remove(number) {
            self.unfile(number, owner.reads.iter(), owner.results.iter());
        }
    }

    /// Calls `visit` with everyone who read something of a record that has changed. O(answer), and O(fields) if anyone
    /// has read anything of the record.
    pub(crate) fn readers_of_record(
        &self,
        record: &RecordId,
        before: Option<&Object>,
        after: Option<&Object>,
        mut visit: impl FnMut(Dependent),
    ) {
        let Some(readers) = self.readers(record) else { return };
        for aspect in Aspect::differences(before, after) {
            self.visit(readers.of(aspect), &mut visit);
        }
    }

    /// Calls `visit` with everyone who read this of a record. O(answer).
    pub(crate) fn readers_of(&self, read: &Read, visit: impl FnMut(Dependent)) {
        if let Some(readers) = self.readers(&read.record) {
            self.visit(readers.of(read.aspect), visit);
        }
    }

    fn readers(&self, record: &RecordId) -> Option<&Readers> {
        if self.records.is_empty() {
            return None;
        }
        self.records.find(hash_record(record), |known| known.record.is_same_record(record))
    }

    /// Calls `visit` with everyone who read this result. O(answer).
    pub(crate) fn readers_of_result(&self, result: u32, visit: impl FnMut(Dependent)) {
        self.visit(self.by_result.get(&result), visit);
    }

    fn visit(&self, owners: Option<&IdSet>, visit: impl FnMut(Dependent)) {
        let Some(owners) = owners else { return };
        let mut numbers: SmallVec<[u32; 16]> = SmallVec::with_capacity(owners.len());
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
        for Read { record, aspect } in reads {
            let is_same = |known: &Readers| known.record.is_same_record(record);
            if let Ok(mut entry) = self.records.find_entry(hash_record(record), is_same) {
                entry.get_mut().remove(*aspect, number);
                if entry.get().owners.is_empty() {
                    entry.remove();
                    shrink_table(&mut self.records, Readers::hash);
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

/// Leaves one of the reads that are the same. O(reads · log reads).
fn dedup(reads: &mut Vec<Read>) {
    if reads.len() <= FEW {
        let mut number = 0;
        while number < reads.len() {
            if reads[..number].iter().any(|other| other.is_same(&reads[number])) {
                reads.swap_remove(number);
            } else {
                number += 1;
            }
        }
        return;
    }
    reads.sort_by_cached_key(|read| (hash_record(&read.record), read.aspect));
    reads.dedup_by(|a, b| a.is_same(b));
}

impl Readers {
    fn hash(&self) -> u64 {
        hash_record(&self.record)
    }

    fn of(&self, aspect: Aspect) -> Option<&IdSet> {
        let position = self.position(aspect).ok()?;
        Some(&self.owners[position].1)
    }

    fn insert(&mut self, aspect: Aspect, owner: u32) {
        match self.position(aspect) {
            Ok(position) => self.owners[position].1.insert(owner),
            Err(position) => self.owners.insert(position, (aspect, IdSet::one(owner))),
        }
    }

    fn remove(&mut self, aspect: Aspect, owner: u32) {
        let Ok(position) = self.position(aspect) else { return };
        let owners = &mut self.owners[position].1;
        owners.remove(owner);
        if owners.is_empty() {
            self.owners.remove(position);
            self.owners.shrink();
        }
    }

    fn position(&self, aspect: Aspect) -> Result<usize, usize> {
        self.owners.binary_search_by_key(&aspect, |(known, _)| *known)
    }
}
