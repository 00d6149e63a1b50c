//! What the engine leaves to a library of functions that it does not know.

use std::fmt::Debug;

use crate::derived::aggregate::Fold;
use crate::value::{Geometry, Value};

/// Functions of SurrealDB that are not worth writing again: the crate that knows SurrealDB's own library implements
/// them.
///
/// They must be pure: the same arguments always give the same answer.
pub trait Library: Debug + Send + Sync {
    /// Whether the regular expression matches anywhere in the text.
    fn regex_matches(&self, regex: &str, text: &str) -> bool;

    /// Whether `outer` contains `inner`.
    fn geometry_contains(&self, outer: &Geometry, inner: &Geometry) -> bool;

    /// Whether both geometries have a point in common.
    fn geometry_intersects(&self, a: &Geometry, b: &Geometry) -> bool;

    /// The answer of an aggregate function over the values of a group, in scan order. `extra` are the arguments behind
    /// the first one. Where the function fails, `GROUP BY` shows `NULL`.
    fn fold(&self, fold: Fold, values: &mut dyn Iterator<Item = &Value>, extra: &[Value]) -> Value;
}
