//! What the engine is asked to maintain: a template, the binding of its slots, and a window.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::expr::Expr;
use crate::path::Path;
use crate::value::{Value, identity};

/// A query with all its constants and parameters lifted out. Queries with the same template share one circuit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Template {
    /// The table whose rows are the result.
    pub table: Arc<str>,
    /// The values of a row that the condition and the order look at.
    pub columns: Vec<Path>,
    /// The condition; without one every row of the table belongs to the result.
    pub filter: Option<Expr>,
    /// The order of the rows. Rows that are equal under it follow by ascending record id.
    pub order: Vec<OrderKey>,
}

/// One key of `ORDER BY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OrderKey {
    /// The number of the template's column.
    pub column: u16,
    pub descending: bool,
}

/// `START` and `LIMIT`: the rows from rank `start` on, at most `limit` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    pub start: u64,
    /// No limit means all rows from `start` on.
    pub limit: Option<u64>,
}

/// The values of a template's slots. Equal means identical, so that two queries with `1` and `1.0` are not confused.
#[derive(Clone, Debug, Default)]
pub struct Slots(pub Box<[Value]>);

/// A query, ready to be registered with [`Circuit::register`](crate::Circuit::register).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    pub template: Template,
    pub slots: Slots,
    pub window: Option<Window>,
}

impl Window {
    /// The rank behind the last row of the window.
    pub fn end(&self) -> u64 {
        self.limit.map_or(u64::MAX, |limit| self.start.saturating_add(limit))
    }
}

impl PartialEq for Slots {
    fn eq(&self, other: &Self) -> bool {
        identity::are_identical_lists(&self.0, &other.0)
    }
}

impl Eq for Slots {}

impl Hash for Slots {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.iter().for_each(|value| identity::hash_identity(value, state));
    }
}

impl FromIterator<Value> for Slots {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        Slots(values.into_iter().collect())
    }
}
