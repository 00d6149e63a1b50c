//! SurrealDB's relational operators on two values.

use std::ops::Bound;

use super::{Range, Value};
use crate::expr::library::Library;

impl Value {
    /// SurrealDB's `=`: as `==`, and a string equals a regex that matches it.
    pub fn equal(&self, other: &Value, library: &dyn Library) -> bool {
        match (self, other) {
            (Value::String(text), Value::Regex(regex)) | (Value::Regex(regex), Value::String(text)) => {
                library.regex_matches(regex, text)
            }
            _ => self == other,
        }
    }

    /// `*=`: all items equal `other`; a value that is no list is its own only item.
    pub fn all_equal(&self, other: &Value, library: &dyn Library) -> bool {
        match self.as_list() {
            Some(items) => items.iter().all(|item| item.equal(other, library)),
            None => self.equal(other, library),
        }
    }

    /// `?=`: any item equals `other`; a value that is no list is its own only item.
    pub fn any_equal(&self, other: &Value, library: &dyn Library) -> bool {
        match self.as_list() {
            Some(items) => items.iter().any(|item| item.equal(other, library)),
            None => self.equal(other, library),
        }
    }

    /// `CONTAINS`: an item of a list, a part of a string, a key of an object, a point of a range or of a geometry.
    pub fn contains(&self, other: &Value, library: &dyn Library) -> bool {
        match (self, other) {
            (Value::Array(items), _) => items.iter().any(|item| item.equal(other, library)),
            (Value::Set(items), _) => items.binary_search(other).is_ok(),
            (Value::String(text), Value::String(part)) => text.contains(&**part),
            (Value::Uuid(uuid), Value::String(part)) => uuid.to_string().contains(&**part),
            (Value::Object(object), Value::String(name)) => object.get(name).is_some(),
            (Value::Geometry(outer), Value::Geometry(inner)) => library.geometry_contains(outer, inner),
            (Value::Range(range), _) => range.contains(other),
            _ => false,
        }
    }

    /// `CONTAINSALL`.
    pub fn contains_all(&self, other: &Value, library: &dyn Library) -> bool {
        match (self, other, other.as_list()) {
            (Value::String(_), _, Some(parts)) if are_strings(parts) => {
                parts.iter().all(|part| self.contains(part, library))
            }
            (_, _, Some(items)) => items.iter().all(|item| self.holds(item, library)),
            (Value::String(text), Value::String(part), None) => text.contains(&**part),
            _ => false,
        }
    }

    /// `CONTAINSANY`; its negation is `CONTAINSNONE`.
    pub fn contains_any(&self, other: &Value, library: &dyn Library) -> bool {
        match (self, other, other.as_list()) {
            (Value::String(_), _, Some(parts)) if are_strings(parts) => {
                parts.iter().any(|part| self.contains(part, library))
            }
            (_, _, Some(items)) => items.iter().any(|item| self.holds(item, library)),
            (Value::String(text), Value::String(part), None) => text.contains(&**part),
            _ => false,
        }
    }

    /// `INTERSECTS`; its negation is `OUTSIDE`.
    pub fn intersects(&self, other: &Value, library: &dyn Library) -> bool {
        match (self, other) {
            (Value::Geometry(a), Value::Geometry(b)) => library.geometry_intersects(a, b),
            _ => false,
        }
    }

    /// The items of an array or a set.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) | Value::Set(items) => Some(items),
            _ => None,
        }
    }

    /// Containment as the `ALL` and `ANY` operators see it: only lists and geometries hold anything.
    fn holds(&self, item: &Value, library: &dyn Library) -> bool {
        match self {
            Value::Array(own) | Value::Set(own) => own.iter().any(|own| item.equal(own, library)),
            Value::Geometry(_) => self.contains(item, library),
            _ => false,
        }
    }
}

impl Range {
    /// Whether the value lies between the bounds, by the total order across types.
    pub fn contains(&self, value: &Value) -> bool {
        let after_start = match &self.start {
            Bound::Unbounded => true,
            Bound::Included(start) => start <= value,
            Bound::Excluded(start) => start < value,
        };
        after_start
            && match &self.end {
                Bound::Unbounded => true,
                Bound::Included(end) => value <= end,
                Bound::Excluded(end) => value < end,
            }
    }
}

fn are_strings(values: &[Value]) -> bool {
    values.iter().all(|value| matches!(value, Value::String(_)))
}
