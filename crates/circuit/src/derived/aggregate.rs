//! Aggregate functions: what `GROUP BY` computes over the rows of a group.
//!
//! SurrealDB folds the values of a group in scan order. An [`Accumulator`] answers exactly what that fold would, and in
//! addition takes values back. What that costs depends on the function:
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

mod moments;
mod ranking;
mod sequence;
mod total;

use std::sync::Arc;

use moments::Moments;
use ranking::Ranking;
use sequence::Sequence;
use total::Total;

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
        let mut accumulator = Accumulator::new(self);
        for (number, value) in (0..).zip(values) {
            let id = Arc::new(RecordId::new("", Key::Int(number)));
            accumulator.insert(&ScanKey { place: None, id }, value);
        }
        accumulator.answer(extra, library, &mut 0)
    }
}

/// The state of one aggregate function over the rows of one group.
#[derive(Debug)]
pub(crate) enum Accumulator {
    Count(i64),
    CountTruthy(i64),
    Sum(Box<Total>),
    Mean(Box<Total>),
    Min(Ranking),
    Max(Ranking),
    Median(Ranking),
    TimeMin(Moments),
    TimeMax(Moments),
    Group(Sequence),
    Fold(Fold, Sequence),
}

impl Accumulator {
    /// The state of a group without rows.
    pub(crate) fn new(function: AggregateFunction) -> Self {
        match function {
            AggregateFunction::Count => Accumulator::Count(0),
            AggregateFunction::CountTruthy => Accumulator::CountTruthy(0),
            AggregateFunction::Sum => Accumulator::Sum(Box::default()),
            AggregateFunction::Mean => Accumulator::Mean(Box::default()),
            AggregateFunction::Min => Accumulator::Min(Ranking::ascending()),
            AggregateFunction::Max => Accumulator::Max(Ranking::descending()),
            AggregateFunction::Median => Accumulator::Median(Ranking::ascending()),
            AggregateFunction::TimeMin => Accumulator::TimeMin(Moments::default()),
            AggregateFunction::TimeMax => Accumulator::TimeMax(Moments::default()),
            AggregateFunction::Group => Accumulator::Group(Sequence::default()),
            AggregateFunction::Fold(fold) => Accumulator::Fold(fold, Sequence::default()),
        }
    }

    /// Adds the value of a row.
    pub(crate) fn insert(&mut self, at: &ScanKey, value: &Value) {
        match self {
            Accumulator::Count(rows) => *rows += 1,
            Accumulator::CountTruthy(rows) => *rows += i64::from(value.is_truthy()),
            Accumulator::Sum(total) | Accumulator::Mean(total) => total.insert(at, value),
            Accumulator::Min(numbers) | Accumulator::Max(numbers) | Accumulator::Median(numbers) => {
                numbers.insert(at, value);
            }
            Accumulator::TimeMin(moments) | Accumulator::TimeMax(moments) => moments.insert(value),
            Accumulator::Group(values) | Accumulator::Fold(_, values) => values.insert(at, value),
        }
    }

    /// Takes back the value of a row, which must be the one that it was added with.
    pub(crate) fn remove(&mut self, at: &ScanKey, value: &Value) {
        match self {
            Accumulator::Count(rows) => *rows -= 1,
            Accumulator::CountTruthy(rows) => *rows -= i64::from(value.is_truthy()),
            Accumulator::Sum(total) | Accumulator::Mean(total) => total.remove(at),
            Accumulator::Min(numbers) | Accumulator::Max(numbers) | Accumulator::Median(numbers) => {
                numbers.remove(at, value);
            }
            Accumulator::TimeMin(moments) | Accumulator::TimeMax(moments) => moments.remove(value),
            Accumulator::Group(values) | Accumulator::Fold(_, values) => values.remove(at),
        }
    }

    /// What the function answers now, given its extra arguments. `folded` counts the values that it goes through.
    ///
    /// `NULL` where SurrealDB's function fails, as SurrealDB has it, and also where a sum is too large for a decimal:
    /// there SurrealDB has no answer at all.
    pub(crate) fn answer(&self, extra: &[Value], library: &dyn Library, folded: &mut u64) -> Value {
        match self {
            Accumulator::Count(rows) | Accumulator::CountTruthy(rows) => Value::Int(*rows),
            Accumulator::Sum(total) => total.sum(folded).unwrap_or(Value::Null),
            Accumulator::Mean(total) => total.mean(folded).unwrap_or(Value::Null),
            Accumulator::Min(numbers) => numbers.first().unwrap_or(Value::Float(f64::INFINITY)),
            Accumulator::Max(numbers) => numbers.first().unwrap_or(Value::Float(f64::NEG_INFINITY)),
            Accumulator::Median(numbers) => numbers.median(),
            Accumulator::TimeMin(moments) => moments.first(),
            Accumulator::TimeMax(moments) => moments.last(),
            Accumulator::Group(values) => values.iter(folded).cloned().collect(),
            Accumulator::Fold(fold, values) => library.fold(*fold, &mut values.iter(folded), extra),
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
