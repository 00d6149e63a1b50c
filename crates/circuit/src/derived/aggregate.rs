//! Aggregate functions: what `GROUP BY` computes over the rows of a group.
//!
//! SurrealDB folds the values of a group in scan order. An [`Accumulator`] answers exactly what that fold would, and in
//! addition takes values back. Functions of the same argument share one, as a [`Layout`] says. What that costs depends on
//! the function:
//!
//! | function | a change | an answer | held for each row |
//! |---|---|---|---|
//! | `count` | O(1) | O(1) | nothing |
//! | `time::min`, `time::max` | O(log n) | O(log n) | nothing, but each distinct moment |
//! | `math::min`, `math::max`, `math::median` | O(log n) | O(log n) | its number |
//! | `math::sum`, `math::mean` | O(log n) | O(1); O(n) where the order matters, as among floats | its number |
//! | `array::group` and the [`Fold`]s | O(log n) | O(n) | its value |
//!
//! Numbers are held even while the order in which they are added does not matter: the next one can make it matter, and
//! nothing would bring back where the others stood.

mod layout;
mod moments;
mod numbers;
mod ranking;
mod sequence;
mod total;

use std::sync::Arc;

pub(crate) use layout::{Layout, Needs};
use moments::Moments;
use numbers::Numbers;
use sequence::Sequence;

use crate::derived::scan_key::ScanKey;
use crate::expr::library::Library;
use crate::value::{Key, RecordId, Value};

/// An aggregate function of SurrealDB. These are all that there are: any other function in a grouped query is computed
/// for each row, and its answers are listed as by [`Group`](AggregateFunction::Group).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AggregateFunction {
    /// `count()`: the number of rows.
    Count,
    /// `count(value)`: the number of truthy values.
    CountTruthy,
    /// `math::sum`: 0 over no number.
    Sum,
    /// `math::mean`: always a float; `NaN` over no number.
    Mean,
    /// `math::min`: infinity over no number.
    Min,
    /// `math::max`: negative infinity over no number.
    Max,
    /// `math::median`: the middle number, or the mean of the middle two as a float; `NONE` over no number.
    Median,
    /// `time::min`: `NONE` over no datetime.
    TimeMin,
    /// `time::max`: `NONE` over no datetime.
    TimeMax,
    /// `array::group`: the values in scan order. A field that is no aggregate is shown like this, too.
    Group,
    /// A function that is left to the [`Library`].
    Fold(Fold),
}

/// An aggregate function that has no state from which a value could be taken back. The [`Library`] computes it over all
/// values of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fold {
    /// `math::stddev`: of a sample; `NaN` over no number.
    StdDev,
    /// `math::variance`: of a sample; `NaN` over no number.
    Variance,
    /// `array::join`: the values as text. The extra argument is the separator.
    Join,
    /// `array::distinct`: the first of each of the values.
    Distinct,
    /// `vector::sum`: `NONE` over no vector, and `NULL` where the vectors don't fit each other.
    VectorSum,
}

impl AggregateFunction {
    /// The function that SurrealDB has under this name, called with this many arguments. The first argument is what is
    /// aggregated (`NONE` if it is missing), the others are constants of the query; superfluous ones are ignored.
    pub fn named(name: &str, arguments: usize) -> Option<Self> {
        Some(match name {
            "count" if arguments == 0 => AggregateFunction::Count,
            "count" => AggregateFunction::CountTruthy,
            "math::sum" => AggregateFunction::Sum,
            "math::mean" => AggregateFunction::Mean,
            "math::min" => AggregateFunction::Min,
            "math::max" => AggregateFunction::Max,
            "math::median" => AggregateFunction::Median,
            "math::stddev" => AggregateFunction::Fold(Fold::StdDev),
            "math::variance" => AggregateFunction::Fold(Fold::Variance),
            "time::min" => AggregateFunction::TimeMin,
            "time::max" => AggregateFunction::TimeMax,
            "array::group" => AggregateFunction::Group,
            "array::join" => AggregateFunction::Fold(Fold::Join),
            "array::distinct" => AggregateFunction::Fold(Fold::Distinct),
            "vector::sum" => AggregateFunction::Fold(Fold::VectorSum),
            _ => return None,
        })
    }

    /// The answer for a group whose rows have the given values, in scan order. O(n log n).
    pub fn evaluate(self, values: &[Value], extra: &[Value], library: &dyn Library) -> Value {
        let mut accumulator = Accumulator::new(self.needs());
        for (number, value) in (0..).zip(values) {
            let id = Arc::new(RecordId::new("", Key::Int(number)));
            accumulator.insert(&ScanKey { place: None, id }, value);
        }
        accumulator.answer(self, extra, library, &mut 0)
    }

