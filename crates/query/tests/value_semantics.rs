//! The circuit's own values and operators answer what SurrealDB's answer.
//!
//! The reference is SurrealDB's function library itself, called in this process.

mod common;

use std::hash::Hasher;

use circuit::value::{RoutingHash, identity, routing_hash};
use circuit::{Key, Operator, Value};
use common::{number, pair, value, vary};
use proptest::prelude::*;
use query::SurrealLibrary;
use query::convert::{from_surreal, to_surreal};
use surrealdb_expr::val::Value as Surreal;
use surrealdb_runtime::operate;

type Reference = fn(&Surreal, &Surreal) -> Surreal;

/// Every operator that compares, with SurrealDB's function for it.
fn operators() -> Vec<(Operator, Reference)> {
    macro_rules! reference {
        ($function:ident) => {
            |a, b| operate::$function(a, b).expect("comparisons do not fail")
        };
    }
    vec![
        (Operator::Equal, reference!(equal)),
        (Operator::NotEqual, reference!(not_equal)),
        (Operator::Exact, reference!(exact)),
        (Operator::AllEqual, reference!(all_equal)),
        (Operator::AnyEqual, reference!(any_equal)),
        (Operator::Less, reference!(less_than)),
        (Operator::LessOrEqual, reference!(less_than_or_equal)),
        (Operator::Greater, reference!(more_than)),
        (Operator::GreaterOrEqual, reference!(more_than_or_equal)),
        (Operator::Contains, reference!(contain)),
        (Operator::ContainsNot, reference!(not_contain)),
        (Operator::ContainsAll, reference!(contain_all)),
        (Operator::ContainsAny, reference!(contain_any)),
        (Operator::ContainsNone, reference!(contain_none)),
        (Operator::Inside, reference!(inside)),
        (Operator::NotInside, reference!(not_inside)),
        (Operator::AllInside, reference!(inside_all)),
        (Operator::AnyInside, reference!(inside_any)),
        (Operator::NoneInside, reference!(inside_none)),
        (Operator::Intersects, reference!(intersects)),
        (Operator::Outside, reference!(outside)),
    ]
}

fn surreal(value: &Value) -> Surreal {
    to_surreal(value).expect("generated values convert")
}

/// The bytes by which SurrealDB stores a number inside of a key, and the kind that follows them. It takes the zeros at the
/// end of a decimal away when the id is built.
fn stored(number: &Value) -> (Vec<u8>, u8) {
    let built = match number {
        Value::Decimal(number) => Value::Decimal(number.normalize()),
        other => other.clone(),
    };
    match (surreal(&built), number) {
        (Surreal::Number(stored), Value::Int(_)) => (stored.as_decimal_buf(), 0),
        (Surreal::Number(stored), Value::Float(_)) => (stored.as_decimal_buf(), 1),
        (Surreal::Number(stored), _) => (stored.as_decimal_buf(), 2),
        (other, _) => panic!("{other:?} is no number"),
    }
}

