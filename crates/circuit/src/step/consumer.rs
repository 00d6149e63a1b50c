//! Who takes the answers of a result further than its edges: operators, live sets, and trees that are watched.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::output::Output;
use crate::value::Value;

/// A taker of a result's rows as an output shows them.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) result: u32,
    pub(crate) output: Arc<Output>,
    pub(crate) target: Target,
    /// Whether the output follows from the row and the slots alone. If not, what was told is kept.
    pub(crate) is_local: bool,
    pub(crate) rows: HashMap<u32, Told, foldhash::fast::FixedState>,
}

/// Where the rows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// One of the inputs of an operator.
    Operator {
        operator: u32,
        input: u32,
    },
    Set(u32),
    /// A reader outside who wants to know when the answer may have changed.
    Watch,
}

/// What a consumer was told of a row.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) value: Option<Value>,
    pub(crate) owner: Option<u32>,
}

impl Consumer {
    pub(crate) fn new(result: u32, output: Arc<Output>, target: Target, is_local: bool) -> Self {
        Consumer { result, output, target, is_local, rows: HashMap::default() }
    }
}

/// Rows that consumers have to be told again, because what their outputs read has changed.
#[derive(Debug)]
pub(crate) struct Woken {
    /// Consumer and row, ascending.
    rows: Vec<(u32, u32)>,
    is_told: Vec<bool>,
}

impl Woken {
    /// O(rows · log rows).
    pub(crate) fn of(mut rows: Vec<(u32, u32)>) -> Self {
        rows.sort_unstable();
        rows.dedup();
        Woken { is_told: vec![false; rows.len()], rows }
    }

    /// Notes that a row has been told, for whatever reason. O(log rows).
    pub(crate) fn tell(&mut self, consumer: u32, row: u32) {
        if let Ok(position) = self.rows.binary_search(&(consumer, row)) {
            self.is_told[position] = true;
        }
    }

    /// The rows that are still to be told, by consumer.
    pub(crate) fn left(self) -> Vec<(u32, u32)> {
        let Woken { mut rows, is_told } = self;
        let mut is_told = is_told.into_iter();
        rows.retain(|_| !is_told.next().unwrap_or(false));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_told_is_not_left() {
        let mut woken = Woken::of(vec![(2, 1), (1, 7), (2, 1), (1, 3)]);
        [(1, 3), (1, 4), (3, 1)].into_iter().for_each(|(consumer, row)| woken.tell(consumer, row));
        assert_eq!(woken.left(), [(1, 7), (2, 1)]);
    }

    /// Catches a search for each row among all.
    #[test]
    fn many_rows_that_are_told() {
        let woken = |size: i64| Woken::of((0..size as u32).flat_map(|number| [(1, number), (number, 0)]).collect());
        crate::growth::assert_no_square(2_000, woken, |woken| {
            (0..woken.rows.len() as u32).for_each(|number| woken.tell(number % 2, number));
        });
    }
}
