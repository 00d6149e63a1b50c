//! Aggregate functions answer what SurrealDB's own code answers.
//!
//! The reference is SurrealDB's function library, called in this process. Where its functions for arrays differ from
//! the aggregates of the same name, the tests keep to what both have in common, and say so.

mod common;

use circuit::value::identity::are_identical;
use circuit::{AggregateFunction, Datetime, Value};
use common::{number, value};
use proptest::collection::vec;
use proptest::prelude::*;
use query::SurrealLibrary;
use query::convert::{from_surreal, to_surreal};
use rust_decimal::Decimal;
use surrealdb_expr::val::{Array, Number, Value as Surreal};
use surrealdb_runtime as runtime;

fn surreal(value: &Value) -> Surreal {
    to_surreal(value).expect("generated values convert")
}

fn array(values: &[Value]) -> Array {
    values.iter().map(surreal).collect()
}

fn numbers(values: &[Value]) -> Vec<Number> {
    let numbers = values.iter().map(surreal);
    numbers.filter_map(|value| if let Surreal::Number(number) = value { Some(number) } else { None }).collect()
}

fn aggregate(name: &str, values: &[Value], extra: &[Value]) -> Value {
    let function = AggregateFunction::named(name, 1 + extra.len()).expect("an aggregate function");
    function.evaluate(values, extra, &SurrealLibrary)
}

#[track_caller]
fn assert_answers(actual: &Value, expected: &Surreal) {
    let expected = from_surreal(expected).expect("the values came from here");
    assert!(are_identical(actual, &expected), "{actual:?} against {expected:?}");
}

/// Numbers that can be added up in any order without leaving the range of their types, where SurrealDB's own arithmetic
/// panics.
fn addend() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => (-1_000_000_000i64..1_000_000_000).prop_map(Value::Int),
        3 => (-1e9..1e9f64).prop_map(Value::Float),
        1 => proptest::sample::select(&[0.1, 0.2, -0.0, f64::NAN, f64::INFINITY, 1e300][..]).prop_map(Value::Float),
        3 => (-1_000_000_000i64..1_000_000_000, 0..=9u32).prop_map(|(digits, scale)| {
            Value::Decimal(Decimal::new(digits, scale))
        }),
    ]
}

/// A list of addends of one or of several kinds, and of one or of both signs, which are kept in different ways.
fn addends() -> impl Strategy<Value = Vec<Value>> {
    (vec(addend(), 0..12), 0..8u8, any::<bool>()).prop_map(|(mut values, kinds, is_positive)| {
        values.retain(|value| match value {
            Value::Int(_) => kinds & 1 == 0,
            Value::Float(_) => kinds & 2 == 0,
            _ => kinds & 4 == 0,
        });
        for value in &mut values {
            match value {
                Value::Int(number) if is_positive => *number = number.abs(),
                Value::Decimal(number) if is_positive => *number = number.abs(),
                _ => {}
            }
        }
        values
    })
}

fn datetime() -> impl Strategy<Value = Value> {
    (-5..5i64, 0..3u32).prop_map(|(seconds, nanos)| Value::Datetime(Datetime { seconds, nanos }))
}

