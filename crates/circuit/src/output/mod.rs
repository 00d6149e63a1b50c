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
use crate::expr::policy::{Guard, Policy, Veil, unveiled};
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
    /// What is taken out of each row before anything else, where rows are answered as they are.
    pub veils: Vec<Veil>,
    /// What `FETCH`, and `*` of a link, may read of other records; without this, everything.
    pub policy: Option<Arc<Policy>>,
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
            Fields::All if !self.veils.is_empty() => match content(scope) {
                Value::Object(row) => {
                    let row = unveiled((*row).clone(), &self.veils, scope, reader, library);
                    self.without_omitted(Value::from(row))
                }
                other => self.without_omitted(other),
            },
            Fields::All => self.without_omitted(content(scope)),
            Fields::Value(expr) if self.omit.is_empty() => expr.evaluate(scope, reader, library)?.into_owned(),
            Fields::Value(expr) => {
                let row = self.without_omitted(content(scope));
                let scope = Scope { row: Some(RowContent::Value(&row)), ..*scope };
                expr.evaluate(&scope, reader, library)?.into_owned()
            }
            Fields::Named(named) => {
                let link = match scope.row {
                    Some(RowContent::Value(Value::RecordId(id))) if named.all => {
                        self.read(scope, reader, library, |reader| reader.record(id))
                    }
                    _ => None,
                };
                self.without_omitted(named.project(link, scope, reader, library)?)
            }
        };
        if !self.fetch.is_empty() {
            answer = self.read(scope, reader, library, |reader| {
                self.fetch.iter().fold(answer, |answer, path| fetch::fetch(answer, path, reader))
            });
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
        let mut is_local = self.fetch.is_empty() && self.policy.is_none();
        self.expressions(&mut |expr| is_local &= expr.is_local());
        is_local
    }

    /// Whether rows are answered as they are, in a list.
    pub fn is_whole_row(&self) -> bool {
        let is_changed = !self.omit.is_empty() || !self.fetch.is_empty() || !self.veils.is_empty();
        self.fields == Fields::All && !is_changed && self.only == Only::No
    }

    /// Calls `visit` with each expression of the output. Those of veils and of the policy look at a record that is bound
    /// around them.
    pub fn expressions<'a>(&'a self, visit: &mut impl FnMut(&'a Expr)) {
        match &self.fields {
            Fields::All => {}
            Fields::Value(expr) => visit(expr),
            Fields::Named(named) => named.fields.iter().for_each(|field| visit(&field.value)),
        }
        self.veils.iter().for_each(|veil| visit(veil.unless()));
        if let Some(policy) = &self.policy {
            policy.children(&mut |expr, _| visit(expr));
        }
    }

    /// Reads under the policy. Expressions have guards of their own, and a guard reads through no other one: what a
    /// permission reads is not subject to permissions.
    fn read<T>(
        &self,
        scope: &Scope,
        reader: &mut dyn Reader,
        library: &dyn Library,
        read: impl FnOnce(&mut dyn Reader) -> T,
    ) -> T {
        match &self.policy {
            None => read(reader),
            Some(policy) => read(&mut Guard::new(policy, scope, reader, library)),
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
