//! The values of a subquery that conditions test membership in: `author IN (SELECT VALUE id FROM user WHERE active)`.
//!
//! A semi-join. The set is kept by counts, so that a value which leaves one row and stays in another stays in the set. A
//! change of the set touches the rows that have the changed value, and no others.

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::collection::id_set::IdSet;
use crate::collection::shrink::Shrink;
use crate::collection::slab::Slab;
use crate::expr::library::Library;
use crate::template::keys::{Keys, key_of_hash};
use crate::value::{RoutingHash, Value, identity, routing_hash};

type ByHash<T> = HashMap<u64, T, foldhash::fast::FixedState>;

/// All sets in use, and which of them contain a value.
#[derive(Debug, Default)]
pub(crate) struct LiveSets {
    sets: Slab<LiveSet>,
    /// By the hash of a value, the sets that contain such a value, or did before the step.
    containing: ByHash<IdSet>,
    /// Sets with a value that has no hash, which may equal any other.
    wild: IdSet,
    /// The sets that the step has changed.
    changed: Vec<u32>,
}

/// The values of one subquery.
#[derive(Debug)]
pub(crate) struct LiveSet {
    /// The consumer that feeds it.
    pub(crate) consumer: u32,
    pub(crate) readers: usize,
    /// The templates that test membership in it, ascending, with their bindings that do.
    templates: SmallVec<[(u32, IdSet); 1]>,
    members: ByHash<SmallVec<[Member; 1]>>,
    /// Values without a hash: regexes.
    wild: SmallVec<[Member; 1]>,
    /// Values whose count has changed in this step.
    touched: Vec<Value>,
}

/// A value, and how many rows have it.
#[derive(Debug)]
struct Member {
    value: Value,
    now: u32,
    /// Before the step.
    before: u32,
}

/// The two moments between which a step lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    Now,
}

impl LiveSets {
    pub(crate) fn insert(&mut self, consumer: u32) -> u32 {
        self.sets.insert(LiveSet {
            consumer,
            readers: 1,
            templates: SmallVec::new(),
            members: HashMap::default(),
            wild: SmallVec::new(),
            touched: Vec::new(),
        })
    }

    pub(crate) fn get(&self, set: u32) -> Option<&LiveSet> {
        self.sets.get(set)
    }

    pub(crate) fn get_mut(&mut self, set: u32) -> Option<&mut LiveSet> {
        self.sets.get_mut(set)
    }

    pub(crate) fn len(&self) -> usize {
        self.sets.len()
    }

    /// Removes a set. O(members).
    pub(crate) fn remove(&mut self, number: u32) {
        let Some(set) = self.sets.remove(number) else { return };
        for hash in set.members.keys() {
            forget(&mut self.containing, *hash, number);
        }
        self.wild.remove(number);
    }

    /// Adds to the count of a value. Before [`LiveSets::settle`] both counts are known. O(1).
    pub(crate) fn add(&mut self, number: u32, value: &Value, weight: i32) {
        let Some(set) = self.sets.get_mut(number) else { return };
        if set.touched.is_empty() {
            self.changed.push(number);
        }
        set.touched.push(value.clone());
        let members = match routing_hash(value) {
            RoutingHash::Wild => {
                self.wild.insert(number);
                &mut set.wild
            }
            RoutingHash::Key(hash) => {
                self.containing.entry(hash).or_default().insert(number);
                set.members.entry(hash).or_default()
            }
        };
        match members.iter_mut().find(|member| identity::are_identical(&member.value, value)) {
            Some(member) => member.now = member.now.saturating_add_signed(weight),
            None => members.push(Member { value: value.clone(), now: weight.max(0) as u32, before: 0 }),
        }
    }

    /// Ends the step: what is, is what was. O(changes).
    pub(crate) fn settle(&mut self) {
        for number in std::mem::take(&mut self.changed) {
            self.settle_one(number);
        }
    }

    /// Ends the filling of a new set, which nobody has read before. O(members).
    pub(crate) fn fill_ended(&mut self, number: u32) {
        // No other set has changed meanwhile.
        self.changed.pop_if(|changed| *changed == number);
        self.changed.shrink();
        self.settle_one(number);
    }

    fn settle_one(&mut self, number: u32) {
        let Some(set) = self.sets.get_mut(number) else { return };
        for value in std::mem::take(&mut set.touched) {
            match routing_hash(&value) {
                RoutingHash::Wild => settle(&mut set.wild),
                RoutingHash::Key(hash) => {
                    let Some(members) = set.members.get_mut(&hash) else { continue };
                    settle(members);
                    if members.is_empty() {
                        set.members.remove(&hash);
                        set.members.shrink();
                        forget(&mut self.containing, hash, number);
                    }
                }
            }
        }
        if set.wild.is_empty() {
            self.wild.remove(number);
        }
    }

