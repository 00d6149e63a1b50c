//! What is inside of a record's key, as SurrealDB stores it: when two keys are one, and in which order records are read.
//!
//! This is not the order of values. Numbers are stored by their exact decimal digits and then by their kind, so that
//! `t:[1]` and `t:[1.0]` are two records, and every `t:[1, ..]` is read before any `t:[1.0, ..]`. The sign of a zero, the
//! kind of a NaN and the zeros at the end of a decimal are not stored.

use std::cmp::Ordering;
use std::hash::Hasher;
use std::ops::Bound;

use rust_decimal::Decimal;

use super::digest::Bytes;
use super::number::Number;
use super::{Object, Range, Value, identity};

/// The order in which records with such keys are read; equal means the same record.
pub(super) fn compare(a: &Value, b: &Value) -> Ordering {
    if let (Some(a), Some(b)) = (a.as_number(), b.as_number()) {
        return compare_numbers(a, b);
    }
    match (a, b) {
        (Value::Array(a), Value::Array(b)) | (Value::Set(a), Value::Set(b)) => compare_lists(a, b),
        (Value::Object(a), Value::Object(b)) => compare_objects(a, b),
        (Value::RecordId(a), Value::RecordId(b)) => a.table.cmp(&b.table).then_with(|| a.key.compare_stored(&b.key)),
        (Value::Range(a), Value::Range(b)) => compare_ranges(a, b),
        _ => a.cmp(b).then_with(|| match identity::are_identical(a, b) {
            true => Ordering::Equal,
            false => bytes(a).as_slice().cmp(bytes(b).as_slice()),
        }),
    }
}

pub(super) fn compare_lists(a: &[Value], b: &[Value]) -> Ordering {
    let pairs = a.iter().zip(b).map(|(a, b)| compare(a, b));
    pairs.fold(Ordering::Equal, Ordering::then).then_with(|| a.len().cmp(&b.len()))
}

pub(super) fn compare_objects(a: &Object, b: &Object) -> Ordering {
    let pairs = a.iter().zip(b.iter()).map(|((a, x), (b, y))| a.cmp(b).then_with(|| compare(x, y)));
    pairs.fold(Ordering::Equal, Ordering::then).then_with(|| a.len().cmp(&b.len()))
}

pub(super) fn compare_ranges(a: &Range, b: &Range) -> Ordering {
    compare_bounds(&a.start, &b.start).then_with(|| compare_bounds(&a.end, &b.end))
}

fn compare_bounds(a: &Bound<Value>, b: &Bound<Value>) -> Ordering {
    let place = |bound: &Bound<Value>| match bound {
        Bound::Unbounded => 0,
        Bound::Included(_) => 1,
        Bound::Excluded(_) => 2,
    };
    match (a, b) {
        (Bound::Included(a), Bound::Included(b)) | (Bound::Excluded(a), Bound::Excluded(b)) => compare(a, b),
        _ => place(a).cmp(&place(b)),
    }
}

fn compare_numbers(a: Number, b: Number) -> Ordering {
    let exact = match (a, b) {
        (Number::Float(a), Number::Float(b)) => compare_floats(a, b),
        (Number::Float(float), Number::Decimal(decimal)) => compare_float_decimal(float, decimal),
        (Number::Decimal(decimal), Number::Float(float)) => compare_float_decimal(float, decimal).reverse(),
        (Number::Float(float), Number::Int(_)) if float.is_nan() => Ordering::Greater,
        (Number::Int(_), Number::Float(float)) if float.is_nan() => Ordering::Less,
        (a, b) => a.compare(b),
    };
    let kind = |number| match number {
        Number::Int(_) => 0,
        Number::Float(_) => 1,
        Number::Decimal(_) => 2,
    };
    exact.then_with(|| kind(a).cmp(&kind(b)))
}

/// Both zeros are one, and so are all that is no number, behind infinity.
fn compare_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

