//! The order of texts under `COLLATE` and `NUMERIC`.

use std::cmp::Ordering;

use super::Value;

/// Compares two values of an order key as SurrealDB's sort does, given whether the key is marked `COLLATE` and
/// `NUMERIC`.
///
/// `COLLATE` compares texts by their closest ASCII characters, without regard to case and with punctuation first;
/// `NUMERIC` compares runs of digits by their length, then as numbers. Both concern only two texts: values of any other
/// types, and texts inside of lists and objects, compare by [`Ord`].
///
/// The comparison is that of the crate `lexicmp`, as in SurrealDB. It counts runs of digits in 64 bits: a longer run
/// wraps around, and panics where overflow is checked, in SurrealDB as well as here.
pub fn compare_collated(a: &Value, b: &Value, collate: bool, numeric: bool) -> Ordering {
    let (Value::String(text), Value::String(other)) = (a, b) else {
        return a.cmp(b);
    };
    match (collate, numeric) {
        (true, true) => lexicmp::natural_lexical_cmp(text, other),
        (true, false) => lexicmp::lexical_cmp(text, other),
        (false, true) => lexicmp::natural_cmp(text, other),
        (false, false) => text.cmp(other),
    }
}
