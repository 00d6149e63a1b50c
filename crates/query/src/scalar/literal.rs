//! Literals, which may have expressions inside of them.

use std::ops::Bound;
use std::sync::Arc;

use circuit::{Expr, Key, RecordId, Value};
use surrealdb_expr::expr::{Literal, ObjectEntry, RecordIdKeyLit, RecordIdLit};

use super::place::Place;
use super::{Scalar, converted, folded};
use crate::refusal::{Construct, Refusal};

impl Scalar<'_> {
    pub(super) fn literal(&mut self, literal: &Literal, place: Place) -> Result<Expr, Refusal> {
        match literal {
            Literal::Array(items) => folded(Expr::Array(self.exprs(items, place)?), Construct::Computed),
            Literal::Set(items) => folded(Expr::Set(self.exprs(items, place)?), Construct::Computed),
            Literal::Object(entries) => self.object(entries, place),
            Literal::RecordId(id) => self.record_id(id, place),
            Literal::UnboundedRange => folded(Expr::Range(Bound::Unbounded, Bound::Unbounded), Construct::Computed),
            Literal::None => Ok(Expr::constant(Value::None)),
            Literal::Null => Ok(Expr::constant(Value::Null)),
            Literal::Bool(flag) => Ok(Expr::constant(*flag)),
            Literal::Float(number) => Ok(Expr::constant(*number)),
            Literal::Integer(number) => Ok(Expr::constant(*number)),
            Literal::Decimal(number) => Ok(Expr::constant(Value::Decimal(*number))),
            Literal::String(text) => Ok(Expr::constant(text.as_str())),
            scalar @ (Literal::Bytes(_)
            | Literal::Regex(_)
            | Literal::Duration(_)
            | Literal::Datetime(_)
            | Literal::Uuid(_)
            | Literal::Geometry(_)
            | Literal::File(_)) => match scalar.as_static_value() {
                Some(value) => converted(&value),
                None => Err(Refusal::construct(Construct::Other)),
            },
        }
    }

    fn object(&mut self, entries: &[ObjectEntry], place: Place) -> Result<Expr, Refusal> {
        let mut fields = Vec::with_capacity(entries.len());
        for entry in entries {
            fields.push((Arc::from(entry.key.as_str()), self.expr(&entry.value, place)?));
        }
        folded(Expr::Object(fields.into()), Construct::Computed)
    }

    fn record_id(&mut self, id: &RecordIdLit, place: Place) -> Result<Expr, Refusal> {
        let table: Arc<str> = id.table.as_str().into();
        let key = match &id.key {
            RecordIdKeyLit::Number(number) => Key::Int(*number),
            RecordIdKeyLit::String(text) => Key::String(text.as_str().into()),
            RecordIdKeyLit::Uuid(uuid) => Key::Uuid(uuid.0),
            RecordIdKeyLit::Array(items) => {
                let key = folded(Expr::Array(self.exprs(items, place)?), Construct::Computed)?;
                return folded(Expr::RecordId(table, Box::new(key)), Construct::Computed);
            }
            RecordIdKeyLit::Object(entries) => {
                let key = self.object(entries, place)?;
                return folded(Expr::RecordId(table, Box::new(key)), Construct::Computed);
            }
            RecordIdKeyLit::Generate(_) => return Err(Refusal::construct(Construct::GeneratedKey)),
            RecordIdKeyLit::Range(_) => return Err(Refusal::construct(Construct::RecordRange)),
        };
        Ok(Expr::constant(RecordId { table, key }))
    }
}
