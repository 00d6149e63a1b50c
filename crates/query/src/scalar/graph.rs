//! Steps along the edges of a graph.

use std::ops::Bound;
use std::sync::Arc;

use circuit::{Constant, Direction, EdgeTable, Expr, GraphStep, Part};
use surrealdb_expr::expr::field::{Field, Fields, Selector};
use surrealdb_expr::expr::lookup::{LookupKind, LookupSubject};
use surrealdb_expr::expr::order::Ordering;
use surrealdb_expr::expr::part::Part as SurrealPart;
use surrealdb_expr::expr::{Dir, Expr as SurrealExpr, Idiom, Literal, Lookup, RecordIdKeyLit};

use super::Scalar;
use super::place::Place;
use crate::compile::names;
use crate::refusal::{Construct, Refusal};

impl Scalar<'_> {
    /// Steps that follow each other.
    pub(super) fn graph(&mut self, lookups: &[&Lookup], place: Place) -> Result<Part, Refusal> {
        if place.is_inside_closure() {
            return Err(Refusal::construct(Construct::Graph));
        }
        let steps = lookups.iter().map(|lookup| self.graph_step(lookup, place));
        Ok(Part::Graph(steps.collect::<Result<_, Refusal>>()?, lookups.iter().any(|lookup| lookup.only)))
    }

    fn graph_step(&mut self, lookup: &Lookup, place: Place) -> Result<GraphStep, Refusal> {
        let directions: &[Direction] = match &lookup.kind {
            LookupKind::Graph(Dir::Out) => &[Direction::Out],
            LookupKind::Graph(Dir::In) => &[Direction::In],
            LookupKind::Graph(Dir::Both) => &[Direction::In, Direction::Out],
            LookupKind::Reference => return Err(Refusal::construct(Construct::Reference)),
        };
        if lookup.group.is_some() || lookup.split.is_some() || lookup.alias.is_some() {
            return Err(Refusal::construct(Construct::GraphSelect));
        }
        let inside = place.within_graph();
        let condition = lookup.cond.as_ref().map(|condition| self.expr(&condition.0, inside)).transpose()?;
        let value = match &lookup.expr {
            None => None,
            Some(Fields::Value(selector)) => Some(self.expr(&selector.expr, inside)?),
            Some(Fields::Select(fields)) if matches!(fields.as_slice(), [Field::All]) => Some(inside.current()),
            Some(Fields::Select(fields)) => Some(self.graph_fields(fields, inside)?),
        };
        let order = match &lookup.order {
            None => Box::default(),
            Some(Ordering::Random) => return Err(Refusal::construct(Construct::GraphSelect)),
            Some(Ordering::Order(keys)) => {
                let mut order = Vec::with_capacity(keys.0.len());
                for key in &keys.0 {
                    // Longer paths do not follow links here, other than everywhere else.
                    let is_plain = matches!(key.value.0.as_slice(), [SurrealPart::Field(_)]);
                    if key.collate || key.numeric || !is_plain {
                        return Err(Refusal::construct(Construct::GraphSelect));
                    }
                    let value = match aliased(&key.value, lookup.expr.as_ref())? {
                        Some(expr) => self.expr(expr, inside)?,
                        None => self.idiom(&key.value.0, inside)?,
                    };
                    order.push((value, !key.direction));
                }
                order.into()
            }
        };
        let mut count = |expr: &_| {
            let count = self.expr(expr, place)?;
            if count.needs_row() || !count.is_closed() {
                return Err(Refusal::construct(Construct::GraphSelect));
            }
            Ok(count)
        };
        let start = lookup.start.as_ref().map(|start| count(&start.0)).transpose()?;
        let limit = lookup.limit.as_ref().map(|limit| count(&limit.0)).transpose()?;
        let tables = lookup.what.iter().map(|table| self.edge_table(table, place));
        let tables = tables.collect::<Result<_, Refusal>>()?;
        Ok(GraphStep { directions, tables, condition, order, start, limit, value })
    }

    /// An object of the selected fields of a record.
    fn graph_fields(&mut self, fields: &[Field], inside: Place) -> Result<Expr, Refusal> {
        let refused = || Refusal::construct(Construct::GraphSelect);
        let mut object = Vec::new();
        for field in fields {
            let Field::Single(selector) = field else { return Err(refused()) };
            if names::projection_function(&selector.expr).is_some() {
                return Err(refused());
            }
            let target = match (&selector.alias, &selector.expr) {
                (Some(alias), _) => names::alias_target(alias, 0).map_err(|_| refused())?,
                (None, SurrealExpr::Idiom(idiom)) => names::target_of(idiom),
                (None, other) => vec![names::name_of(other).into()],
            };
            let value = self.expr(&selector.expr, inside)?;
            Selected::put(&mut object, &target, value).ok_or_else(refused)?;
        }
        Ok(Selected::Fields(object).into_expr())
    }

    fn edge_table(&mut self, subject: &LookupSubject, place: Place) -> Result<EdgeTable, Refusal> {
        match subject {
            LookupSubject::Table { table, referencing_field: None } => Ok(EdgeTable::all(table.as_str())),
            LookupSubject::Range { table, range, referencing_field: None } => {
                let keys = (self.key_bound(&range.start, place)?, self.key_bound(&range.end, place)?);
                Ok(EdgeTable { name: table.as_str().into(), keys })
            }
            _ => Err(Refusal::construct(Construct::Reference)),
        }
    }

    fn key_bound(&mut self, bound: &Bound<RecordIdKeyLit>, place: Place) -> Result<Bound<Constant>, Refusal> {
        Ok(match bound {
            Bound::Unbounded => Bound::Unbounded,
            Bound::Included(key) => Bound::Included(self.key(key, place)?),
            Bound::Excluded(key) => Bound::Excluded(self.key(key, place)?),
        })
    }

    fn key(&mut self, key: &RecordIdKeyLit, place: Place) -> Result<Constant, Refusal> {
        let literal = match key {
            RecordIdKeyLit::Number(number) => Literal::Integer(*number),
            RecordIdKeyLit::String(text) => Literal::String(text.clone()),
            RecordIdKeyLit::Uuid(uuid) => Literal::Uuid(*uuid),
            RecordIdKeyLit::Array(items) => Literal::Array(items.clone()),
            RecordIdKeyLit::Object(entries) => Literal::Object(entries.clone()),
            RecordIdKeyLit::Generate(_) => return Err(Refusal::construct(Construct::GeneratedKey)),
            RecordIdKeyLit::Range(_) => return Err(Refusal::construct(Construct::RecordRange)),
        };
        match self.literal(&literal, place)? {
            Expr::Constant(constant) => Ok(constant),
            _ => Err(Refusal::construct(Construct::RecordRange)),
        }
    }
}

