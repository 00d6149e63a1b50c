//! Record ids with numbers inside of their keys. `t:[1]` and `t:[1.0]` are equal, and still two records: where SurrealDB
//! looks one up, or reads a range of them, it goes by what is stored, and not by `=` and `<`.

use std::ops::Bound;

use circuit::{Constant, Expr, Key, Object, Operator, OrderKey, Path, RecordId, Slot, Value};
use surrealdb_expr::expr::{BinaryOperator, Expr as SurrealExpr, Literal, RecordIdKeyLit};

use super::builder::Builder;
use super::scope::{Context, Standing};
use crate::functions;
use crate::refusal::{Anchor, Refusal};

/// Whether another record may have an equal id.
pub(super) fn has_numbers(key: &Key) -> bool {
    match key {
        Key::Int(_) | Key::String(_) | Key::Uuid(_) => false,
        Key::Array(items) => items.iter().any(holds_numbers),
        Key::Object(object) => object.iter().any(|(_, value)| holds_numbers(value)),
        Key::Range(range) => range.ends().any(holds_numbers),
    }
}

fn holds_numbers(value: &Value) -> bool {
    holds(value, &|value| {
        matches!(value, Value::Int(_) | Value::Float(_) | Value::Decimal(_) | Value::Range(_) | Value::Geometry(_))
    })
}

/// Whether a value, or any inside of it, is of some kind.
fn holds(value: &Value, is_meant: &dyn Fn(&Value) -> bool) -> bool {
    is_meant(value)
        || match value {
            Value::Array(items) | Value::Set(items) => items.iter().any(|item| holds(item, is_meant)),
            Value::Object(object) => object.iter().any(|(_, value)| holds(value, is_meant)),
            Value::RecordId(id) => match &id.key {
                Key::Array(items) => items.iter().any(|item| holds(item, is_meant)),
                Key::Object(object) => object.iter().any(|(_, value)| holds(value, is_meant)),
                Key::Range(range) => range.ends().any(|end| holds(end, is_meant)),
                Key::Int(_) | Key::String(_) | Key::Uuid(_) => false,
            },
            _ => false,
        }
}

/// Refuses the id of a record that SurrealDB would answer as it stands in the query, and not as it is stored.
pub(super) fn refuse_signed_zero(id: &RecordId, anchor: &Anchor) -> Result<(), Refusal> {
    let is_signed_zero =
        |value: &Value| matches!(value, Value::Float(number) if *number == 0.0 && number.is_sign_negative());
    if holds(&Value::from(id.clone()), &is_signed_zero) {
        let what = "a record id with -0f inside of its key";
        return Err(Refusal::new(what, "is not supported: write 0f, as it is stored", anchor.clone()));
    }
    Ok(())
}

/// The record that SurrealDB looks up instead of scanning a table: that of the first `id = t:1` among the conditions that
/// all must hold.
pub(super) fn looked_up(
    condition: &SurrealExpr,
    table: &str,
    context: &Context,
    standing: Standing,
) -> Result<Option<RecordId>, Refusal> {
    let SurrealExpr::Binary { left, op, right } = condition else { return Ok(None) };
    if *op == BinaryOperator::And {
        return Ok(match looked_up(left, table, context, standing)? {
            Some(id) => Some(id),
            None => looked_up(right, table, context, standing)?,
        });
    }
    if !matches!(op, BinaryOperator::Equal | BinaryOperator::ExactEqual) {
        return Ok(None);
    }
    for (field, id) in [(left, right), (right, left)] {
        let is_known = match &**id {
            SurrealExpr::Literal(Literal::RecordId(id)) => !matches!(id.key, RecordIdKeyLit::Range(_)),
            SurrealExpr::Param(_) | SurrealExpr::FunctionCall(_) => true,
            _ => false,
        };
        if is_known
            && matches!(&**field, SurrealExpr::Idiom(idiom) if idiom.is_id())
            && let Some(Value::RecordId(id)) = context.constant(id, standing)?
            && *id.table == *table
        {
            return Ok(Some(RecordId::clone(&id)));
        }
    }
    Ok(None)
}

impl Builder {
    /// A condition on the id of the rows.
    pub(super) fn require_id(&mut self, operator: Operator, value: Value) -> Result<(), Refusal> {
        let id = self.id()?;
        let slot = self.slot(Slot::Constant(Constant(value)))?;
        self.require(Expr::binary(operator, id, slot));
        Ok(())
    }

    /// The condition that a row is this record.
    pub(super) fn require_record(&mut self, id: &RecordId) -> Result<(), Refusal> {
        self.require_id(Operator::Equal, Value::from(id.clone()))?;
        if has_numbers(&id.key) {
            self.require_same(id)?;
        }
        Ok(())
    }

