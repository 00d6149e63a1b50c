//! When two answers are the same.

use circuit::value::identity::are_identical;
use circuit::{Object, Value};

/// Whether the order of an answer is part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// SurrealDB's order is defined: by the query, or by the scan.
    Exact,
    /// An index decides in which order SurrealDB meets the rows, so lists are compared as bags, at any depth.
    Any,
}

/// Whether both are the same, in type and bits.
pub fn are_same(expected: &Value, got: &Value, sequence: Sequence) -> bool {
    are_identical(&canonical(expected, sequence), &canonical(got, sequence))
}

/// One form for what may differ: which NaN it is, the sign of zero, and the order where it does not count.
///
/// The sign of zero is lost on the way from SurrealDB to any client: a float with the default value of its type is not
/// sent, and the text of a decimal is read without it.
fn canonical(value: &Value, sequence: Sequence) -> Value {
    match value {
        Value::Float(number) if number.is_nan() => Value::Float(f64::NAN),
        Value::Float(0.0) => Value::Float(0.0),
        Value::Decimal(number) if number.is_zero() => Value::Decimal(number.abs()),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(|item| canonical(item, sequence)).collect();
            if sequence == Sequence::Any {
                // By the text, because `1` and `1.0` are equal and would stay in any order.
                items.sort_by_cached_key(|item| format!("{item:?}"));
            }
            Value::Array(items.into())
        }
        Value::Object(object) => {
            let fields = object.iter().map(|(name, value)| (name.clone(), canonical(value, sequence)));
            Value::from(fields.collect::<Object>())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_count_and_order_only_where_it_is_defined() {
        let list = |items: &[Value]| items.iter().cloned().collect::<Value>();
        let (one, float) = (Value::Int(1), Value::Float(1.0));
        assert!(!are_same(&one, &float, Sequence::Any));
        let (a, b) = (list(&[one.clone(), float.clone()]), list(&[float, one]));
        assert!(!are_same(&a, &b, Sequence::Exact));
        assert!(are_same(&a, &b, Sequence::Any));
        assert!(are_same(&Value::Float(f64::NAN), &Value::Float(-f64::NAN), Sequence::Exact));
        assert!(are_same(&Value::Float(0.0), &Value::Float(-0.0), Sequence::Exact));
    }
}
