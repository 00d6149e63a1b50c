//! Values and record ids that come as SurrealQL text.

use circuit::{RecordId, Value};
use surrealdb_expr::expr::{Expr, Literal};

use crate::compile;
use crate::error::{Error, ErrorKind};
use crate::locate::locate_in_expression;
use crate::refusal::{Anchor, Refusal};
use crate::syntax;

/// Reads a constant: a literal of any type such as `user:123`, `d'2026-01-01T00:00:00Z'` or `{ tags: ['a', 2dec] }`, of
/// which JSON is a part. Expressions of constants are folded, so `1d - 2h` is one too.
pub fn parse_value(text: &str) -> Result<Value, Error> {
    let expr = syntax::expression(text)?;
    match compile::constant(&expr) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(locate_in_expression(text, Refusal::invalid("this is not a constant", Anchor::Statement))),
        Err(refusal) => Err(locate_in_expression(text, refusal)),
    }
}

/// Reads the id of one record, such as `user:123`, ``user:`a-b` `` or `visit:['London', 3]`.
pub fn parse_record_id(text: &str) -> Result<RecordId, Error> {
    let expr = syntax::expression(text)?;
    let not_an_id = || Error::at(text, 0..text.len(), ErrorKind::Invalid { message: "this is not a record id".into() });
    if !matches!(expr, Expr::Literal(Literal::RecordId(_))) {
        return Err(not_an_id());
    }
    match compile::constant(&expr) {
        Ok(Some(Value::RecordId(id))) => Ok((*id).clone()),
        Ok(_) => Err(not_an_id()),
        Err(refusal) => Err(locate_in_expression(text, refusal)),
    }
}