    /// The keys of the values that a set has got or lost in the step, each once; `None` stands for values that may
    /// equal any other. O(changes).
    pub(crate) fn changed_keys(&self, number: u32) -> Vec<Option<u64>> {
        let Some(set) = self.sets.get(number) else { return Vec::new() };
        let has_turned = |members: &[Member]| members.iter().any(|member| (member.now > 0) != (member.before > 0));
        let key = |value: &Value| match routing_hash(value) {
            RoutingHash::Wild => has_turned(&set.wild).then_some(None),
            RoutingHash::Key(hash) => has_turned(set.members.get(&hash)?).then_some(Some(key_of_hash(hash))),
        };
        let mut keys: Vec<Option<u64>> = set.touched.iter().filter_map(key).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// The templates that test membership in a set.
    pub(crate) fn templates_of(&self, set: u32) -> impl Iterator<Item = u32> {
        self.sets.get(set).into_iter().flat_map(|set| set.templates.iter().map(|(template, _)| *template))
    }

    /// The bindings of a template that test membership in a set. O(log templates of the set).
    pub(crate) fn bindings_of(&self, set: u32, template: u32) -> Option<&IdSet> {
        let templates = &self.sets.get(set)?.templates;
        let position = templates.binary_search_by_key(&template, |(known, _)| *known).ok()?;
        Some(&templates[position].1)
    }

    /// The keys of the sets that contain a value now or did before the step, and perhaps of some others. O(answer).
    pub(crate) fn containing(&self, value: &Value) -> Keys {
        let RoutingHash::Key(hash) = routing_hash(value) else { return Keys::Wild };
        let mut sets: SmallVec<[u32; 8]> = SmallVec::new();
        self.wild.append_to(&mut sets);
        if let Some(containing) = self.containing.get(&hash) {
            containing.append_to(&mut sets);
        }
        Keys::of_sets(sets.into_iter())
    }

    /// How many keys [`LiveSets::containing`] answers. O(1).
    pub(crate) fn count_containing(&self, value: &Value) -> usize {
        let RoutingHash::Key(hash) = routing_hash(value) else { return 0 };
        self.wild.len() + self.containing.get(&hash).map_or(0, IdSet::len)
    }
}

impl LiveSet {
    /// Notes one more binding of a template that tests membership in the set.
    pub(crate) fn enter(&mut self, template: u32, binding: u32) {
        let position = match self.templates.binary_search_by_key(&template, |(known, _)| *known) {
            Ok(position) => position,
            Err(position) => {
                self.templates.insert(position, (template, IdSet::default()));
                position
            }
        };
        self.templates[position].1.insert(binding);
    }

    /// Forgets a binding.
    pub(crate) fn leave(&mut self, template: u32, binding: u32) {
        let Ok(position) = self.templates.binary_search_by_key(&template, |(known, _)| *known) else { return };
        let bindings = &mut self.templates[position].1;
        bindings.remove(binding);
        if bindings.is_empty() {
            self.templates.remove(position);
            self.templates.shrink();
        }
    }

    /// Whether a value is in the set. O(1); O(members) for a value without a hash.
    pub(crate) fn contains(&self, value: &Value, moment: Moment, library: &dyn Library) -> bool {
        let is_present = |member: &Member| {
            let count = if moment == Moment::Now { member.now } else { member.before };
            count > 0 && member.value.equal(value, library)
        };
        let among_hashed = match routing_hash(value) {
            RoutingHash::Key(hash) => self.members.get(&hash).is_some_and(|members| members.iter().any(is_present)),
            RoutingHash::Wild => self.members.values().flatten().any(is_present),
        };
        among_hashed || self.wild.iter().any(is_present)
    }

    /// How many hashes there are to try for the values. O(1).
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// All values, each once.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.members.values().flatten().chain(&self.wild).filter(|member| member.now > 0).map(|member| &member.value)
    }

    /// Whether rows that may match can't be looked up by hash.
    pub(crate) fn is_wild(&self) -> bool {
        !self.wild.is_empty()
    }
}

fn settle(members: &mut SmallVec<[Member; 1]>) {
    members.retain(|member| {
        member.before = member.now;
        member.now > 0
    });
}

fn forget(containing: &mut ByHash<IdSet>, hash: u64, number: u32) {
    if let Some(sets) = containing.get_mut(&hash) {
        sets.remove(number);
        if sets.is_empty() {
            containing.remove(&hash);
            containing.shrink();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a search among the sets that a step has changed, for each set that it fills.
    #[test]
    fn many_sets_that_are_filled_while_many_change() {
        let changed = |size: i64| {
            let mut sets = LiveSets::default();
            for number in 0..size {
                let set = sets.insert(0);
                sets.add(set, &Value::Int(number), 1);
            }
            (sets, size)
        };
        crate::growth::assert_no_square(2_000, changed, |(sets, size)| {
            for number in 0..*size {
                let set = sets.insert(0);
                sets.add(set, &Value::Int(number), 1);
                sets.fill_ended(set);
            }
        });
    }
}
