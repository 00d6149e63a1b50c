//! The names under which SurrealDB answers what is selected.

use std::sync::Arc;

use surrealdb_expr::expr::part::Part;
use surrealdb_expr::expr::{Expr as SurrealExpr, Function, Idiom};
use surrealdb_types::ToSql;

use crate::refusal::{Anchor, Refusal};

/// The name of a field without an alias, if it is no path.
pub(crate) fn name_of(expr: &SurrealExpr) -> String {
    match expr {
        SurrealExpr::Idiom(idiom) => flat_name(idiom),
        SurrealExpr::Param(parameter) => parameter.as_str().to_owned(),
        SurrealExpr::FunctionCall(call) => flat_name(&call.receiver.to_idiom()),
        other => other.to_sql(),
    }
}

/// The name of a path where it is one name.
pub(crate) fn flat_name(idiom: &Idiom) -> String {
    let alias = idiom.0.iter().find_map(|part| match part {
        Part::Lookup(lookup) => lookup.alias.as_ref(),
        _ => None,
    });
    if let Some(alias) = alias {
        return flat_name(alias);
    }
    let simplified = idiom.simplify();
    match simplified.0.as_slice() {
        [Part::Field(name)] => name.as_str().to_owned(),
        _ => simplified.to_sql(),
    }
}

/// The names of a path without an alias: those of its fields and graph steps, one inside of the other. Indexes,
/// conditions and methods don't show.
pub(crate) fn target_of(idiom: &Idiom) -> Vec<Arc<str>> {
    let flat = || vec![Arc::from(flat_name(idiom))];
    if idiom.0.iter().any(|part| matches!(part, Part::Lookup(lookup) if lookup.alias.is_some())) {
        return flat();
    }
    let simplified = idiom.simplify();
    let names = simplified.0.iter().map(|part| match part {
        Part::Field(name) => Some(Arc::from(name.as_str())),
        Part::Lookup(lookup) => Some(Arc::from(lookup.to_sql())),
        _ => None,
    });
    match names.collect::<Option<Vec<_>>>() {
        Some(names) if !names.is_empty() => names,
        _ => flat(),
    }
}

/// Where an alias puts a value.
pub(crate) fn alias_target(alias: &Idiom, number: usize) -> Result<Vec<Arc<str>>, Refusal> {
    let names = alias.0.iter().map(|part| match part {
        Part::Field(name) => Ok(Arc::from(name.as_str())),
        _ => Err(Refusal::new("an alias with more than names in it", "is not supported", Anchor::Field(number))),
    });
    names.collect()
}

/// The field of the row that an expression is, if it is nothing else.
pub(crate) fn simple_field(expr: &SurrealExpr) -> Option<&str> {
    match expr {
        SurrealExpr::Idiom(idiom) => match idiom.0.as_slice() {
            [Part::Field(name)] => Some(name.as_str()),
            _ => None,
        },
        _ => None,
    }
}

/// The name of a function that makes fields whose names are values.
pub(crate) fn projection_function(expr: &SurrealExpr) -> Option<&str> {
    match expr {
        SurrealExpr::FunctionCall(call) => match &call.receiver {
            Function::Normal(name) if matches!(name.as_str(), "type::field" | "type::fields") => Some(name),
            _ => None,
        },
        _ => None,
    }
}