fn compare_float_decimal(float: f64, decimal: Decimal) -> Ordering {
    // No decimal is as great as this.
    const END: f64 = (1_u128 << 96) as f64;
    if float.is_nan() || float >= END {
        return Ordering::Greater;
    }
    if float <= -END {
        return Ordering::Less;
    }
    let (negative_float, negative) = (float < 0.0, decimal.is_sign_negative() && !decimal.is_zero());
    match (negative_float, negative) {
        (false, true) => Ordering::Greater,
        (true, false) => Ordering::Less,
        (true, true) => compare_magnitudes(-float, decimal.abs()).reverse(),
        (false, false) => compare_magnitudes(float.abs(), decimal.abs()),
    }
}

/// Of numbers that are not negative: whole parts first, then the fractions as fractions of whole numbers.
fn compare_magnitudes(float: f64, decimal: Decimal) -> Ordering {
    let whole = (float.trunc() as u128).cmp(&decimal.trunc().mantissa().unsigned_abs());
    if whole != Ordering::Equal {
        return whole;
    }
    let (fraction, rest) = (float.fract(), decimal.fract());
    match (fraction == 0.0, rest.is_zero()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Less,
        (false, true) => return Ordering::Greater,
        (false, false) => {}
    }
    // The fraction is `digits / 2^shift`, the rest `mantissa / 10^scale`.
    let bits = fraction.to_bits();
    let exponent = (bits >> 52) as u32;
    if exponent == 0 || 1075 - exponent > 147 {
        // Below every decimal but zero.
        return Ordering::Less;
    }
    let digits = u128::from(bits & ((1 << 52) - 1) | 1 << 52);
    let shift = 1075 - exponent;
    let scaled = multiplied(digits, 10_u128.pow(rest.scale()));
    scaled.cmp(&shifted(rest.mantissa().unsigned_abs(), shift))
}

/// The product as a high and a low half.
fn multiplied(a: u128, b: u128) -> (u128, u128) {
    const LOW: u128 = u64::MAX as u128;
    let (a1, a0, b1, b0) = (a >> 64, a & LOW, b >> 64, b & LOW);
    let low = a0 * b0;
    let middle = a1 * b0 + (low >> 64);
    let (middle, carry) = middle.overflowing_add(a0 * b1);
    let high = a1 * b1 + (middle >> 64) + (u128::from(carry) << 64);
    (high, middle << 64 | low & LOW)
}

/// A number below 2^94, times two to a power of at most 147, as a high and a low half.
fn shifted(number: u128, by: u32) -> (u128, u128) {
    match by {
        0 => (0, number),
        1..128 => (number >> (128 - by), number << by),
        _ => (number << (by - 128), 0),
    }
}

/// Feeds a part of a key to a hasher: equal for two parts that are the same.
pub(super) fn hash(value: &Value, hasher: &mut impl Hasher) {
    match value {
        Value::Float(number) if number.is_nan() => identity::hash_identity(&Value::Float(f64::NAN), hasher),
        Value::Float(0.0) => identity::hash_identity(&Value::Float(0.0), hasher),
        Value::Decimal(number) => {
            let number = if number.is_zero() { Decimal::ZERO } else { number.normalize() };
            identity::hash_identity(&Value::Decimal(number), hasher);
        }
        Value::Array(items) | Value::Set(items) => {
            hasher.write_u8(if matches!(value, Value::Set(_)) { 11 } else { 10 });
            hasher.write_u64(items.len() as u64);
            items.iter().for_each(|item| hash(item, hasher));
        }
        Value::Object(object) => {
            hasher.write_u8(12);
            hash_object(object, hasher);
        }
        Value::RecordId(id) => {
            hasher.write_u8(16);
            id.hash_identity(hasher);
        }
        Value::Range(range) => {
            hasher.write_u8(19);
            hash_range(range, hasher);
        }
        other => identity::hash_identity(other, hasher),
    }
}

pub(super) fn hash_range(range: &Range, hasher: &mut impl Hasher) {
    identity::hash_ends(range, hasher, hash);
}

pub(super) fn hash_object(object: &Object, hasher: &mut impl Hasher) {
    hasher.write_u64(object.len() as u64);
    for (name, value) in object.iter() {
        hasher.write_u64(name.len() as u64);
        hasher.write(name.as_bytes());
        hash(value, hasher);
    }
}

fn bytes(value: &Value) -> Bytes {
    let mut bytes = Bytes::default();
    hash(value, &mut bytes);
    bytes
}
