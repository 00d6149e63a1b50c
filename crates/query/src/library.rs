//! SurrealDB's own functions, for the circuit.

use std::panic::{AssertUnwindSafe, catch_unwind};

use circuit::{Fold, Geometry, Library, Value};
use surrealdb_expr::val::regex::regex_new;

use crate::convert::geometry_to_surreal;
use crate::fold;

/// The functions that the circuit leaves to SurrealDB's library: regular expressions, geometry, and aggregates that are
/// computed over all values.
///
/// Regular expressions are compiled once, within SurrealDB's size limit, and kept in its cache.
#[derive(Clone, Copy, Debug, Default)]
pub struct SurrealLibrary;

impl Library for SurrealLibrary {
    /// A regular expression that does not compile matches nothing; SurrealDB does not store such a value.
    fn regex_matches(&self, regex: &str, text: &str) -> bool {
        regex_new(regex).is_ok_and(|regex| regex.is_match(text))
    }

    fn geometry_contains(&self, outer: &Geometry, inner: &Geometry) -> bool {
        holds(|| geometry_to_surreal(outer).contains(&geometry_to_surreal(inner)))
    }

    fn geometry_intersects(&self, a: &Geometry, b: &Geometry) -> bool {
        holds(|| geometry_to_surreal(a).intersects(&geometry_to_surreal(b)))
    }

    /// `NULL` also where SurrealDB's arithmetic panics, because a number outgrew a decimal.
    fn fold(&self, fold: Fold, values: &mut dyn Iterator<Item = &Value>, extra: &[Value]) -> Value {
        let answer = catch_unwind(AssertUnwindSafe(|| fold::fold(fold, values, extra)));
        answer.ok().flatten().unwrap_or(Value::Null)
    }
}

/// Geometry algorithms have assertions that a degenerate shape, such as an empty line, can break. SurrealDB has no
/// answer for such a row either; it must not end the engine that evaluates it.
fn holds(relation: impl FnOnce() -> bool) -> bool {
    catch_unwind(AssertUnwindSafe(relation)).unwrap_or(false)
}
