//! Where the values come from that a template looks at.

use std::borrow::Cow;
use std::sync::Arc;

use crate::expr::library::Library;
use crate::expr::reader::NoRecords;
use crate::expr::{Expr, Scope};
use crate::store::table::RowView;
use crate::value::Value;

/// A column of a template, as its relation offers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// A field of a record. The name is the shared one of the stored rows.
    Field(Arc<str>),
    /// Computed from the row when it is needed.
    Local(Expr),
    /// Kept beside the row: the virtual column of this number.
    Virtual(u32),
}

impl Column {
    /// The value for a row; `None` if it can't be computed, as where SurrealDB would answer an error.
    pub(crate) fn value<'a>(&'a self, view: RowView<'a>, library: &dyn Library) -> Option<Cow<'a, Value>> {
        match self {
            Column::Field(name) => Some(Cow::Borrowed(view.row.content.get_shared(name).unwrap_or(&Value::None))),
            Column::Local(expr) => {
                let scope = Scope { row: Some(view.row.shown()), ..Scope::default() };
                expr.evaluate(&scope, &mut NoRecords, library).ok()
            }
            Column::Virtual(number) => view.virtuals.get(*number as usize)?.as_ref().map(Cow::Borrowed),
        }
    }
}
