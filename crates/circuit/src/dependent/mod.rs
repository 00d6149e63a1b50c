//! What depends on more than the row at hand: computed columns, subqueries under rows, sets that conditions ask.

pub(crate) mod attach;
pub(crate) mod attachment;
pub(crate) mod dependencies;
pub(crate) mod held;
pub(crate) mod live_set;
pub(crate) mod read;
pub(crate) mod virtual_column;
