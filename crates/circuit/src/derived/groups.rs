//! The groups of a `GROUP BY`.

mod by_key;
mod shown_key;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use by_key::ByKey;
use shown_key::Variants;

use crate::collection::slab::Slab;
use crate::derived::aggregate::{Accumulator, Layout};
use crate::derived::scan_key::ScanKey;
use crate::expr::library::Library;
use crate::value::Value;

/// The groups of one instance of a `GROUP BY`, kept up to date under insertion and removal of rows.
///
/// Rows whose keys are equal in SurrealDB's order belong to one group, which shows the key of its first row in scan
/// order. A group without rows is gone, but for the one group of `GROUP ALL`. To somebody whose permissions it checks,
/// SurrealDB does not show that one either: pass `is_all` as false then, and the same empty key for every row.
///
/// A group holds what its functions hold (see [`aggregate`](crate::derived::aggregate)), and the places of its rows if their
/// keys contain numbers or geometries, since only these can be equal without being the same.
#[derive(Debug)]
pub(crate) struct Groups {
    layout: Arc<Layout>,
    extra: Vec<Box<[Value]>>,
    numbers: ByKey,
    groups: Slab<Group>,
    /// Groups that changed since the last report, each once.
    changed: Vec<u32>,
    is_all: bool,
}

#[derive(Debug)]
struct Group {
    /// The key under which the group is found.
    key: Arc<[Value]>,
    /// The keys of its rows, if they can differ.
    variants: Option<Box<Variants>>,
    rows: u64,
    accumulators: Box<[Accumulator]>,
    is_changed: bool,
    /// Whether the group has been reported, so that its end must be, too.
    is_reported: bool,
}

/// What became of a group.
#[derive(Debug)]
pub(crate) struct GroupChange {
    /// The number of the group. It stays the same while the group lives, and then belongs to another one.
    pub(crate) number: u32,
    /// The values of its key followed by those of its aggregates, or none if the group is gone.
    pub(crate) values: Option<Box<[Value]>>,
}

impl Groups {
    /// No groups, or the one of `GROUP ALL`. `extra` are the arguments of each function behind the first one.
    pub(crate) fn new(layout: Arc<Layout>, extra: Vec<Box<[Value]>>, is_all: bool) -> Self {
        let (numbers, groups) = (ByKey::default(), Slab::default());
        let mut groups = Groups { layout, extra, numbers, groups, changed: Vec::new(), is_all };
        if is_all {
            groups.create(&[]);
        }
        groups
    }

    /// Adds a row: its place, the values of its key, and the argument of each function. O(log groups + functions · log
    /// rows).
    ///
    /// A row whose key and arguments stay the same needs no call: its group would be computed again for nothing.
    pub(crate) fn insert(&mut self, at: ScanKey, key: &[Value], arguments: &[Value]) {
        let number = self.find(key).unwrap_or_else(|| self.create(key));
        let Some(group) = self.groups.get_mut(number) else {
            return;
        };
        group.rows += 1;
        for (accumulator, argument) in group.accumulators.iter_mut().zip(self.layout.arguments()) {
            accumulator.insert(&at, arguments.get(argument).unwrap_or(&Value::None));
        }
        if let Some(variants) = &mut group.variants {
            variants.insert(at, key);
        }
        self.mark(number);
    }

    /// Takes back a row, which must have been added with the same place, key and arguments. O(log groups + functions ·
    /// log rows).
    pub(crate) fn remove(&mut self, at: &ScanKey, key: &[Value], arguments: &[Value]) {
        let Some(number) = self.find(key) else {
            return;
        };
        let Some(group) = self.groups.get_mut(number) else {
            return;
        };
        group.rows -= 1;
        for (accumulator, argument) in group.accumulators.iter_mut().zip(self.layout.arguments()) {
            accumulator.remove(at, arguments.get(argument).unwrap_or(&Value::None));
        }
        if let Some(variants) = &mut group.variants {
            variants.remove(at);
        }
        self.mark(number);
    }

    /// The groups that changed since the last call, in the order in which they first changed. A group that came and
    /// went in between is not among them. The cost is that of the answers of these groups' functions; `folded` counts
    /// the values that they go through.
    pub(crate) fn take_changed(&mut self, library: &dyn Library, folded: &mut u64) -> Vec<GroupChange> {
        let mut changes = Vec::with_capacity(self.changed.len());
        for number in std::mem::take(&mut self.changed) {
            let Some(group) = self.groups.get_mut(number) else {
                continue;
            };
            group.is_changed = false;
            if group.rows > 0 || self.is_all {
                group.is_reported = true;
                changes.push(GroupChange {
                    number,
                    values: Some(group.values(&self.layout, &self.extra, library, folded)),
                });
                continue;
            }
            if group.is_reported {
                changes.push(GroupChange { number, values: None });
            }
            if let Some(group) = self.groups.remove(number) {
                self.numbers.remove(&group.key, number);
            }
        }
        changes
    }

    fn find(&self, key: &[Value]) -> Option<u32> {
        self.numbers.find(key, |number| self.groups.get(number).map(|group| &*group.key))
    }

    fn create(&mut self, key: &[Value]) -> u32 {
        let key: Arc<[Value]> = key.into();
        let variants = (!shown_key::have_one_form(&key)).then(Box::default);
        let accumulators = self.layout.accumulators();
        let group = Group { key: key.clone(), variants, rows: 0, accumulators, is_changed: false, is_reported: false };
        let number = self.groups.insert(group);
        self.numbers.insert(&key, number);
        self.mark(number);
        number
    }

    fn mark(&mut self, number: u32) {
        if let Some(group) = self.groups.get_mut(number)
            && !group.is_changed
        {
            group.is_changed = true;
            self.changed.push(number);
        }
    }
}

impl Group {
    fn values(
        &mut self,
        layout: &Layout,
        extra: &[Box<[Value]>],
        library: &dyn Library,
        folded: &mut u64,
    ) -> Box<[Value]> {
        let shown = self.variants.as_ref().and_then(|variants| variants.first()).unwrap_or(&self.key);
        let mut values = Vec::with_capacity(shown.len() + layout.functions().len());
        values.extend_from_slice(shown);
        for (place, (function, accumulator)) in layout.functions().enumerate() {
            let extra = extra.get(place).map_or(&[][..], |extra| extra);
            values.push(self.accumulators[accumulator].answer(function, extra, library, folded));
        }
        values.into()
    }
}