    /// What has to be kept for this function.
    pub(crate) fn needs(self) -> Needs {
        match self {
            AggregateFunction::Count => Needs::Rows,
            AggregateFunction::CountTruthy => Needs::Truthy,
            AggregateFunction::Sum | AggregateFunction::Mean => Needs::Numbers { sum: true, ranks: false },
            AggregateFunction::Min | AggregateFunction::Max | AggregateFunction::Median => {
                Needs::Numbers { sum: false, ranks: true }
            }
            AggregateFunction::TimeMin | AggregateFunction::TimeMax => Needs::Moments,
            AggregateFunction::Group | AggregateFunction::Fold(_) => Needs::Values,
        }
    }
}

/// What is kept of one argument over the rows of one group, for all functions that can be answered from it.
#[derive(Debug)]
pub(crate) enum Accumulator {
    /// The number of rows, or of those with a truthy value.
    Count {
        rows: i64,
        is_of_truthy: bool,
    },
    Numbers(Box<Numbers>),
    Moments(Moments),
    Values(Sequence),
}

impl Accumulator {
    /// The state of a group without rows.
    pub(crate) fn new(needs: Needs) -> Self {
        match needs {
            Needs::Rows => Accumulator::Count { rows: 0, is_of_truthy: false },
            Needs::Truthy => Accumulator::Count { rows: 0, is_of_truthy: true },
            Needs::Numbers { sum, ranks } => Accumulator::Numbers(Box::new(Numbers::new(sum, ranks))),
            Needs::Moments => Accumulator::Moments(Moments::default()),
            Needs::Values => Accumulator::Values(Sequence::default()),
        }
    }

    /// Adds the value of a row.
    pub(crate) fn insert(&mut self, at: &ScanKey, value: &Value) {
        match self {
            Accumulator::Count { rows, is_of_truthy } => *rows += i64::from(!*is_of_truthy || value.is_truthy()),
            Accumulator::Numbers(numbers) => numbers.insert(at, value),
            Accumulator::Moments(moments) => moments.insert(value),
            Accumulator::Values(values) => values.insert(at, value),
        }
    }

    /// Takes back the value of a row, which must be the one that it was added with.
    pub(crate) fn remove(&mut self, at: &ScanKey, value: &Value) {
        match self {
            Accumulator::Count { rows, is_of_truthy } => *rows -= i64::from(!*is_of_truthy || value.is_truthy()),
            Accumulator::Numbers(numbers) => numbers.remove(at, value),
            Accumulator::Moments(moments) => moments.remove(value),
            Accumulator::Values(values) => values.remove(at),
        }
    }

    /// What a function answers now, given its extra arguments. `folded` counts the values that it goes through.
    ///
    /// `NULL` where SurrealDB's function fails, as SurrealDB has it, and also where a sum is too large for a decimal:
    /// there SurrealDB has no answer at all.
    pub(crate) fn answer(
        &mut self,
        function: AggregateFunction,
        extra: &[Value],
        library: &dyn Library,
        folded: &mut u64,
    ) -> Value {
        match (self, function) {
            (Accumulator::Count { rows, .. }, _) => Value::Int(*rows),
            (Accumulator::Numbers(numbers), AggregateFunction::Mean) => numbers.mean(folded).unwrap_or(Value::Null),
            (Accumulator::Numbers(numbers), AggregateFunction::Min) => {
                numbers.least().unwrap_or(Value::Float(f64::INFINITY))
            }
            (Accumulator::Numbers(numbers), AggregateFunction::Max) => {
                numbers.greatest().unwrap_or(Value::Float(f64::NEG_INFINITY))
            }
            (Accumulator::Numbers(numbers), AggregateFunction::Median) => numbers.median(),
            (Accumulator::Numbers(numbers), _) => numbers.sum(folded).unwrap_or(Value::Null),
            (Accumulator::Moments(moments), AggregateFunction::TimeMin) => moments.first(),
            (Accumulator::Moments(moments), _) => moments.last(),
            (Accumulator::Values(values), AggregateFunction::Fold(fold)) => {
                library.fold(fold, &mut values.iter(folded), extra)
            }
            (Accumulator::Values(values), _) => values.iter(folded).cloned().collect(),
        }
    }
}

/// A number as a float, as SurrealDB converts it for a mean.
fn to_float(number: &Value) -> f64 {
    match number {
        Value::Int(number) => *number as f64,
        Value::Float(number) => *number,
        Value::Decimal(number) => f64::try_from(*number).unwrap_or_default(),
        _ => 0.0,
    }
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::Float(_) | Value::Decimal(_))
}
