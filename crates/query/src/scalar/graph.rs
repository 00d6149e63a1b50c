//! Steps along the edges of a graph.

use std::ops::Bound;

use circuit::{Constant, Direction, EdgeTable, Expr, GraphStep, Part};
use surrealdb_expr::expr::field::{Field, Fields};
use surrealdb_expr::expr::lookup::{LookupKind, LookupSubject};
use surrealdb_expr::expr::order::Ordering;
use surrealdb_expr::expr::part::Part as SurrealPart;
use surrealdb_expr::expr::{Dir, Literal, Lookup, RecordIdKeyLit};

use super::Scalar;
use super::place::Place;
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
            Some(Fields::Select(_)) => return Err(Refusal::construct(Construct::GraphSelect)),
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
                    order.push((self.idiom(&key.value.0, inside)?, !key.direction));
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
