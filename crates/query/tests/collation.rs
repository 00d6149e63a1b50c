//! Texts are ordered under `COLLATE` and `NUMERIC` as SurrealDB orders them.
//!
//! The reference is SurrealDB's own comparison, called in this process.

mod common;

use circuit::Value;
use circuit::value::collation::compare_collated;
use common::value;
use proptest::prelude::*;
use query::convert::to_surreal;
use surrealdb_expr::val::Value as Surreal;

fn surreal(value: &Value) -> Surreal {
    to_surreal(value).expect("generated values convert")
}

/// Texts that differ in accents, case, punctuation or digits only.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[aAbBäÄßéE ._-]{0,4}", "[a0-9]{0,5}", "[ab-]?0{0,2}[0-9]{0,4}[.]?[0-9]{0,2}", "\\PC{0,4}"]
}

proptest! {
    #![proptest_config(common::config(4096))]

    /// Catches a difference in `ORDER BY … COLLATE NUMERIC`.
    #[test]
    fn collated_order_is_that_of_surrealdb(a in text(), b in text(), other in value()) {
        let (a, b) = (Value::from(a.as_str()), Value::from(b.as_str()));
        for (a, b) in [(&a, &b), (&a, &other), (&other, &b)] {
            for (collate, numeric) in [(false, false), (false, true), (true, false), (true, true)] {
                let expected = surreal(a).compare(&surreal(b), &[], collate, numeric);
                prop_assert_eq!(Some(compare_collated(a, b, collate, numeric)), expected, "{:?} against {:?}", a, b);
            }
        }
    }

    /// Catches a collated order that no sorted structure could hold.
    #[test]
    fn collated_order_is_transitive(texts in [text(), text(), text()]) {
        let [a, b, c] = texts.map(|text| Value::from(text.as_str()));
        for (collate, numeric) in [(false, true), (true, false), (true, true)] {
            let is_less = |a, b| compare_collated(a, b, collate, numeric).is_lt();
            prop_assert!(!(is_less(&a, &b) && is_less(&b, &c)) || is_less(&a, &c), "{:?} {:?} {:?}", a, b, c);
        }
    }
}