/// What is selected under a name.
enum Selected {
    Value(Expr),
    Fields(Vec<(Arc<str>, Selected)>),
}

impl Selected {
    /// Puts a value into its place, if that is free.
    fn put(fields: &mut Vec<(Arc<str>, Selected)>, target: &[Arc<str>], value: Expr) -> Option<()> {
        let (name, rest) = target.split_first()?;
        let known = fields.iter().position(|(other, _)| other == name);
        if rest.is_empty() {
            fields.push((name.clone(), Selected::Value(value)));
            return known.is_none().then_some(());
        }
        let place = known.unwrap_or(fields.len());
        if known.is_none() {
            fields.push((name.clone(), Selected::Fields(Vec::new())));
        }
        match fields.get_mut(place) {
            Some((_, Selected::Fields(inner))) => Selected::put(inner, rest, value),
            _ => None,
        }
    }

    fn into_expr(self) -> Expr {
        match self {
            Selected::Value(value) => value,
            Selected::Fields(fields) => {
                Expr::Object(fields.into_iter().map(|(name, value)| (name, value.into_expr())).collect())
            }
        }
    }
}

/// The selected expression that a key of the order names by its alias. SurrealDB puts what is computed into the record
/// before it looks at other fields, so these must not read it.
fn aliased<'f>(key: &Idiom, fields: Option<&'f Fields>) -> Result<Option<&'f SurrealExpr>, Refusal> {
    let selectors: Vec<&Selector> = match fields {
        None => return Ok(None),
        Some(Fields::Value(selector)) => vec![&**selector],
        Some(Fields::Select(fields)) => fields
            .iter()
            .filter_map(|field| match field {
                Field::Single(selector) => Some(selector),
                Field::All => None,
            })
            .collect(),
    };
    let Some(named) = selectors.iter().find(|selector| selector.alias.as_ref() == Some(key)) else { return Ok(None) };
    let is_other_plain_field = |selector: &&Selector| {
        std::ptr::eq(*selector, *named)
            || names::simple_field(&selector.expr).is_some_and(|name| key.0 != [SurrealPart::Field(name.into())])
    };
    if names::simple_field(&named.expr).is_some() || selectors.iter().all(is_other_plain_field) {
        return Ok(Some(&named.expr));
    }
    Err(Refusal::construct(Construct::GraphSelect))
}
