//! What a SELECT answers of the rows of its result: selected fields, `OMIT`, `FETCH` and `ONLY`.
//!
//! SurrealDB projects in two ways, which differ where `*` stands beside other fields, and so do [`Placing`]s. An output
//! is applied behind the window, so all that it does is a function of one row, except for `ONLY`.

mod draft;
mod fetch;
mod named;
mod omit;

use std::sync::Arc;

pub use fetch::FetchStep;
pub use named::{Field, Named, Others, Placing};
pub use omit::{OmitField, OmitStep};

use crate::expr::library::Library;
use crate::expr::reader::Reader;
use crate::expr::{Expr, Failure, RowContent, Scope};
use crate::value::Value;

/// What a SELECT answers of each row, and of all of them. The default answers a list of whole rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Output {
    pub fields: Fields,
    /// `OMIT`: paths to what is taken out.
    pub omit: Vec<Vec<OmitStep>>,
    /// `FETCH`: paths to links, which are replaced by the records that they point to. They are followed one after the
    /// other, so that one may lead through a record that another has fetched.
    pub fetch: Vec<Vec<FetchStep>>,
    pub only: Only,
}

/// The selected fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fields {
    /// `*` alone.
    #[default]
    All,
    /// `VALUE` and an expression, which sees the row without what is omitted.
    Value(Expr),
    /// Named fields, with or without `*`.
    Named(Named),
}

/// Whether the answer is a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Only {
    /// A list of all rows.
    #[default]
    No,
    /// `ONLY`: the row itself, or `NONE` if there is none.
    OneOrNone,
    /// `ONLY` of a list of records: the row itself; that there is none is an error.
    One,
}

impl Output {
    /// An output of selected fields and nothing else.
    pub fn new(fields: Fields) -> Output {
        Output { fields, ..Output::default() }
    }

    /// What is answered of one row. O(selected fields), and with `*` O(fields of the row).
    pub fn row(&self, scope: &Scope, reader: &mut dyn Reader, library: &dyn Library) -> Result<Value, Failure> {
        let mut answer = match &self.fields {
            Fields::All => self.without_omitted(content(scope)),
            Fields::Value(expr) if self.omit.is_empty() => expr.evaluate(scope, reader, library)?.into_owned(),
            Fields::Value(expr) => {
                let row = self.without_omitted(content(scope));
                let scope = Scope { row: Some(RowContent::Value(&row)), ..*scope };
                expr.evaluate(&scope, reader, library)?.into_owned()
            }
            Fields::Named(named) => self.without_omitted(named.project(scope, reader, library)?),
        };
        for path in &self.fetch {
            answer = fetch::fetch(answer, path, reader);
        }
        Ok(answer)
    }

    /// What is answered of all rows, each of which is an answer of [`Output::row`].
    pub fn answer(&self, mut rows: Vec<Value>) -> Result<Value, Failure> {
        match (self.only, rows.len()) {
            (Only::No, _) => Ok(Value::Array(rows.into())),
            (Only::OneOrNone | Only::One, 1) => Ok(rows.pop().unwrap_or_default()),
            (Only::OneOrNone, 0) => Ok(Value::None),
            (Only::OneOrNone | Only::One, _) => Err(Failure::new("ONLY expects exactly one row")),
        }
    }

    /// Whether the answer of a row follows from the row and the slots alone: no other record and no subquery is read.
    pub fn is_local(&self) -> bool {
        let mut is_local = self.fetch.is_empty();
        self.expressions(&mut |expr| is_local &= expr.is_local());
        is_local
    }

    /// Whether rows are answered as they are, in a list.
    pub fn is_whole_row(&self) -> bool {
        self.fields == Fields::All && self.omit.is_empty() && self.fetch.is_empty() && self.only == Only::No
    }

    /// Calls `visit` with each expression of the output.
    pub fn expressions<'a>(&'a self, visit: &mut impl FnMut(&'a Expr)) {
        match &self.fields {
            Fields::All => {}
            Fields::Value(expr) => visit(expr),
            Fields::Named(named) => named.fields.iter().for_each(|field| visit(&field.value)),
        }
    }

    fn without_omitted(&self, row: Value) -> Value {
        self.omit.iter().fold(row, |row, path| omit::omit(row, path))
    }
}

fn content(scope: &Scope) -> Value {
    match scope.row {
        Some(RowContent::Fields(fields)) => Value::from(fields.clone()),
        Some(RowContent::Value(value)) => value.clone(),
        None => Value::None,
    }
}

impl From<Expr> for Arc<Output> {
    /// The output of `VALUE` and an expression.
    fn from(expr: Expr) -> Self {
        Arc::new(Output::new(Fields::Value(expr)))
    }
}