    /// The condition that a row whose id is equal is also the same record.
    pub(super) fn require_same(&mut self, id: &RecordId) -> Result<(), Refusal> {
        let own = self.id()?;
        let slot = self.slot(Slot::Constant(Constant(Value::from(id.clone()))))?;
        self.require(Expr::call(functions::is_same_record(), [own, slot]));
        Ok(())
    }

    /// The condition that rows are in a range of records.
    pub(super) fn require_range(&mut self, start: &Bound<RecordId>, end: &Bound<RecordId>) -> Result<(), Refusal> {
        match start {
            Bound::Included(id) | Bound::Excluded(id) if has_numbers(&id.key) => {
                if let Some(before) = beside(id, Side::Before) {
                    self.require_id(Operator::GreaterOrEqual, before.into())?;
                }
                let (own, slot) = (self.id()?, self.slot(Slot::Constant(Constant(id.clone().into())))?);
                self.require(match start {
                    Bound::Excluded(_) => is_before(slot, own),
                    _ => Expr::Not(Box::new(is_before(own, slot))),
                });
            }
            Bound::Included(id) => self.require_id(Operator::GreaterOrEqual, id.clone().into())?,
            Bound::Excluded(id) => self.require_id(Operator::Greater, id.clone().into())?,
            Bound::Unbounded => {}
        }
        match end {
            Bound::Included(id) | Bound::Excluded(id) if has_numbers(&id.key) => {
                if let Some(behind) = beside(id, Side::Behind) {
                    self.require_id(Operator::Less, behind.into())?;
                }
                let (own, slot) = (self.id()?, self.slot(Slot::Constant(Constant(id.clone().into())))?);
                self.require(match end {
                    Bound::Excluded(_) => is_before(own, slot),
                    _ => Expr::Not(Box::new(is_before(slot, own))),
                });
            }
            Bound::Included(id) => self.require_id(Operator::LessOrEqual, id.clone().into())?,
            Bound::Excluded(id) => self.require_id(Operator::Less, id.clone().into())?,
            Bound::Unbounded => {}
        }
        Ok(())
    }

    /// The order in which a table is read from its last record to its first.
    pub(super) fn read_backwards(&mut self) -> Result<(), Refusal> {
        let column = self.column(Path::field("id").into())?;
        self.push_order(OrderKey { as_read: true, ..OrderKey::new(column, true) });
        Ok(())
    }

    fn id(&mut self) -> Result<Expr, Refusal> {
        self.column(Path::field("id").into()).map(Expr::Column)
    }
}

fn is_before(a: Expr, b: Expr) -> Expr {
    Expr::call(functions::is_read_before(), [a, b])
}

/// Which side of a key another one is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Before,
    Behind,
}

/// An id on one side of this one in both orders, by which an index finds what may be in a range; none if there is none
/// near. It ends with the first number: in the order of values, what is behind a number decides between `1` and `1.0`,
/// and floats and decimals that lie close together compare as equal.
fn beside(id: &RecordId, side: Side) -> Option<RecordId> {
    let key = match &id.key {
        Key::Array(items) => Key::Array(list_beside(items, side)?.into()),
        Key::Object(object) => Key::Object(object_beside(object, side)?.into()),
        _ => return None,
    };
    Some(RecordId { table: id.table.clone(), key })
}

fn list_beside(items: &[Value], side: Side) -> Option<Vec<Value>> {
    let first = items.iter().position(holds_numbers)?;
    let mut beside = items[..first].to_vec();
    beside.push(value_beside(&items[first], side)?);
    Some(beside)
}

fn object_beside(object: &Object, side: Side) -> Option<Object> {
    let first = object.iter().position(|(_, value)| holds_numbers(value))?;
    let mut fields: Vec<_> = object.iter().take(first + 1).map(|(name, value)| (name.clone(), value.clone())).collect();
    let (_, last) = fields.last_mut()?;
    *last = value_beside(last, side)?;
    Some(fields.into_iter().collect())
}

fn value_beside(value: &Value, side: Side) -> Option<Value> {
    let sign = if side == Side::Before { -1 } else { 1 };
    Some(match value {
        Value::Int(number) if side == Side::Before => Value::Int(*number),
        Value::Int(number) => Value::Int(number.checked_add(1)?),
        Value::Float(number) if number.is_finite() => {
            let moved = number + f64::from(sign) * (1.0 + number.abs() * 1e-9);
            Value::Float(Some(moved).filter(|moved| moved.is_finite())?)
        }
        Value::Decimal(number) => Value::Decimal(number.checked_add(sign.into())?),
        Value::Array(items) => Value::Array(list_beside(items, side)?.into()),
        Value::Object(object) => Value::from(object_beside(object, side)?),
        _ => return None,
    })
}
