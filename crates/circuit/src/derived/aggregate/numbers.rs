//! The numbers of a group, for all functions that ask for them.

use super::ranking::Ranking;
use super::sequence::Sequence;
use super::total::{self, Total};
use super::{is_number, to_float};
use crate::derived::scan_key::ScanKey;
use crate::value::Value;

/// The numbers among the values of one argument, as far as somebody asks for them.
///
/// Where they are kept by size, they are put into scan order only once a sum depends on it, and for as long as it does.
#[derive(Debug)]
pub(crate) struct Numbers {
    total: Option<Total>,
    ranking: Option<Ranking>,
    /// The numbers in scan order, where a sum needs them.
    sequence: Option<Sequence>,
}

impl Numbers {
    pub(super) fn new(sum: bool, ranks: bool) -> Self {
        let sequence = (sum && !ranks).then(Sequence::default);
        Numbers { total: sum.then(Total::default), ranking: ranks.then(Ranking::default), sequence }
    }

    /// Adds a value; one that is no number does not count. O(log n).
    pub(super) fn insert(&mut self, at: &ScanKey, value: &Value) {
        if !is_number(value) {
            return;
        }
        if let Some(total) = &mut self.total {
            total.count(value, 1);
        }
        if let Some(ranking) = &mut self.ranking {
            ranking.insert(at, value);
        }
        if let Some(sequence) = &mut self.sequence {
            sequence.insert(at, value);
        }
    }

    /// Takes a value back. O(log n).
    pub(super) fn remove(&mut self, at: &ScanKey, value: &Value) {
        if !is_number(value) {
            return;
        }
        if let Some(total) = &mut self.total {
            total.count(value, -1);
        }
        if let Some(ranking) = &mut self.ranking {
            ranking.remove(at, value);
        }
        if let Some(sequence) = &mut self.sequence {
            sequence.remove(at);
        }
    }

    /// The sum as SurrealDB's fold has it, or none if it is too large for a decimal. O(1), or O(n) where the order
    /// matters and O(n log n) when it begins to: then all numbers are counted in `folded`.
    pub(super) fn sum(&mut self, folded: &mut u64) -> Option<Value> {
        let known = self.total.as_ref().and_then(Total::in_any_order);
        match (&known, &self.ranking) {
            (Some(_), Some(_)) => self.sequence = None,
            (None, Some(ranking)) if self.sequence.is_none() => self.sequence = Some(ranking.in_scan_order()),
            _ => {}
        }
        known.or_else(|| total::in_order(self.sequence.as_ref()?.iter(folded)))
    }

    /// The sum divided by the number of numbers, as a float; `NaN` over no number. None if the sum is too large for a
    /// decimal.
    pub(super) fn mean(&mut self, folded: &mut u64) -> Option<Value> {
        let numbers = self.total.as_ref().map_or(0, Total::numbers);
        if numbers == 0 {
            return Some(Value::Float(f64::NAN));
        }
        Some(Value::Float(to_float(&self.sum(folded)?) / numbers as f64))
    }

    /// The least number; of equal ones the first in scan order. O(log n).
    pub(super) fn least(&self) -> Option<Value> {
        self.ranking.as_ref()?.first()
    }

    /// The greatest number; of equal ones the first in scan order. O(log n).
    pub(super) fn greatest(&self) -> Option<Value> {
        self.ranking.as_ref()?.last()
    }

    /// The number in the middle, or the mean of the two that are there as a float; `NONE` over no number. O(log n).
    pub(super) fn median(&self) -> Value {
        self.ranking.as_ref().map_or(Value::None, Ranking::median)
    }
}
