//! A refusal before its place in the text is known.

use surrealdb_expr::expr::part::Part;
use surrealdb_expr::expr::{BinaryOperator, Expr, Function, Literal, PrefixOperator};

use crate::error::ErrorKind;
use crate::functions;

/// Why a statement was refused, and what to look for in its text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub kind: ErrorKind,
    pub anchor: Anchor,
    /// The number of the SELECT that it is about, in the order of the text; the outermost one is the first.
    pub select: Option<usize>,
}

/// What a refusal is about; [`locate`](crate::locate) finds it in the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Anchor {
    /// The whole statement.
    Statement,
    /// The statement behind the first one.
    SecondStatement,
    Clause(Clause),
    /// The first node of this kind.
    Construct(Construct),
    /// The first use of this parameter.
    Parameter(String),
    /// The selected field of this number.
    Field(usize),
    /// The source of this number.
    Source(usize),
    /// The `SPLIT` path of this number.
    SplitKey(usize),
    /// The `GROUP BY` key of this number.
    /// The `ORDER BY` key of this number.
    OrderKey(usize),
    /// The `OMIT` path of this number.
    OmitItem(usize),
    /// The `FETCH` path of this number.
    FetchItem(usize),
}

/// A clause of a SELECT statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clause {
    Value,
    Omit,
    From,
    With,
    Split,
    Group,
    Order,
    Limit,
    Start,
    Version,
    Timeout,
    ForUpdate,
    Explain,
}

/// A kind of expression that is not compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Construct {
    /// A call of the function with this name, in lower case.
    Function(String),
    /// A call of a method, such as `.len()`.
    Method(String),
    /// A call of a closure.
    Call,
    Arithmetic,
    Cast,
    Statement,
    Block,
    Closure,
    Script,
    Mock,
    FullText,
    Nearest,
    /// A list, an object, a record id or a range with a field of the row in it.
    Computed,
    RecordRange,
    GeneratedKey,
    Graph,
    /// A graph step with more than a condition, a plain order and a limit.
    GraphSelect,
    Reference,
    Recursion,
    Destructuring,
    All,
    Filter,
    Flatten,
    Optional,
    Document,
    /// An index that is neither a natural number nor `$`.
    Index,
    /// A path that starts at a computed value.
    PathFromValue,
    Other,
}

const NOT_YET: &str = "is not supported yet";
const NOT_YET_PLURAL: &str = "are not supported yet";

impl Refusal {
    pub(crate) fn new(what: impl Into<String>, reason: &'static str, anchor: Anchor) -> Self {
        Refusal { kind: ErrorKind::Unsupported { what: what.into(), reason }, anchor, select: None }
    }

    pub(crate) fn invalid(message: impl Into<String>, anchor: Anchor) -> Self {
        Refusal { kind: ErrorKind::Invalid { message: message.into() }, anchor, select: None }
    }

    pub(crate) fn unknown_parameter(name: &str) -> Self {
        let kind = ErrorKind::UnknownParameter { name: name.to_owned() };
        Refusal { kind, anchor: Anchor::Parameter(name.to_owned()), select: None }
    }

    pub(crate) fn too_large() -> Self {
        Refusal::new(
            "a query of this size",
            "is not supported: it has too many fields, constants or subqueries",
            Anchor::Statement,
        )
    }

    /// The refusal with a place, if it is about nothing more precise than a statement.
    pub(crate) fn or_at(self, anchor: &Anchor) -> Self {
        let anchor = if self.anchor == Anchor::Statement { anchor.clone() } else { self.anchor };
        Refusal { anchor, ..self }
    }

    pub(crate) fn clause(clause: Clause) -> Self {
        let (what, reason) = match clause {
            Clause::With => ("WITH INDEX", "has no meaning for a live view"),
            Clause::Order => ("ORDER BY RAND()", "is not deterministic"),
            Clause::Version => ("VERSION", "asks for the past, and a live view shows the present"),
            Clause::Timeout => ("TIMEOUT", "has no meaning for a live view"),
            Clause::ForUpdate => ("FOR UPDATE", "locks rows, and a live view has no transaction"),
            Clause::Explain => ("EXPLAIN", "does not answer rows"),
            Clause::Value => ("this VALUE", NOT_YET),
            Clause::Omit => ("this OMIT", NOT_YET),
            Clause::From => ("this source", NOT_YET),
            Clause::Split => ("this SPLIT", NOT_YET),
            Clause::Group => ("this GROUP BY", NOT_YET),
            Clause::Limit => ("this LIMIT", NOT_YET),
            Clause::Start => ("this START", NOT_YET),
        };
        Refusal::new(what, reason, Anchor::Clause(clause))
    }

