//! Reading a table from a key on, at the same cost wherever that key is.
//!
//! This is not what the obvious statements do in SurrealDB 3.3.5: `WHERE id > $last LIMIT n` walks over the whole table
//! up to the key (0.7 µs a row), and `FROM $range LIMIT n` reads the whole rest of it (5 µs a row) before it applies
//! the limit. Only a range that the planner can't resolve ahead, as the result of a function of fields, is read from
//! its first key up to the limit.

use std::ops::Bound;

use surrealdb::types as sdk;
use surrealdb::types::Variables;

/// What to select from, once [`bind`] has said what it is.
pub(crate) const SOURCE: &str = "type::record($scan.table, $scan.keys)";

/// Lets [`SOURCE`] be the records of a table with keys in a range.
pub(crate) fn bind(variables: &mut Variables, table: &str, start: Bound<sdk::Value>, end: Bound<sdk::Value>) {
    let mut scan = sdk::Object::new();
    scan.insert("table", table.to_owned());
    scan.insert("keys", sdk::Value::Range(Box::new(sdk::Range::new(start, end))));
    variables.insert("scan", sdk::Value::Object(scan));
}
