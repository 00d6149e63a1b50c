//! Functions that read records.

use std::cmp::Ordering;
use std::convert::Infallible;

use circuit::{Expr, Failure, Function, Operator, Part, Pure, Value};
use surrealdb_expr::expr::Kind;

use super::{cast, native};

/// A record id, and nothing else.
#[derive(Clone, Copy, Debug)]
struct Link;

/// Whether a value is a record id.
#[derive(Clone, Copy, Debug)]
struct IsLink;

/// How SurrealDB tells records apart and reads them in order, where `=` and `<` don't: `t:[1]` equals `t:[1.0]`.
#[derive(Clone, Copy, Debug)]
enum Stored {
    IsSame,
    IsBefore,
}

/// Whether two record ids address one record.
pub(crate) fn is_same_record() -> Function {
    Function::new(Stored::IsSame)
}

/// Whether the first of two records of a table is read before the second one.
pub(crate) fn is_read_before() -> Function {
    Function::new(Stored::IsBefore)
}

/// Whether a value is a link.
pub(crate) fn is_link(value: Expr) -> Expr {
    Expr::call(Function::new(IsLink), [value])
}

/// Whether the row is a link.
pub(crate) fn row_is_link() -> Expr {
    is_link(Expr::Row)
}

/// The record that a row links to; what is no link, or links to no record, is what it is.
pub(crate) fn row_of_link() -> Expr {
    let record = Expr::Walk(Box::new(Expr::Row), [Part::All].into());
    let record = Expr::binary(Operator::Coalesce, record, Expr::Row);
    Expr::If([(row_is_link(), record)].into(), Box::new(Expr::Row))
}

/// Whether an expression is [`row_of_link`], for whoever reads it.
pub(crate) fn is_row_of_link(expr: &Expr) -> bool {
    matches!(expr, Expr::If(..)) && without_guards(expr.clone()) == row_of_link()
}

fn without_guards(expr: Expr) -> Expr {
    match expr {
        Expr::Guarded(_, inner) => without_guards(*inner),
        other => {
            let Ok(other) = other.map_children(&mut |child, _| Ok::<_, Infallible>(without_guards(child)));
            other
        }
    }
}

/// Something truthy, unless the row is a link to no record.
pub(crate) fn row_is_there() -> Expr {
    let record = Expr::Walk(Box::new(Expr::Row), [Part::All].into());
    Expr::If([(row_is_link(), record)].into(), Box::new(Expr::constant(true)))
}

/// A function that reads a record, in terms of reading its fields.
pub(crate) fn of_records(name: &str, arguments: &[Expr]) -> Option<Expr> {
    let [argument] = arguments else { return None };
    match name {
        "record::exists" => {
            let link = Expr::call(Function::new(Link), [argument.clone()]);
            let record = Expr::Walk(Box::new(link), [Part::All].into());
            Some(Expr::call(native("type::is_object")?.function(), [record]))
        }
        // An edge is a record with links at both of its ends.
        "record::is_edge" => {
            let link = Expr::call(cast(&Kind::Record(Vec::new())), [argument.clone()]);
            let is_link = native("type::is_record")?.function();
            let end = |name: &str| {
                let end = Expr::Walk(Box::new(link.clone()), [Part::Field(name.into())].into());
                Expr::call(is_link.clone(), [end])
            };
            Some(Expr::binary(Operator::And, end("in"), end("out")))
        }
        _ => None,
    }
}

impl Pure for Stored {
    fn name(&self) -> &str {
        match self {
            Stored::IsSame => "is the same record",
            Stored::IsBefore => "is read before",
        }
    }

    fn call(&self, arguments: &[Value]) -> Result<Value, Failure> {
        let [Value::RecordId(a), Value::RecordId(b)] = arguments else { return Ok(Value::Bool(false)) };
        Ok(Value::Bool(match self {
            Stored::IsSame => a.is_same_record(b),
            Stored::IsBefore => a.compare_stored(b) == Ordering::Less,
        }))
    }
}

impl Pure for Link {
    fn name(&self) -> &str {
        "a record id"
    }

    fn call(&self, arguments: &[Value]) -> Result<Value, Failure> {
        match arguments.first() {
            Some(id @ Value::RecordId(_)) => Ok(id.clone()),
            _ => Err(Failure::new("this is not a record id")),
        }
    }
}

impl Pure for IsLink {
    fn name(&self) -> &str {
        "is a record id"
    }

    fn call(&self, arguments: &[Value]) -> Result<Value, Failure> {
        Ok(Value::Bool(matches!(arguments, [Value::RecordId(_)])))
    }
}
