//! Comparison of numbers across `int`, `float` and `decimal`, as SurrealDB defines it.

use std::cmp::Ordering;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::Value;

/// A borrowed number of any of the three kinds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
    Decimal(Decimal),
}

/// Digits of a fraction that are compared at a time: close to 2^53, and such that repeated multiplication of an `f64`
/// fraction ends at zero. The constant decides which floats equal which decimals, so it is SurrealDB's own.
const FRACTION_STEP: i64 = 9_007_199_254_740_000;

/// Steps after which two fractions that still agree count as equal; again SurrealDB's own bound.
const FRACTION_STEPS: usize = 12;

impl Value {
    /// The number as a position in a list: a whole number from 0 on, of any of the three kinds.
    pub(crate) fn as_index(&self) -> Option<usize> {
        usize::try_from(self.as_whole()?).ok()
    }

    /// The number, if it is a whole one.
    pub(crate) fn as_whole(&self) -> Option<i64> {
        // The end of the range of `i64`, which itself is not in it.
        const END: f64 = -(i64::MIN as f64);
        match self {
            Value::Int(number) => Some(*number),
            Value::Float(number) if number.fract() == 0.0 && *number >= i64::MIN as f64 && *number < END => {
                Some(*number as i64)
            }
            Value::Decimal(number) if number.fract().is_zero() => number.to_i64(),
            _ => None,
        }
    }

    /// The number without its fraction; the nearest `i64` of a float, and zero for a decimal that is too large.
    pub(crate) fn truncated(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            Value::Float(number) => Some(*number as i64),
            Value::Decimal(number) => Some(number.to_i64().unwrap_or_default()),
            _ => None,
        }
    }

    /// The digits of a number, by which it names a field of an object.
    pub(crate) fn number_text(&self) -> Option<String> {
        match self {
            Value::Int(number) => Some(number.to_string()),
            Value::Float(number) => Some(number.to_string()),
            Value::Decimal(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

impl Number {
    pub(super) fn compare(self, other: Number) -> Ordering {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => a.cmp(&b),
            (Number::Float(a), Number::Float(b)) => compare_floats(a, b),
            (Number::Decimal(a), Number::Decimal(b)) => a.cmp(&b),
            (Number::Int(a), Number::Decimal(b)) => Decimal::from(a).cmp(&b),
            (Number::Decimal(a), Number::Int(b)) => a.cmp(&Decimal::from(b)),
            (Number::Int(a), Number::Float(b)) => compare_int_float(a, b),
            (Number::Float(a), Number::Int(b)) => compare_int_float(b, a).reverse(),
            (Number::Float(a), Number::Decimal(b)) => compare_float_decimal(a, b),
            (Number::Decimal(a), Number::Float(b)) => compare_float_decimal(b, a).reverse(),
        }
    }

    /// Two integers that are the same for all numbers which compare as equal: the integral part, and the leading digits
    /// of the fraction in the same steps in which [`compare`](Number::compare) looks at them. Equality between floats
    /// and decimals is approximate, so no canonical number exists; these digits are what every equal pair agrees on.
    pub(super) fn leading_digits(self) -> (i128, i64) {
        match self {
            Number::Int(int) => (int as i128, 0),
            Number::Float(float) if float.is_finite() => {
                let digits = (float.fract() * FRACTION_STEP as f64) as i64;
                (float as i128, digits)
            }
            Number::Float(float) => (i128::MAX, float.to_bits() as i64),
            Number::Decimal(decimal) => {
                let digits = decimal.fract() * Decimal::new(FRACTION_STEP, 0);
                (decimal.trunc().to_i128().unwrap_or(i128::MAX), digits.to_i64().unwrap_or(i64::MAX))
            }
        }
    }
}

/// IEEE total order, except that both zeros are the same.
fn compare_floats(a: f64, b: f64) -> Ordering {
    if a == 0.0 && b == 0.0 { Ordering::Equal } else { a.total_cmp(&b) }
}

fn compare_int_float(int: i64, float: f64) -> Ordering {
    if !float.is_finite() {
        return sign_of(float).reverse();
    }
    (int as i128).cmp(&(float as i128)).then_with(|| compare_floats(0.0, float.fract()))
}

fn compare_float_decimal(float: f64, decimal: Decimal) -> Ordering {
    if !float.is_finite() {
        return sign_of(float);
    }
    let Some(integral) = decimal.trunc().to_i128() else {
        return decimal_sign(decimal).reverse();
    };
    let ordering = (float as i128).cmp(&integral);
    if ordering != Ordering::Equal {
        return ordering;
    }
    let mut a = float.fract();
    let mut b = decimal.fract();
    for _ in 0..FRACTION_STEPS {
        a *= FRACTION_STEP as f64;
        b *= Decimal::new(FRACTION_STEP, 0);
        let Some(digits) = b.to_i64() else {
            return decimal_sign(decimal).reverse();
        };
        match (a as i64).cmp(&digits) {
            Ordering::Equal => {}
            ordering => return ordering,
        }
        a = a.fract();
        b = b.fract();
        match (a == 0.0, b.is_zero()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return decimal_sign(b).reverse(),
            (false, true) => return sign_of(a),
            (false, false) => {}
        }
    }
    Ordering::Equal
}

fn sign_of(float: f64) -> Ordering {
    if float.is_sign_positive() { Ordering::Greater } else { Ordering::Less }
}

fn decimal_sign(decimal: Decimal) -> Ordering {
    if decimal.is_sign_positive() { Ordering::Greater } else { Ordering::Less }
}
