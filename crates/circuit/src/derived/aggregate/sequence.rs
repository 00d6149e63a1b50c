//! The values of a group in scan order.

use std::collections::BTreeMap;

use crate::derived::scan_key::ScanKey;
use crate::value::Value;

/// Values by the place of their row. A change is O(log n).
#[derive(Debug, Default)]
pub(crate) struct Sequence(BTreeMap<ScanKey, Value>);

impl Sequence {
    pub(super) fn insert(&mut self, at: &ScanKey, value: &Value) {
        self.0.insert(at.clone(), value.clone());
    }

    pub(super) fn remove(&mut self, at: &ScanKey) {
        self.0.remove(at);
    }

    /// All values, which are counted in `folded`.
    pub(super) fn iter(&self, folded: &mut u64) -> impl Iterator<Item = &Value> {
        *folded += self.0.len() as u64;
        self.0.values()
    }
}

impl FromIterator<(ScanKey, Value)> for Sequence {
    fn from_iter<I: IntoIterator<Item = (ScanKey, Value)>>(values: I) -> Self {
        Sequence(values.into_iter().collect())
    }
}
