//! `SELECT count() FROM t GROUP ALL`, which SurrealDB answers without looking at rows.

use std::sync::Arc;

use circuit::{
    Aggregate, AggregateFunction, Constant, Expr, Field as Shown, Fields, Grouping, Named, Output, Shape, Source,
    Value, Window,
};
use surrealdb_expr::expr::field::{Field, Selector};
use surrealdb_expr::expr::statements::SelectStatement;
use surrealdb_expr::expr::{Expr as SurrealExpr, Fields as SurrealFields, Literal};

use super::builder::Builder;
use super::group::selectors;
use super::names::{flat_name, name_of};
use super::window::keeps_the_only_row;
use crate::refusal::{Anchor, Clause, Refusal};

/// Whether SurrealDB counts without looking at rows, which shapes the answer differently and ignores the window.
pub(super) fn is_plain_count(select: &SelectStatement) -> bool {
    let is_countable = matches!(
        select.what.as_slice(),
        [SurrealExpr::Table(_) | SurrealExpr::Param(_) | SurrealExpr::Literal(Literal::RecordId(_))]
    );
    is_countable && is_count_only(select) && select.cond.is_none()
}

/// Whether SurrealDB may count by an index of the database, if it has one that fits, and then shapes the answer
/// differently and ignores the window.
pub(super) fn may_be_counted_by_index(select: &SelectStatement) -> bool {
    matches!(select.what.as_slice(), [SurrealExpr::Table(_) | SurrealExpr::Param(_)])
        && is_count_only(select)
        && select.cond.is_some()
}

fn is_count_only(select: &SelectStatement) -> bool {
    let is_group_all = select.group.as_ref().is_some_and(|groups| groups.0.is_empty());
    let has_other_clause =
        select.split.is_some() || select.order.is_some() || select.fetch.is_some() || !select.omit.is_empty();
    is_group_all && !has_other_clause && select.fields.is_count_all_only()
}

/// What such a count answers: an object, also for `VALUE`, whose names are never nested.
pub(super) fn plain_count(input: Builder, fields: &SurrealFields) -> Result<Builder, Refusal> {
    let count = Aggregate { function: AggregateFunction::Count, extra: Vec::new() };
    let names = selectors(fields)?.into_iter().map(|(_, selector)| match &selector.alias {
        Some(alias) => flat_name(alias),
        None => name_of(&selector.expr),
    });
    let fields = names.map(|name| Shown::new(name, Expr::Column(0))).collect();
    let output = Arc::new(Output::new(Fields::Named(Named::new(fields))));
    let grouping = Grouping { keys: 0, aggregates: vec![count], output };
    let standing = input.standing;
    let row = Expr::Array([Expr::Constant(Constant(Value::None))].into());
    let input = input.finish(Output::new(Fields::Value(row)));
    Ok(Builder::new(standing, Source::Derived(Shape::Group(grouping)), vec![input]))
}

/// Refuses what an index of the database would change.
pub(super) fn refuse_count_by_index(select: &SelectStatement, window: Option<Window>) -> Result<(), Refusal> {
    let is_named = match &select.fields {
        SurrealFields::Value(_) => false,
        SurrealFields::Select(fields) => fields.iter().all(|field| match field {
            Field::Single(Selector { alias: Some(alias), .. }) => alias.0.len() == 1,
            _ => true,
        }),
    };
    let reason = "is not supported, as SurrealDB answers it otherwise where an index can count: write SELECT count()";
    if !is_named {
        let anchor = if matches!(select.fields, SurrealFields::Value(_)) { Clause::Value } else { Clause::Group };
        return Err(Refusal::new("counting in this form", reason, Anchor::Clause(anchor)));
    }
    if !keeps_the_only_row(window) {
        let reason = "is not supported, as SurrealDB ignores it where an index can count";
        return Err(Refusal::new("a window without the only row", reason, Anchor::Clause(Clause::Group)));
    }
    Ok(())
}
