//! The least, the greatest and the middle number of a group.

use std::cmp::Ordering;

use super::sequence::Sequence;
use super::to_float;
use crate::collection::ranked::Ranked;
use crate::derived::scan_key::ScanKey;
use crate::value::Value;

/// The numbers of a group by size. Of equal ones, such as `1` and `1.0`, the first in scan order comes first: it is the
/// one that a fold keeps, and the one that a stable sort leaves in front. A change is O(log n).
#[derive(Debug, Default)]
pub(super) struct Ranking {
    entries: Ranked<Entry>,
}

#[derive(Debug)]
struct Entry {
    number: Value,
    at: ScanKey,
}

impl Ranking {
    pub(super) fn insert(&mut self, at: &ScanKey, number: &Value) {
        self.entries.insert(Entry { number: number.clone(), at: at.clone() }, &order);
    }

    pub(super) fn remove(&mut self, at: &ScanKey, number: &Value) {
        self.entries.remove(&Entry { number: number.clone(), at: at.clone() }, &order);
    }

    /// The first of the least numbers. O(log n).
    pub(super) fn first(&self) -> Option<Value> {
        Some(self.entries.get(0)?.number.clone())
    }

    /// The first of the greatest numbers. O(log n).
    pub(super) fn last(&self) -> Option<Value> {
        let greatest = &self.entries.get(self.entries.len().checked_sub(1)?)?.number;
        let first = self.entries.partition_point(|entry| entry.number < *greatest);
        Some(self.entries.get(first)?.number.clone())
    }

    /// The number in the middle, or the mean of the two that are there as a float; `NONE` over no number. O(log n).
    pub(super) fn median(&self) -> Value {
        let middle = self.entries.len() / 2;
        let Some(upper) = self.entries.get(middle) else {
            return Value::None;
        };
        if self.entries.len() % 2 == 1 {
            return upper.number.clone();
        }
        let lower = middle.checked_sub(1).and_then(|rank| self.entries.get(rank));
        lower.map_or(Value::None, |lower| Value::Float((to_float(&lower.number) + to_float(&upper.number)) / 2.0))
    }

    /// All numbers in scan order. O(n log n).
    pub(super) fn in_scan_order(&self) -> Sequence {
        self.entries.range(0, self.entries.len()).map(|entry| (entry.at.clone(), entry.number.clone())).collect()
    }
}

fn order(a: &Entry, b: &Entry) -> Ordering {
    a.number.cmp(&b.number).then_with(|| a.at.cmp(&b.at))
}
