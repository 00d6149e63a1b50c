//! SurrealDB's functions, in the form in which the circuit calls them.
//!
//! They are SurrealDB's own wherever it has them as a library, and are found by name once, when a query is compiled. What
//! remains is here: arithmetic in its fast form, functions that apply closures, and the few that SurrealDB keeps elsewhere.

pub(crate) mod arithmetic;
mod cast;
mod closure;
mod families;
mod method;
mod native;
mod own;
mod record;
mod refused;

pub(crate) use cast::{cast, coercion};
pub(crate) use closure::{Applying, applying, applying_method};
pub(crate) use families::native;
pub(crate) use method::method;
pub(crate) use record::{
    is_link, is_read_before, is_row_of_link, is_same_record, of_records, row_is_link, row_is_there, row_of_link,
};
pub(crate) use refused::reason;

#[cfg(test)]
mod tests;