fn is_close(a: f64, b: f64) -> bool {
    (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

proptest! {
    #![proptest_config(common::config(4096))]

    /// Catches a sum of another type, scale or rounding. SurrealDB's array function folds like its aggregate.
    #[test]
    fn sums_are_those_of_surrealdb(values in addends()) {
        let expected = runtime::math::sum((numbers(&values),)).expect("a sum");
        assert_answers(&aggregate("math::sum", &values, &[]), &expected);
    }

    /// Catches a mean that is no float, or is divided by something else. The array function starts from a float and
    /// keeps decimals, so it rounds differently.
    #[test]
    fn means_are_about_those_of_surrealdb(values in addends()) {
        let expected = match runtime::math::mean((numbers(&values),)).expect("a mean") {
            Surreal::Number(number) => number.to_float(),
            other => panic!("{other:?} is no number"),
        };
        let Value::Float(actual) = aggregate("math::mean", &values, &[]) else {
            panic!("a mean is a float");
        };
        let is_cancelled = values.iter().any(|value| *value < Value::Int(0));
        prop_assert!(is_close(actual, expected) || is_cancelled, "{actual} against {expected}");
    }

    /// Catches another order of numbers, and other answers over none. Of equal numbers the array function takes any,
    /// the aggregate the first.
    #[test]
    fn extremes_are_those_of_surrealdb(values in vec(number(), 0..8)) {
        for (name, reference) in [
            ("math::min", runtime::math::min((numbers(&values),))),
            ("math::max", runtime::math::max((numbers(&values),))),
        ] {
            let actual = aggregate(name, &values, &[]);
            prop_assert_eq!(&surreal(&actual), &reference.expect("a number"));
            let first = values.iter().find(|value| **value == actual);
            prop_assert!(first.is_none_or(|first| are_identical(first, &actual)), "{:?} is not the first", actual);
        }
    }

    /// Catches a median of the wrong place. The array function answers it as a float always.
    #[test]
    fn medians_are_those_of_surrealdb(values in vec(number(), 0..8)) {
        let actual = aggregate("math::median", &values, &[]);
        match runtime::math::median((numbers(&values),)).expect("a median") {
            Surreal::Number(expected) => {
                let (actual, expected) = (numbers(&[actual])[0].to_float(), expected.to_float());
                // The sign of the mean of two NaN is that of whichever operand the compiler puts first.
                prop_assert!(actual == expected || actual.is_nan() && expected.is_nan());
            }
            expected => assert_answers(&actual, &expected),
        }
    }

    /// Catches another order of datetimes, and other answers over none.
    #[test]
    fn moments_are_those_of_surrealdb(values in vec(datetime(), 0..6)) {
        let datetimes = || values.iter().map(|value| match surreal(value) {
            Surreal::Datetime(moment) => moment,
            other => panic!("{other:?} is no datetime"),
        });
        let expected = runtime::time::min((datetimes().collect(),)).expect("a datetime");
        assert_answers(&aggregate("time::min", &values, &[]), &expected);
        let expected = runtime::time::max((datetimes().collect(),)).expect("a datetime");
        assert_answers(&aggregate("time::max", &values, &[]), &expected);
    }

    /// Catches a value that counts as true on one side only.
    #[test]
    fn counts_are_those_of_surrealdb(values in vec(value(), 0..6)) {
        let list = Surreal::Array(array(&values));
        let expected = runtime::count::count((runtime::args::Optional(Some(list)),)).expect("a count");
        assert_answers(&aggregate("count", &values, &[]), &expected);
    }

    /// Catches a value that is written in another way.
    #[test]
    fn joined_texts_are_those_of_surrealdb(values in vec(value(), 0..6), separator in value()) {
        let text = surreal(&separator).into_raw_string();
        let expected = runtime::array::join((array(&values), text)).expect("a text");
        assert_answers(&aggregate("array::join", &values, &[separator]), &expected);
    }

    /// Catches values that are taken for the same, or out of order. The array function compares where the aggregate
    /// hashes; on these values both agree.
    #[test]
    fn distinct_values_are_those_of_surrealdb(values in vec(value(), 0..8)) {
        let values: Vec<Value> = values.into_iter().filter(|value| surreal(value).hash_agrees_with_eq()).collect();
        let expected = runtime::array::distinct((array(&values),)).expect("a list");
        assert_answers(&aggregate("array::distinct", &values, &[]), &expected);
    }

    /// Catches a sum by the wrong component, and one of vectors that don't fit.
    #[test]
    fn vector_sums_are_those_of_surrealdb(vectors in vec(vec(addend(), 0..3), 0..4)) {
        let lists: Vec<Value> = vectors.iter().map(|vector| Value::from_iter(vector.clone())).collect();
        let vectors = vectors.iter().map(|vector| numbers(vector)).collect();
        let expected = runtime::vector::sum((vectors,)).unwrap_or(Surreal::Null);
        assert_answers(&aggregate("vector::sum", &lists, &[]), &expected);
    }

    /// Catches a wrong formula. The array function subtracts the mean, the aggregate the first number; both are the
    /// same but for rounding.
    #[test]
    fn spreads_are_about_those_of_surrealdb(values in vec(-1000..1000i64, 0..8)) {
        let values: Vec<Value> = values.into_iter().map(Value::Int).collect();
        for (name, reference) in [
            ("math::variance", runtime::math::variance((numbers(&values),))),
            ("math::stddev", runtime::math::stddev((numbers(&values),))),
        ] {
            let expected = numbers(&[from_surreal(&reference.expect("a number")).expect("a number")])[0].to_float();
            let Value::Float(actual) = aggregate(name, &values, &[]) else {
                panic!("integers spread by a float");
            };
            prop_assert!(is_close(actual, expected), "{name}: {actual} against {expected}");
        }
    }
}

fn decimals<const N: usize>(texts: [&str; N]) -> [Value; N] {
    texts.map(|text| Value::Decimal(text.parse().expect("a decimal")))
}

/// Catches the types of answers that no array function has. Expected are the answers of a server, version 3.3.5, to
/// `SELECT math::variance(x), math::stddev(x) FROM t GROUP ALL`.
#[test]
fn spreads_have_the_types_of_a_server() {
    let cases = [
        (vec![], Value::Float(f64::NAN), Value::Float(f64::NAN)),
        (vec![Value::Int(5)], Value::Float(0.0), Value::Float(0.0)),
        (vec![Value::from("a"), Value::Int(1), Value::Int(4)], Value::Float(4.5), Value::Float(4.5f64.sqrt())),
    ];
    for (values, variance, deviation) in cases {
        let actual = [aggregate("math::variance", &values, &[]), aggregate("math::stddev", &values, &[])];
        assert!(are_identical(&actual[0], &variance), "variance of {values:?}: {actual:?}");
        assert!(are_identical(&actual[1], &deviation), "deviation of {values:?}: {actual:?}");
    }
    let equal = [Value::Int(1), Value::Float(1.0), Value::Decimal(Decimal::ONE)];
    assert!(matches!(aggregate("math::variance", &equal, &[]), Value::Decimal(variance) if variance.is_zero()));
    assert!(are_identical(&aggregate("math::stddev", &equal, &[]), &Value::Float(0.0)));
}

/// Catches a number that outgrows its type and ends the engine with a panic of SurrealDB's arithmetic, or that spoils
/// the answer for the others.
#[test]
fn numbers_that_outgrow_their_type_are_contained() {
    let huge = decimals(["79228162514264337593543950335", "79228162514264337593543950335"]);
    assert!(matches!(aggregate("math::sum", &huge, &[]), Value::Null));
    assert!(matches!(aggregate("math::mean", &huge, &[]), Value::Null));
    let vectors = huge.map(|number| Value::from_iter([number]));
    assert!(matches!(aggregate("vector::sum", &vectors, &[]), Value::Null));

    // The difference of the second from the first is no 64-bit integer, so it is left out.
    let far_apart = [i64::MAX, -2, i64::MAX - 2].map(Value::Int);
    assert!(are_identical(&aggregate("math::variance", &far_apart, &[]), &Value::Float(2.0)));
    assert!(are_identical(&aggregate("math::sum", &far_apart[..2], &[]), &Value::Int(i64::MAX - 2)));
}

/// Catches a vector of another length, and a value that is none, that is passed over in silence. Checked against a
/// server.
#[test]
fn vectors_that_do_not_fit_leave_no_sum() {
    let vector = |numbers: &[i64]| numbers.iter().copied().map(Value::Int).collect::<Value>();
    let sparse = [Value::None, vector(&[1, 2]), Value::Null, vector(&[3, 4])];
    assert!(are_identical(&aggregate("vector::sum", &sparse, &[]), &vector(&[4, 6])));
    for wrong in [vector(&[1]), Value::from("a"), Value::set([Value::Int(1), Value::Int(2)])] {
        assert!(matches!(aggregate("vector::sum", &[vector(&[1, 2]), wrong], &[]), Value::Null));
    }
}
