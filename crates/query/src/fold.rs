//! Aggregate functions that are computed over all values of a group, as SurrealDB's executor folds them.
//!
//! The executor keeps its accumulators to itself, so the loops are here; the arithmetic, the hash and the texts are
//! those of SurrealDB's values. The functions of the same names for arrays do something else: `array::distinct`
//! compares where the aggregate hashes, and `math::stddev` adds in another way.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use circuit::{Fold, Value};
use surrealdb_expr::val::{Number, TryAdd, TryMul, TrySub};
use surrealdb_runtime::util::math::vector::add_assign;

use crate::convert::to_surreal;

/// The answer over the values, in scan order; none where SurrealDB's function fails. O(n).
pub(crate) fn fold(fold: Fold, values: &mut dyn Iterator<Item = &Value>, extra: &[Value]) -> Option<Value> {
    match fold {
        Fold::StdDev => Some(from_number(Spread::of(values).deviation())),
        Fold::Variance => Some(from_number(Spread::of(values).variance())),
        Fold::Join => join(values, extra.first()),
        Fold::Distinct => distinct(values),
        Fold::VectorSum => vector_sum(values),
    }
}

/// The sums behind a sample variance. Differences from the first number are summed up, not the numbers: of large
/// numbers that lie close together, nothing would be left of the variance.
struct Spread {
    shift: Number,
    sum: Number,
    sum_of_squares: Number,
    count: i64,
}

impl Spread {
    fn of(values: &mut dyn Iterator<Item = &Value>) -> Spread {
        let zero = Number::Float(0.0);
        let mut spread = Spread { shift: zero, sum: zero, sum_of_squares: zero, count: 0 };
        values.filter_map(to_number).for_each(|number| spread.add(number));
        spread
    }

    /// Adds a number. As by SurrealDB, one whose difference or square overflows is left out; if it is the square, the
    /// sum of the differences has it all the same. (Under `GROUP ALL` SurrealDB leaves out what follows in the same
    /// batch of its scan, too; where its batches end is not known here.)
    fn add(&mut self, number: Number) {
        if self.count == 0 {
            self.shift = number;
        }
        let difference = match number.try_sub(self.shift) {
            Ok(Number::Int(difference)) => Number::Float(difference as f64),
            Ok(difference) => difference,
            Err(_overflow) => return,
        };
        let Ok(sum) = self.sum.try_add(difference) else {
            return;
        };
        self.sum = sum;
        let squares = difference.try_mul(difference).and_then(|square| self.sum_of_squares.try_add(square));
        let Ok(sum_of_squares) = squares else {
            return;
        };
        self.sum_of_squares = sum_of_squares;
        self.count += 1;
    }

    fn variance(&self) -> Number {
        match self.count {
            0 => Number::Float(f64::NAN),
            1 => Number::Float(0.0),
            count => {
                let mean = self.sum / Number::Int(count);
                (self.sum_of_squares - self.sum * mean) / Number::Int(count - 1)
            }
        }
    }

    /// The root of the variance. That of no spread at all is a float, whatever the numbers are.
    fn deviation(&self) -> Number {
        let variance = self.variance();
        if variance == Number::Float(0.0) { Number::Float(0.0) } else { variance.sqrt() }
    }
}

fn join(values: &mut dyn Iterator<Item = &Value>, separator: Option<&Value>) -> Option<Value> {
    let separator = match separator {
        Some(separator) => to_surreal(separator).ok()?.into_raw_string(),
        None => String::new(),
    };
    let mut texts = Vec::new();
    for value in values {
        texts.push(to_surreal(value).ok()?.into_raw_string());
    }
    Some(Value::String(texts.join(&separator).into()))
}

/// The first of all values with the same hash. SurrealDB's hash keeps some equal values apart, such as `0.1` and
/// `0.1dec`, and so does its answer.
fn distinct(values: &mut dyn Iterator<Item = &Value>) -> Option<Value> {
    let mut seen = HashSet::new();
    let mut distinct = Vec::new();
    for value in values {
        let mut hasher = DefaultHasher::new();
        to_surreal(value).ok()?.hash(&mut hasher);
        if seen.insert(hasher.finish()) {
            distinct.push(value.clone());
        }
    }
    Some(distinct.into_iter().collect())
}

/// The sum by component. `NONE` and `NULL` don't count; any other value that is no vector, or one of another length,
/// leaves the whole group without a sum.
fn vector_sum(values: &mut dyn Iterator<Item = &Value>) -> Option<Value> {
    let mut total: Option<Vec<Number>> = None;
    for value in values {
        if value.is_nullish() {
            continue;
        }
        let vector = to_surreal(value).ok()?.coerce_to::<Vec<Number>>().ok()?;
        match &mut total {
            Some(total) => add_assign("vector::sum", total, &vector).ok()?,
            None => total = Some(vector),
        }
    }
    Some(total.map_or(Value::None, |total| total.into_iter().map(from_number).collect()))
}

fn to_number(value: &Value) -> Option<Number> {
    match value {
        Value::Int(number) => Some(Number::Int(*number)),
        Value::Float(number) => Some(Number::Float(*number)),
        Value::Decimal(number) => Some(Number::Decimal(*number)),
        _ => None,
    }
}

fn from_number(number: Number) -> Value {
    match number {
        Number::Int(number) => Value::Int(number),
        Number::Float(number) => Value::Float(number),
        Number::Decimal(number) => Value::Decimal(number),
    }
}
