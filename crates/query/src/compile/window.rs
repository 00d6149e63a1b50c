//! `LIMIT` and `START`.

use circuit::{Value, Window};
use surrealdb_expr::expr::Expr as SurrealExpr;
use surrealdb_expr::expr::statements::SelectStatement;

use super::scope::{Context, Standing};
use crate::convert::to_surreal;
use crate::refusal::{Anchor, Clause, Refusal};

/// The window of a SELECT; none means all rows.
pub(super) fn window(
    select: &SelectStatement,
    context: &Context,
    standing: Standing,
) -> Result<Option<Window>, Refusal> {
    let limit = match &select.limit {
        Some(limit) => Some(count(&limit.0, Clause::Limit, "LIMIT", context, standing)?),
        None => None,
    };
    let start = match &select.start {
        Some(start) => count(&start.0, Clause::Start, "START", context, standing)?,
        None => 0,
    };
    Ok((limit.is_some() || start > 0).then_some(Window { start, limit }))
}

/// A number of rows, by SurrealDB's rules: fractions are cut off, and `NONE` and `NULL` are zero.
fn count(
    expr: &SurrealExpr,
    clause: Clause,
    name: &str,
    context: &Context,
    standing: Standing,
) -> Result<u64, Refusal> {
    let anchor = Anchor::Clause(clause);
    let Some(value) = context.constant(expr, standing).map_err(|refusal| refusal.or_at(&anchor))? else {
        let what = format!("a {name} that is no constant");
        return Err(Refusal::new(what, "is not supported: use a number or a parameter", anchor));
    };
    let number = match to_surreal(&value) {
        Ok(surrealdb_expr::val::Value::Number(number)) => number.to_int(),
        Ok(_) if matches!(value, Value::None | Value::Null) => 0,
        _ => return Err(Refusal::invalid(format!("{name} must be a number"), anchor)),
    };
    u64::try_from(number).map_err(|_| Refusal::invalid(format!("{name} must not be negative"), anchor))
}

/// Whether a window shows the row of a result that has exactly one.
pub(super) fn keeps_the_only_row(window: Option<Window>) -> bool {
    window.is_none_or(|window| window.start == 0 && window.limit != Some(0))
}
