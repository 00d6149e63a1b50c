//! Scalar expressions: of a template over the columns of a row and the slots of a binding, of a column over the row.

mod closure;
mod evaluate;
pub(crate) mod function;
mod graph;
pub(crate) mod library;
mod operator;
mod part;
pub(crate) mod path;
pub(crate) mod policy;
pub(crate) mod reader;
mod tree;

use std::borrow::Cow;
use std::fmt::{Display, Formatter, Result as Formatted};
use std::hash::{Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

pub use closure::{Application, Closure};
pub use graph::{EdgeTable, GraphStep};
pub use operator::Operator;
pub use part::{Part, Pick};

use crate::expr::function::Function;
use crate::expr::path::Path;
use crate::expr::policy::Policy;
use crate::value::{Object, Value, identity};

/// An expression without constants: what a query wrote as a constant or a parameter is a slot of the binding, so that
/// queries which differ in nothing else are one template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Expr {
    /// The whole row.
    Row,
    /// The value of a row at the template's column of this number.
    Column(u16),
    /// The value of the binding's slot of this number.
    Slot(u16),
    /// The answer of the subquery of this number: one of the lookups that belong to a column or a slot, or one of the
    /// children that belong to an output.
    Subquery(u16),
    /// A value that an expression around this one binds, such as the item that `[WHERE ..]` looks at: 0 is the one
    /// bound last.
    Local(u16),
    /// A value that is part of the expression.
    Constant(Constant),
    /// A value of the row.
    Path(Path),
    /// A path that starts at the value of an expression, or has parts that a [`Path`] can't have.
    Walk(Box<Expr>, Box<[Part]>),
    /// `!a`.
    Not(Box<Expr>),
    /// An operator with its operands.
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// A function applied to its arguments. Arithmetic, casts and methods are functions too.
    Call(Function, Box<[Expr]>),
    Array(Box<[Expr]>),
    Set(Box<[Expr]>),
    /// Of fields that occur twice the last one counts.
    Object(Box<[(Arc<str>, Expr)]>),
    Range(Bound<Box<Expr>>, Bound<Box<Expr>>),
    /// The id of a record of this table, whose key is an array or an object.
    RecordId(Arc<str>, Box<Expr>),
    /// The value behind the first condition that holds, else the last one.
    If(Box<[(Expr, Expr)]>, Box<Expr>),
    /// The value of an expression, or where that has none, the constant: SurrealDB leaves it at that in groups.
    Otherwise(Box<Expr>, Constant),
    /// A function that applies a closure, to its other arguments or to the items of a list.
    Apply(Application, Box<[Expr]>, Box<Closure>),
    /// The value of an expression that reads no more of other records than a policy lets it see.
    Guarded(Arc<Policy>, Box<Expr>),
}

/// A value that is part of an expression. Equal means identical.
#[derive(Clone, Debug)]
pub struct Constant(pub Value);

/// What an expression is evaluated against. What is not there is `NONE`.
///
/// Columns, slots and subqueries were computed before it is known who looks at them. One that could not be computed
/// fails those who do, and nobody else: of `a = 1 AND f(b)` only `a` is looked at where it is not 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope<'a> {
    pub row: Option<RowContent<'a>>,
    pub columns: &'a [Option<Cow<'a, Value>>],
    pub slots: &'a [Option<Value>],
    /// The answers of subqueries.
    pub subqueries: &'a [Result<Value, Failure>],
    /// Values that expressions bind for those inside of them: none, where evaluation begins.
    pub locals: Locals<'a>,
}

/// Bound values, the one bound last first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Locals<'a>(Option<&'a Local<'a>>);

/// What a row is: the fields of a record, or of a derived row also any other value.
#[derive(Clone, Copy, Debug)]
pub enum RowContent<'a> {
    Fields(&'a Object),
    Value(&'a Value),
}

/// Values that were bound together, and those that were bound before them.
#[derive(Clone, Copy, Debug)]
struct Local<'a> {
    values: &'a [Value],
    outer: Locals<'a>,
}

/// Why an expression has no value, where SurrealDB would answer an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub Arc<str>);

impl Expr {
    pub fn constant(value: impl Into<Value>) -> Expr {
        Expr::Constant(Constant(value.into()))
    }

    pub fn binary(operator: Operator, left: Expr, right: Expr) -> Expr {
        Expr::Binary(operator, Box::new(left), Box::new(right))
    }

    pub fn call(function: Function, arguments: impl IntoIterator<Item = Expr>) -> Expr {
        Expr::Call(function, arguments.into_iter().collect())
    }

    /// The value, if the expression is a constant.
    pub fn as_constant(&self) -> Option<&Value> {
        match self {
            Expr::Constant(Constant(value)) => Some(value),
            _ => None,
        }
    }

    /// Calls `visit` with every conjunct: the operands of all `&&` at the top.
    pub fn conjuncts<'a>(&'a self, visit: &mut impl FnMut(&'a Expr)) {
        match self {
            Expr::Binary(Operator::And, left, right) => {
                left.conjuncts(visit);
                right.conjuncts(visit);
            }
            other => visit(other),
        }
    }
}

impl<'a> Scope<'a> {
    /// A scope in which there is a row and nothing else.
    pub fn of_row(row: &'a Object) -> Self {
        Scope { row: Some(RowContent::Fields(row)), ..Scope::default() }
    }

    /// What binds a value for the expressions evaluated [`within`](Scope::within).
    fn bind<'b>(&'b self, value: &'b Value) -> Local<'b>
    where
        'a: 'b,
    {
        self.bind_all(std::slice::from_ref(value))
    }

    /// What binds values, of which the last one will be local 0.
    fn bind_all<'b>(&'b self, values: &'b [Value]) -> Local<'b>
    where
        'a: 'b,
    {
        Local { values, outer: self.locals }
    }

    fn within<'b>(&self, local: &'b Local<'b>) -> Scope<'b>
    where
        'a: 'b,
    {
        Scope { locals: Locals(Some(local)), ..*self }
    }

    fn local(&self, number: u16) -> Option<&'a Value> {
        let mut behind = usize::from(number);
        let mut local = self.locals.0?;
        while behind >= local.values.len() {
            behind -= local.values.len();
            local = local.outer.0?;
        }
        local.values.get(local.values.len() - 1 - behind)
    }
}

impl Failure {
    pub fn new(message: impl Into<Arc<str>>) -> Self {
        Failure(message.into())
    }
}

impl Display for Failure {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Formatted {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl PartialEq for Constant {
    fn eq(&self, other: &Self) -> bool {
        identity::are_identical(&self.0, &other.0)
    }
}

impl Eq for Constant {}

impl Hash for Constant {
    fn hash<H: Hasher>(&self, state: &mut H) {
        identity::hash_identity(&self.0, state);
    }
}

impl From<Path> for Expr {
    fn from(path: Path) -> Self {
        Expr::Path(path)
    }
}