    pub(crate) fn construct(construct: Construct) -> Self {
        let (what, reason) = match &construct {
            Construct::Function(name) => {
                (format!("the function {name}()"), functions::reason(name, 0).unwrap_or(NOT_YET))
            }
            Construct::Method(name) => (format!("the method .{name}()"), NOT_YET),
            Construct::Call => ("calling a closure".into(), NOT_YET),
            Construct::Arithmetic => ("arithmetic with fields".into(), NOT_YET),
            Construct::Cast => ("a cast".into(), NOT_YET),
            Construct::Statement => ("a statement inside of the query".into(), NOT_YET),
            Construct::Block => ("a block".into(), NOT_YET),
            Construct::Closure => ("a closure".into(), NOT_YET),
            Construct::Script => ("a script".into(), "can't be kept up to date"),
            Construct::Mock => ("a mock".into(), "has random ids"),
            Construct::FullText => ("full-text search".into(), "can't be kept up to date"),
            Construct::Nearest => ("nearest-neighbour search".into(), "can't be kept up to date"),
            Construct::Computed => ("a value built from fields".into(), NOT_YET),
            Construct::RecordRange => ("a range of records".into(), NOT_YET),
            Construct::GeneratedKey => ("a generated record id".into(), "is not deterministic"),
            Construct::Graph => ("a graph step".into(), NOT_YET),
            Construct::GraphSelect => ("a query inside of a graph step".into(), NOT_YET),
            Construct::Reference => ("a reference step".into(), NOT_YET),
            Construct::Recursion => ("a recursive path".into(), NOT_YET),
            Construct::Destructuring => ("destructuring".into(), NOT_YET),
            Construct::All => (".* in a path".into(), NOT_YET),
            Construct::Filter => ("a condition in a path".into(), NOT_YET),
            Construct::Flatten => ("... in a path".into(), NOT_YET),
            Construct::Optional => (".? in a path".into(), NOT_YET),
            Construct::Document => ("@".into(), NOT_YET),
            Construct::Index => ("an index other than a natural number or $".into(), NOT_YET),
            Construct::PathFromValue => ("a path into a computed value".into(), NOT_YET),
            Construct::Other => ("expressions of this kind".into(), NOT_YET_PLURAL),
        };
        Refusal::new(what, reason, Anchor::Construct(construct))
    }
}

impl Construct {
    /// What kind of refused construct an expression is.
    pub(crate) fn of(expr: &Expr) -> Construct {
        match expr {
            Expr::FunctionCall(call) => match &call.receiver {
                Function::Normal(name) => Construct::Function(name.to_lowercase()),
                Function::Custom(name) => Construct::Function(format!("fn::{}", name.to_lowercase())),
                Function::Script(_) => Construct::Script,
                Function::Model(_) => Construct::Function("ml".into()),
                Function::Module(..) => Construct::Function("mod".into()),
                Function::Silo { .. } => Construct::Function("silo".into()),
            },
            Expr::Prefix { op: PrefixOperator::Cast(_), .. } => Construct::Cast,
            Expr::Prefix { op: PrefixOperator::Range | PrefixOperator::RangeInclusive, .. } => Construct::Computed,
            Expr::Prefix { .. } => Construct::Arithmetic,
            Expr::Postfix { .. } => Construct::Call,
            Expr::Binary { op: BinaryOperator::Matches(_), .. } => Construct::FullText,
            Expr::Binary { op: BinaryOperator::NearestNeighbor(_), .. } => Construct::Nearest,
            Expr::Binary { .. } => Construct::Arithmetic,
            Expr::Literal(Literal::Array(_) | Literal::Set(_) | Literal::Object(_) | Literal::RecordId(_)) => {
                Construct::Computed
            }
            Expr::Mock(_) => Construct::Mock,
            Expr::Block(_) => Construct::Block,
            Expr::Closure(_) => Construct::Closure,
            Expr::Literal(_) | Expr::Param(_) | Expr::Idiom(_) | Expr::Table(_) | Expr::Constant(_) => Construct::Other,
            _ => Construct::Statement,
        }
    }

    /// What kind of refused construct a part of a path is.
    pub(crate) fn of_part(part: &Part) -> Construct {
        match part {
            Part::All => Construct::All,
            Part::Flatten => Construct::Flatten,
            Part::Where(_) => Construct::Filter,
            Part::Lookup(lookup) => match lookup.kind {
                surrealdb_expr::expr::lookup::LookupKind::Reference => Construct::Reference,
                surrealdb_expr::expr::lookup::LookupKind::Graph(_) => Construct::Graph,
            },
            Part::Method(name, _) => Construct::Method(name.as_str().to_lowercase()),
            Part::Destructure(_) => Construct::Destructuring,
            Part::Optional => Construct::Optional,
            Part::Recurse(..) | Part::RepeatRecurse => Construct::Recursion,
            Part::Doc => Construct::Document,
            Part::Value(_) | Part::First | Part::Last => Construct::Index,
            Part::Start(_) => Construct::PathFromValue,
            Part::Field(_) => Construct::Other,
        }
    }
}
