//! What becomes of a projected row: `OMIT` and `FETCH`.

use circuit::{FetchStep, OmitField, OmitStep, Value};
use surrealdb_expr::expr::part::{DestructurePart, Part};
use surrealdb_expr::expr::statements::SelectStatement;
use surrealdb_expr::expr::{Expr as SurrealExpr, Idiom, Literal};

use super::scope::{Context, Standing};
use crate::convert::to_surreal;
use crate::refusal::{Anchor, Refusal};

/// The paths of `OMIT`.
pub(super) fn omit(select: &SelectStatement) -> Result<Vec<Vec<OmitStep>>, Refusal> {
    let path = |(number, expr): (usize, &SurrealExpr)| {
        let refused = || refused("OMIT", Anchor::OmitItem(number));
        let idiom = idiom_of(expr).ok_or_else(refused)?;
        idiom.0.iter().map(|part| omit_step(part).ok_or_else(refused)).collect()
    };
    select.omit.iter().enumerate().map(path).collect()
}

/// Whether SurrealDB can take away what is omitted in its fast way of projecting.
pub(super) fn is_simple_omit(select: &SelectStatement) -> bool {
    select.omit.iter().all(|expr| idiom_of(expr).is_some_and(|idiom| idiom.0.len() == 1))
}

/// The paths of `FETCH`.
pub(super) fn fetch(
    select: &SelectStatement,
    context: &Context,
    standing: Standing,
) -> Result<Vec<Vec<FetchStep>>, Refusal> {
    let mut paths = Vec::new();
    for (number, fetch) in select.fetch.iter().flat_map(|fetch| fetch.iter()).enumerate() {
        let anchor = Anchor::FetchItem(number);
        let idiom = idiom_of(&fetch.0).ok_or_else(|| refused("FETCH", anchor.clone()))?;
        let step = |part| fetch_step(part, context, standing, &anchor);
        paths.push(idiom.0.iter().map(step).collect::<Result<_, _>>()?);
    }
    Ok(paths)
}

fn refused(clause: &str, anchor: Anchor) -> Refusal {
    let what = format!("anything but names, indexes and .* in {clause}");
    Refusal::new(what, "is not supported: write the paths themselves", anchor)
}

fn idiom_of(expr: &SurrealExpr) -> Option<&Idiom> {
    match expr {
        SurrealExpr::Idiom(idiom) => Some(idiom),
        _ => None,
    }
}

fn omit_step(part: &Part) -> Option<OmitStep> {
    Some(match part {
        Part::Field(name) => OmitStep::Field(name.as_str().into()),
        Part::All => OmitStep::All,
        Part::Value(SurrealExpr::Literal(Literal::Integer(index))) => OmitStep::Index(usize::try_from(*index).ok()?),
        Part::Destructure(parts) => OmitStep::Fields(parts.iter().map(omit_field).collect()),
        _ => return None,
    })
}

fn omit_field(part: &DestructurePart) -> OmitField {
    match part {
        DestructurePart::All(name) | DestructurePart::Field(name) | DestructurePart::Aliased(name, _) => {
            OmitField::Whole(name.as_str().into())
        }
        DestructurePart::Destructure(name, parts) => {
            OmitField::Within(name.as_str().into(), parts.iter().map(omit_field).collect())
        }
    }
}

fn fetch_step(part: &Part, context: &Context, standing: Standing, anchor: &Anchor) -> Result<FetchStep, Refusal> {
    Ok(match part {
        Part::Field(name) => FetchStep::Field(name.as_str().into()),
        Part::All => FetchStep::All,
        Part::Last => FetchStep::Last,
        Part::Value(index) => {
            let value = context.constant(index, standing)?;
            item_step(&value.ok_or_else(|| refused("FETCH", anchor.clone()))?)
                .ok_or_else(|| refused("FETCH", anchor.clone()))?
        }
        _ => return Err(refused("FETCH", anchor.clone())),
    })
}

fn item_step(index: &Value) -> Option<FetchStep> {
    match index {
        Value::String(name) => Some(FetchStep::Item { index: None, name: name.clone() }),
        _ => match to_surreal(index).ok()? {
            surrealdb_expr::val::Value::Number(number) => {
                Some(FetchStep::Item { index: number.as_array_index(), name: number.to_string().into() })
            }
            _ => None,
        },
    }
}
