//! The least, the greatest and the middle number of a group.

use std::cmp::Ordering;

use super::{is_number, to_float};
use crate::collection::ranked::Ranked;
use crate::derived::scan_key::ScanKey;
use crate::value::Value;

/// The numbers of a group by size. Of equal ones, such as `1` and `1.0`, the first in scan order comes first: it is the
/// one that a fold keeps, and the one that a stable sort leaves in front. A change is O(log n).
#[derive(Debug)]
pub(crate) struct Ranking {
    entries: Ranked<Entry>,
    is_descending: bool,
}

#[derive(Debug)]
struct Entry {
    number: Value,
    at: ScanKey,
}

impl Ranking {
    pub(super) fn ascending() -> Self {
        Ranking { entries: Ranked::default(), is_descending: false }
    }

    pub(super) fn descending() -> Self {
        Ranking { entries: Ranked::default(), is_descending: true }
    }

    /// Adds a value; one that is no number does not count.
    pub(super) fn insert(&mut self, at: &ScanKey, value: &Value) {
        if is_number(value) {
            let entry = Entry { number: value.clone(), at: at.clone() };
            self.entries.insert(entry, &order(self.is_descending));
        }
    }

    pub(super) fn remove(&mut self, at: &ScanKey, value: &Value) {
        if is_number(value) {
            let entry = Entry { number: value.clone(), at: at.clone() };
            self.entries.remove(&entry, &order(self.is_descending));
        }
    }

    /// The number in front. O(log n).
    pub(super) fn first(&self) -> Option<Value> {
        Some(self.entries.get(0)?.number.clone())
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
}

fn order(is_descending: bool) -> impl Fn(&Entry, &Entry) -> Ordering {
    move |a, b| {
        let by_size = if is_descending { b.number.cmp(&a.number) } else { a.number.cmp(&b.number) };
        by_size.then_with(|| a.at.cmp(&b.at))
    }
}
