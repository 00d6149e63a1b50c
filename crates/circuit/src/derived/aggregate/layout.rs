//! Which aggregates of a grouped query share what is kept of their values.

use std::sync::Arc;

use super::{Accumulator, AggregateFunction};

/// What a function needs to know of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Rows,
    Truthy,
    /// The sum of the numbers, their order by size, or both.
    Numbers {
        sum: bool,
        ranks: bool,
    },
    Moments,
    /// All values in scan order.
    Values,
}

impl Needs {
    /// What serves both, if they are of one kind.
    fn and(self, other: Needs) -> Option<Needs> {
        match (self, other) {
            (Needs::Numbers { sum, ranks }, Needs::Numbers { sum: other_sum, ranks: other_ranks }) => {
                Some(Needs::Numbers { sum: sum || other_sum, ranks: ranks || other_ranks })
            }
            (a, b) => (a == b).then_some(a),
        }
    }
}

/// The accumulators of each group of a query: functions of the same argument share one where they can.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Each function with the number of its accumulator.
    functions: Vec<(AggregateFunction, usize)>,
    /// The number of the argument that each accumulator takes, and what is asked of it.
    accumulators: Vec<(usize, Needs)>,
}

impl Layout {
    /// The accumulators for functions, each with the number of its argument; equal numbers stand for equal arguments.
    pub(crate) fn new(functions: impl IntoIterator<Item = (AggregateFunction, usize)>) -> Arc<Layout> {
        let mut layout = Layout { functions: Vec::new(), accumulators: Vec::new() };
        for (function, argument) in functions {
            let needs = function.needs();
            let known = layout.accumulators.iter_mut().enumerate().find_map(|(number, (other, kept))| {
                *kept = kept.and(needs).filter(|_| *other == argument)?;
                Some(number)
            });
            let number = known.unwrap_or_else(|| {
                layout.accumulators.push((argument, needs));
                layout.accumulators.len() - 1
            });
            layout.functions.push((function, number));
        }
        Arc::new(layout)
    }

    /// The accumulators of a group without rows.
    pub(crate) fn accumulators(&self) -> Box<[Accumulator]> {
        self.accumulators.iter().map(|(_, needs)| Accumulator::new(*needs)).collect()
    }

    /// The number of the argument that each accumulator takes.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = usize> {
        self.accumulators.iter().map(|(argument, _)| *argument)
    }

    /// The functions, each with the number of its accumulator.
    pub(crate) fn functions(&self) -> impl ExactSizeIterator<Item = (AggregateFunction, usize)> {
        self.functions.iter().copied()
    }
}
