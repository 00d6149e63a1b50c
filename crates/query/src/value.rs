//! Values and record ids that come as SurrealQL text.

use circuit::{Object, RecordId, Value};
use surrealdb_expr::expr::{Expr, Literal};

use crate::error::{Error, ErrorKind};
use crate::locate::locate_in_expression;
use crate::lower::Lowering;
use crate::refusal::{Anchor, Refusal};
use crate::syntax;

/// Reads a constant: a literal of any type such as `user:123`, `d'2026-01-01T00:00:00Z'` or `{ tags: ['a', 2dec] }`, of
/// which JSON is a part. Expressions of constants are folded, so `1d - 2h` is one too.
pub fn parse_value(text: &str) -> Result<Value, Error> {
    let expr = syntax::expression(text)?;
    let no_parameters: Object = [].into_iter().collect();
    let not_constant = || Refusal::invalid("this is not a constant", Anchor::Statement);
    let value = Lowering::new(&no_parameters).constant_or(&expr, not_constant);
    value.map_err(|refusal| locate_in_expression(text, refusal))
}

/// Reads the id of one record, such as `user:123`, ``user:`a-b` `` or `visit:['London', 3]`.
pub fn parse_record_id(text: &str) -> Result<RecordId, Error> {
    let expr = syntax::expression(text)?;
    let Expr::Literal(Literal::RecordId(id)) = &expr else {
        let kind = ErrorKind::Invalid { message: "this is not a record id".into() };
        return Err(Error::at(text, 0..text.len(), kind));
    };
    let no_parameters: Object = [].into_iter().collect();
    let id = Lowering::new(&no_parameters).record_id(id);
    id.map_err(|refusal| locate_in_expression(text, refusal))
}
