//! The earliest and the latest datetime of a group.

use std::collections::BTreeMap;

use crate::value::{Datetime, Value};

/// How often each moment occurs: datetimes that are equal are the same, so nobody can tell which row it was. A change
/// is O(log of the distinct moments).
#[derive(Debug, Default)]
pub(crate) struct Moments(BTreeMap<Datetime, u32>);

impl Moments {
    /// Adds a value; one that is no datetime does not count.
    pub(super) fn insert(&mut self, value: &Value) {
        if let Value::Datetime(moment) = value {
            *self.0.entry(*moment).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, value: &Value) {
        let Value::Datetime(moment) = value else {
            return;
        };
        let Some(rows) = self.0.get_mut(moment) else {
            return;
        };
        *rows -= 1;
        if *rows == 0 {
            self.0.remove(moment);
        }
    }

    /// The earliest moment, or `NONE`.
    pub(super) fn first(&self) -> Value {
        self.0.first_key_value().map_or(Value::None, |(moment, _)| Value::Datetime(*moment))
    }

    /// The latest moment, or `NONE`.
    pub(super) fn last(&self) -> Value {
        self.0.last_key_value().map_or(Value::None, |(moment, _)| Value::Datetime(*moment))
    }
}
