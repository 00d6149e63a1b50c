//! Sums and means.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::to_float;
use crate::value::Value;

/// The sum of the numbers of a group, as far as it does not depend on their order.
///
/// SurrealDB adds them in scan order, and where a sum is rounded the order shows in its last digits. So they are added
/// again for each answer, unless it is certain that no order gives anything else:
///
/// - `int`s alone wrap around at 64 bits, in any order to the same sum;
/// - with `decimal`s, if all numbers have the same sign and their sum has place at the finest scale, then no sum on the
///   way was rounded, overflowed, or lost its scale by being zero.
///
/// Such a sum is kept as integers, from which numbers can be subtracted again.
#[derive(Debug, Default)]
pub(super) struct Total {
    numbers: i64,
    /// The sum of the `int`s.
    ints: i128,
    /// How many `decimal`s of each scale there are, without the zeros, and the sum of their digits. 2^31 of them have
    /// place.
    scales: BTreeMap<u32, (i64, i128)>,
    floats: i64,
    decimals: i64,
    /// How many `int`s and `decimal`s are above zero.
    positives: i64,
    /// How many are below zero.
    negatives: i64,
}

impl Total {
    /// How many numbers there are.
    pub(super) fn numbers(&self) -> i64 {
        self.numbers
    }

    /// Adds a number so many times, or takes it back. O(1).
    pub(super) fn count(&mut self, number: &Value, times: i64) {
        self.numbers += times;
        let sign = match number {
            Value::Int(number) => {
                self.ints += i128::from(*number) * i128::from(times);
                number.signum()
            }
            Value::Decimal(number) => {
                self.decimals += times;
                if number.is_zero() {
                    return;
                }
                let (rows, digits) = self.scales.entry(number.scale()).or_default();
                *rows += times;
                *digits += number.mantissa() * i128::from(times);
                if *rows == 0 {
                    self.scales.remove(&number.scale());
                }
                number.mantissa().signum() as i64
            }
            _ => {
                self.floats += times;
                return;
            }
        };
        match sign {
            1 => self.positives += times,
            -1 => self.negatives += times,
            _ => {}
        }
    }

    /// The sum, if every order of adding gives the same one. O(1).
    pub(super) fn in_any_order(&self) -> Option<Value> {
        if self.floats > 0 {
            return None;
        }
        if self.decimals == 0 {
            return Some(Value::Int(self.ints as i64));
        }
        let have_one_sign = (self.positives > 0) != (self.negatives > 0);
        if !have_one_sign || i64::try_from(self.ints).is_err() {
            return None;
        }
        let finest = self.scales.last_key_value().map_or(0, |(scale, _)| *scale);
        let mut digits = rescale(self.ints, finest)?;
        for (scale, (_, sum)) in &self.scales {
            digits = digits.checked_add(rescale(*sum, finest - scale)?)?;
        }
        Decimal::try_from_i128_with_scale(digits, finest).ok().map(Value::Decimal)
    }
}

/// The sum of numbers that are added one after the other, or none if it is too large for a decimal. O(n).
pub(super) fn in_order<'a>(mut numbers: impl Iterator<Item = &'a Value>) -> Option<Value> {
    numbers.try_fold(Value::Int(0), |sum, number| add(&sum, number))
}

fn rescale(digits: i128, places: u32) -> Option<i128> {
    digits.checked_mul(10i128.checked_pow(places)?)
}

/// SurrealDB's `+` inside its aggregates: integers wrap around, and a decimal makes a decimal of a float.
fn add(a: &Value, b: &Value) -> Option<Value> {
    Some(match (a, b) {
        (Value::Int(a), Value::Int(b)) => Value::Int(a.wrapping_add(*b)),
        (Value::Decimal(_), _) | (_, Value::Decimal(_)) => Value::Decimal(to_decimal(a).checked_add(to_decimal(b))?),
        _ => Value::Float(to_float(a) + to_float(b)),
    })
}

/// A number as a decimal. SurrealDB takes a float that no decimal can stand for as zero.
fn to_decimal(number: &Value) -> Decimal {
    match number {
        Value::Int(number) => Decimal::from(*number),
        Value::Float(number) => Decimal::try_from(*number).unwrap_or_default(),
        Value::Decimal(number) => *number,
        _ => Decimal::ZERO,
    }
}