proptest! {
    #![proptest_config(common::config(8192))]

    /// Catches records that are read in another order than SurrealDB reads them, one record that is taken for two, and two
    /// that are taken for one.
    #[test]
    fn keys_are_told_apart_and_ordered_as_they_are_stored((a, b) in prop_oneof![
        (number(), number()),
        (number(), any::<u64>()).prop_map(|(number, seed)| (number.clone(), vary(&number, &mut seed.clone()))),
    ]) {
        let expected = stored(&a).cmp(&stored(&b));
        let key = |number: &Value| Key::Array([Value::from("x"), number.clone()].into());
        let (a, b) = (key(&a), key(&b));
        prop_assert_eq!(a.compare_stored(&b), expected, "{:?} and {:?}", a, b);
        prop_assert_eq!(a.is_identical(&b), expected.is_eq());
        let hash = |key: &Key| {
            let mut hasher = std::hash::DefaultHasher::new();
            key.hash_identity(&mut hasher);
            hasher.finish()
        };
        prop_assert!(expected.is_ne() || hash(&a) == hash(&b), "{:?} and {:?}", a, b);
    }

    /// Catches a conversion that loses a type or a bit.
    #[test]
    fn conversion_keeps_identity(value in value()) {
        let back = from_surreal(&surreal(&value)).expect("the value came from here");
        prop_assert!(identity::are_identical(&value, &back), "{value:?} came back as {back:?}");
    }

    /// Catches a difference in `ORDER BY`, ranges and sets.
    #[test]
    fn order_is_that_of_surrealdb((a, b) in pair()) {
        prop_assert_eq!(a.cmp(&b), surreal(&a).cmp(&surreal(&b)), "{:?} against {:?}", a, b);
    }

    /// Catches numbers that no sorted structure could hold: across floats and decimals the order is defined by
    /// approximation.
    #[test]
    fn order_is_transitive(a in number(), b in number(), seed in any::<u64>()) {
        let mut seed = seed;
        let values = [vary(&a, &mut seed), vary(&a, &mut seed), a, b];
        for (x, y, z) in (0..64).map(|triple| (&values[triple % 4], &values[triple / 4 % 4], &values[triple / 16])) {
            prop_assert!(!(x <= y && y <= z) || x <= z, "{:?} <= {:?} <= {:?}", x, y, z);
        }
    }

    /// Catches a difference in `WHERE`.
    #[test]
    fn operators_are_those_of_surrealdb((a, b) in pair()) {
        let (x, y) = (surreal(&a), surreal(&b));
        for (operator, reference) in operators() {
            let expected = reference(&x, &y);
            let actual = operator.compare(&a, &b, &SurrealLibrary);
            prop_assert_eq!(Surreal::Bool(actual), expected, "{:?} {:?} {:?}", &a, operator, &b);
        }
    }

    /// Catches a rewrite of `5 < a` to `a > 5` that changes the meaning.
    #[test]
    fn mirrored_operators_mean_the_same((a, b) in pair()) {
        for (operator, _) in operators() {
            if let Some(mirrored) = operator.mirrored() {
                let direct = operator.compare(&a, &b, &SurrealLibrary);
                let exchanged = mirrored.compare(&b, &a, &SurrealLibrary);
                prop_assert_eq!(direct, exchanged, "{:?} {:?} {:?}", &a, operator, &b);
            }
        }
    }

    /// Catches a value that counts as true on one side only.
    #[test]
    fn truthiness_is_that_of_surrealdb(value in value()) {
        prop_assert_eq!(value.is_truthy(), surreal(&value).is_truthy());
        prop_assert_eq!(value.is_nullish(), surreal(&value).is_nullish());
    }

    /// Catches a hash that keeps equal values apart: a view would silently miss rows.
    #[test]
    fn equal_values_route_alike((a, b) in pair()) {
        if let (RoutingHash::Key(x), RoutingHash::Key(y)) = (routing_hash(&a), routing_hash(&b))
            && (a.equal(&b, &SurrealLibrary) || a == b)
        {
            prop_assert_eq!(x, y, "{:?} equals {:?}", a, b);
        }
    }

    /// Catches an identity that is finer or coarser than its hash.
    #[test]
    fn identity_implies_equality_and_hash((a, b) in pair()) {
        use std::hash::{DefaultHasher, Hasher};
        let hash = |value: &Value| {
            let mut hasher = DefaultHasher::new();
            identity::hash_identity(value, &mut hasher);
            hasher.finish()
        };
        if identity::are_identical(&a, &b) {
            prop_assert_eq!(hash(&a), hash(&b));
        }
        prop_assert!(identity::are_identical(&a, &a.clone()));
        prop_assert_eq!(hash(&a), hash(&a.clone()));
    }

    /// Catches a set that keeps another one of several equal items than SurrealDB does.
    #[test]
    fn sets_keep_the_items_that_surrealdb_keeps(items in proptest::collection::vec(value(), 0..6)) {
        let expected: surrealdb_expr::val::Set = items.iter().map(surreal).collect();
        let expected = from_surreal(&Surreal::Set(expected)).expect("the items came from here");
        let actual = Value::set(items);
        prop_assert!(identity::are_identical(&actual, &expected), "{actual:?} against {expected:?}");
    }
}
