//! Expressions: constants are folded and lifted into slots, paths become columns.

use std::ops::Bound;
use std::sync::Arc;

use circuit::{Expr, Key, Links, Object, Operator, Path, PathStep, Range, RecordId, Value};
use surrealdb_expr::expr::part::Part;
use surrealdb_expr::expr::{
    self as surreal, BinaryOperator, Literal, ObjectEntry, PostfixOperator, PrefixOperator, RecordIdKeyLit, RecordIdLit,
};
use surrealdb_runtime::operate;

use crate::SurrealLibrary;
use crate::convert::{from_surreal, to_surreal};
use crate::refusal::{Anchor, Construct, Refusal};

/// Collects the columns and slots of one query while its expressions are lowered.
///
/// Every constant gets a slot of its own, also when two are the same value: the template must not depend on the
/// constants.
#[derive(Debug)]
pub(crate) struct Lowering<'a> {
    parameters: &'a Object,
    pub columns: Vec<Path>,
    pub slots: Vec<Value>,
}

/// A lowered expression.
#[derive(Debug)]
enum Operand {
    /// The same for all rows.
    Constant(Value),
    /// Depends on the row.
    Row(Expr),
}

impl<'a> Lowering<'a> {
    pub(crate) fn new(parameters: &'a Object) -> Self {
        Lowering { parameters, columns: Vec::new(), slots: Vec::new() }
    }

    /// Lowers an expression; one that is constant becomes a slot.
    pub(crate) fn expr(&mut self, expr: &surreal::Expr) -> Result<Expr, Refusal> {
        let operand = self.operand(expr)?;
        self.lift(operand)
    }

    /// The value of an expression that must not depend on the row.
    pub(crate) fn constant(&mut self, expr: &surreal::Expr) -> Result<Value, Refusal> {
        self.constant_or(expr, || Refusal::construct(Construct::Computed))
    }

    /// The value of an expression; refused as given if it depends on the row.
    pub(crate) fn constant_or(
        &mut self,
        expr: &surreal::Expr,
        refusal: impl FnOnce() -> Refusal,
    ) -> Result<Value, Refusal> {
        match self.operand(expr)? {
            Operand::Constant(value) => Ok(value),
            Operand::Row(_) => Err(refusal()),
        }
    }

    /// The number of the column with this path, which is added if there is none.
    pub(crate) fn column(&mut self, path: Path) -> Result<u16, Refusal> {
        let known = self.columns.iter().position(|column| *column == path);
        let number = known.unwrap_or(self.columns.len());
        if known.is_none() {
            self.columns.push(path);
        }
        u16::try_from(number).map_err(|_| too_large())
    }

    pub(crate) fn slot(&mut self, value: Value) -> Result<Expr, Refusal> {
        let number = u16::try_from(self.slots.len()).map_err(|_| too_large())?;
        self.slots.push(value);
        Ok(Expr::Slot(number))
    }

    fn lift(&mut self, operand: Operand) -> Result<Expr, Refusal> {
        match operand {
            Operand::Constant(value) => self.slot(value),
            Operand::Row(expr) => Ok(expr),
        }
    }

    fn operand(&mut self, expr: &surreal::Expr) -> Result<Operand, Refusal> {
        match expr {
            surreal::Expr::Literal(literal) => self.literal(literal).map(Operand::Constant),
            surreal::Expr::Param(parameter) => self.parameter(parameter.as_str()).map(Operand::Constant),
            surreal::Expr::Constant(constant) => converted(&constant.compute()).map(Operand::Constant),
            surreal::Expr::Idiom(idiom) => self.idiom(&idiom.0),
            surreal::Expr::Prefix { op, expr: inner } => self.prefix(expr, op, inner),
            surreal::Expr::Postfix { op, expr: inner } => self.postfix(expr, op, inner),
            surreal::Expr::Binary { left, op, right } => self.binary(expr, left, op, right),
            other => Err(Refusal::construct(Construct::of(other))),
        }
    }

    fn parameter(&self, name: &str) -> Result<Value, Refusal> {
        let anchor = Anchor::Parameter(name.to_owned());
        // These are the row itself, whatever was given under their names.
        if matches!(name, "this" | "self" | "parent") {
            return Err(Refusal::new(format!("the parameter ${name}"), "is not supported yet", anchor));
        }
        let value = self.parameters.get(name).cloned();
        // SurrealDB would look for a `DEFINE PARAM`, which may change at any time.
        let kind = crate::ErrorKind::UnknownParameter { name: name.to_owned() };
        value.ok_or(Refusal { kind, anchor })
    }

    fn literal(&mut self, literal: &Literal) -> Result<Value, Refusal> {
        Ok(match literal {
            Literal::Array(items) => self.list(items)?.into_iter().collect(),
            Literal::Set(items) => Value::set(self.list(items)?),
            Literal::Object(entries) => Value::from(self.object(entries)?),
            Literal::RecordId(id) => Value::from(self.record_id(id)?),
            Literal::UnboundedRange => range(Bound::Unbounded, Bound::Unbounded),
            Literal::None => Value::None,
            Literal::Null => Value::Null,
            Literal::Bool(flag) => Value::Bool(*flag),
            Literal::Float(number) => Value::Float(*number),
            Literal::Integer(number) => Value::Int(*number),
            Literal::Decimal(number) => Value::Decimal(*number),
            Literal::String(text) => Value::String(text.as_str().into()),
            scalar @ (Literal::Bytes(_)
            | Literal::Regex(_)
            | Literal::Duration(_)
            | Literal::Datetime(_)
            | Literal::Uuid(_)
            | Literal::Geometry(_)
            | Literal::File(_)) => match scalar.as_static_value() {
                Some(value) => converted(&value)?,
                None => return Err(Refusal::construct(Construct::Other)),
            },
        })
    }

    fn list(&mut self, items: &[surreal::Expr]) -> Result<Vec<Value>, Refusal> {
        items.iter().map(|item| self.constant(item)).collect()
    }

    fn object(&mut self, entries: &[ObjectEntry]) -> Result<Object, Refusal> {
        entries.iter().map(|entry| Ok((Arc::from(entry.key.as_str()), self.constant(&entry.value)?))).collect()
    }

    pub(crate) fn record_id(&mut self, id: &RecordIdLit) -> Result<RecordId, Refusal> {
        let key = match &id.key {
            RecordIdKeyLit::Number(number) => Key::Int(*number),
            RecordIdKeyLit::String(text) => Key::String(text.as_str().into()),
            RecordIdKeyLit::Uuid(uuid) => Key::Uuid(uuid.0),
            RecordIdKeyLit::Array(items) => Key::Array(self.list(items)?.into()),
            RecordIdKeyLit::Object(entries) => Key::Object(Arc::new(self.object(entries)?)),
            RecordIdKeyLit::Generate(_) => return Err(Refusal::construct(Construct::GeneratedKey)),
            RecordIdKeyLit::Range(_) => return Err(Refusal::construct(Construct::RecordRange)),
        };
        Ok(RecordId::new(id.table.as_str(), key))
    }

    fn idiom(&mut self, parts: &[Part]) -> Result<Operand, Refusal> {
        match parts.split_first() {
            Some((Part::Start(start), rest)) => {
                let Operand::Constant(start) = self.operand(start)? else {
                    return Err(Refusal::construct(Construct::PathFromValue));
                };
                let steps = self.steps(rest)?;
                value_at(start, steps).map(Operand::Constant)
            }
            _ => {
                let path = self.path(parts)?;
                Ok(Operand::Row(Expr::Column(self.column(path)?)))
            }
        }
    }

    /// A path that starts at a field of the row.
    pub(crate) fn path(&mut self, parts: &[Part]) -> Result<Path, Refusal> {
        let Some((first, rest)) = parts.split_first() else {
            return Err(Refusal::construct(Construct::Other));
        };
        let Part::Field(first) = first else {
            return Err(Refusal::construct(Construct::of_part(first)));
        };
        Ok(Path::new(first.as_str(), self.steps(rest)?))
    }

    fn steps(&mut self, parts: &[Part]) -> Result<Vec<PathStep>, Refusal> {
        parts
            .iter()
            .map(|part| match part {
                Part::Field(name) => Ok(PathStep::Field(name.as_str().into())),
                Part::Last => Ok(PathStep::Last),
                Part::Value(index) => self.index(index).map(PathStep::Index),
                other => Err(Refusal::construct(Construct::of_part(other))),
            })
            .collect()
    }

    fn index(&mut self, index: &surreal::Expr) -> Result<usize, Refusal> {
        let value = match self.operand(index)? {
            Operand::Constant(Value::Int(number)) => usize::try_from(number).ok(),
            Operand::Constant(_) | Operand::Row(_) => None,
        };
        value.ok_or_else(|| Refusal::construct(Construct::Index))
    }

    fn prefix(
        &mut self,
        whole: &surreal::Expr,
        operator: &PrefixOperator,
        inner: &surreal::Expr,
    ) -> Result<Operand, Refusal> {
        if matches!(operator, PrefixOperator::Cast(_)) {
            return Err(Refusal::construct(Construct::Cast));
        }
        Ok(match (operator, self.operand(inner)?) {
            // `+` does nothing, to any value.
            (PrefixOperator::Positive, operand) => operand,
            (PrefixOperator::Not, Operand::Row(expr)) => Operand::Row(Expr::Not(Box::new(expr))),
            (PrefixOperator::Not, Operand::Constant(value)) => Operand::Constant(Value::Bool(!value.is_truthy())),
            (PrefixOperator::Negate, Operand::Constant(value)) => {
                let negated = operate::neg(checked(&value)?).map_err(|error| failed(whole, &error))?;
                Operand::Constant(converted(&negated)?)
            }
            (PrefixOperator::Range, Operand::Constant(end)) => {
                Operand::Constant(range(Bound::Unbounded, Bound::Excluded(end)))
            }
            (PrefixOperator::RangeInclusive, Operand::Constant(end)) => {
                Operand::Constant(range(Bound::Unbounded, Bound::Included(end)))
            }
            _ => return Err(Refusal::construct(Construct::of(whole))),
        })
    }

    fn postfix(
        &mut self,
        whole: &surreal::Expr,
        operator: &PostfixOperator,
        inner: &surreal::Expr,
    ) -> Result<Operand, Refusal> {
        let bound: fn(Value) -> Bound<Value> = match operator {
            PostfixOperator::Range => Bound::Included,
            PostfixOperator::RangeSkip => Bound::Excluded,
            PostfixOperator::MethodCall(name, _) => {
                return Err(Refusal::construct(Construct::Method(name.to_lowercase())));
            }
            PostfixOperator::Call(_) => return Err(Refusal::construct(Construct::of(whole))),
        };
        Ok(Operand::Constant(range(bound(self.constant(inner)?), Bound::Unbounded)))
    }

    fn binary(
        &mut self,
        whole: &surreal::Expr,
        left: &surreal::Expr,
        operator: &BinaryOperator,
        right: &surreal::Expr,
    ) -> Result<Operand, Refusal> {
        if matches!(operator, BinaryOperator::Matches(_) | BinaryOperator::NearestNeighbor(_)) {
            return Err(Refusal::construct(Construct::of(whole)));
        }
        let operands = (self.operand(left)?, self.operand(right)?);
        if let Some(operator) = comparison(operator) {
            return match operands {
                (Operand::Constant(left), Operand::Constant(right)) => {
                    Ok(Operand::Constant(fold(operator, left, right)))
                }
                (left, right) => {
                    let (left, right) = (self.lift(left)?, self.lift(right)?);
                    Ok(Operand::Row(normalised(operator, left, right)))
                }
            };
        }
        match operands {
            (Operand::Constant(left), Operand::Constant(right)) => {
                Ok(Operand::Constant(combine(whole, operator, left, right)?))
            }
            _ if is_range(operator) => Err(Refusal::construct(Construct::Computed)),
            _ => Err(Refusal::construct(Construct::Arithmetic)),
        }
    }
}

/// The circuit's operator, for all that compare or choose their operands.
fn comparison(operator: &BinaryOperator) -> Option<Operator> {
    Some(match operator {
        BinaryOperator::And => Operator::And,
        // `a ?: b` is `a` if it is truthy, and so is `a || b`.
        BinaryOperator::Or | BinaryOperator::TenaryCondition => Operator::Or,
        BinaryOperator::NullCoalescing => Operator::Coalesce,
        BinaryOperator::Equal => Operator::Equal,
        BinaryOperator::NotEqual => Operator::NotEqual,
        BinaryOperator::ExactEqual => Operator::Exact,
        BinaryOperator::AllEqual => Operator::AllEqual,
        BinaryOperator::AnyEqual => Operator::AnyEqual,
        BinaryOperator::LessThan => Operator::Less,
        BinaryOperator::LessThanEqual => Operator::LessOrEqual,
        BinaryOperator::MoreThan => Operator::Greater,
        BinaryOperator::MoreThanEqual => Operator::GreaterOrEqual,
        BinaryOperator::Contain => Operator::Contains,
        BinaryOperator::NotContain => Operator::ContainsNot,
        BinaryOperator::ContainAll => Operator::ContainsAll,
        BinaryOperator::ContainAny => Operator::ContainsAny,
        BinaryOperator::ContainNone => Operator::ContainsNone,
        BinaryOperator::Inside => Operator::Inside,
        BinaryOperator::NotInside => Operator::NotInside,
        BinaryOperator::AllInside => Operator::AllInside,
        BinaryOperator::AnyInside => Operator::AnyInside,
        BinaryOperator::NoneInside => Operator::NoneInside,
        BinaryOperator::Outside => Operator::Outside,
        BinaryOperator::Intersects => Operator::Intersects,
        BinaryOperator::Subtract
        | BinaryOperator::Add
        | BinaryOperator::Multiply
        | BinaryOperator::Divide
        | BinaryOperator::Remainder
        | BinaryOperator::Power
        | BinaryOperator::Range
        | BinaryOperator::RangeInclusive
        | BinaryOperator::RangeSkip
        | BinaryOperator::RangeSkipInclusive
        | BinaryOperator::Matches(_)
        | BinaryOperator::NearestNeighbor(_) => return None,
    })
}

fn is_range(operator: &BinaryOperator) -> bool {
    matches!(
        operator,
        BinaryOperator::Range
            | BinaryOperator::RangeInclusive
            | BinaryOperator::RangeSkip
            | BinaryOperator::RangeSkipInclusive
    )
}

fn fold(operator: Operator, left: Value, right: Value) -> Value {
    let keeps_left = match operator {
        Operator::And => !left.is_truthy(),
        Operator::Or => left.is_truthy(),
        Operator::Coalesce => !left.is_nullish(),
        comparison => return Value::Bool(comparison.compare(&left, &right, &SurrealLibrary)),
    };
    if keeps_left { left } else { right }
}

/// Arithmetic and ranges of constants.
fn combine(whole: &surreal::Expr, operator: &BinaryOperator, left: Value, right: Value) -> Result<Value, Refusal> {
    let apply = match operator {
        BinaryOperator::Add => operate::add,
        BinaryOperator::Subtract => operate::sub,
        BinaryOperator::Multiply => operate::mul,
        BinaryOperator::Divide => operate::div,
        BinaryOperator::Remainder => operate::rem,
        BinaryOperator::Power => operate::pow,
        BinaryOperator::Range => return Ok(range(Bound::Included(left), Bound::Excluded(right))),
        BinaryOperator::RangeInclusive => return Ok(range(Bound::Included(left), Bound::Included(right))),
        BinaryOperator::RangeSkip => return Ok(range(Bound::Excluded(left), Bound::Excluded(right))),
        BinaryOperator::RangeSkipInclusive => return Ok(range(Bound::Excluded(left), Bound::Included(right))),
        _ => return Err(Refusal::construct(Construct::of(whole))),
    };
    let result = apply(checked(&left)?, checked(&right)?).map_err(|error| failed(whole, &error))?;
    converted(&result)
}

/// One spelling for what means the same: a constant on the left goes to the right, and chains of `&&` and of `||` lean
/// to the left, whatever the parentheses.
fn normalised(operator: Operator, left: Expr, right: Expr) -> Expr {
    if matches!(operator, Operator::And | Operator::Or) {
        // Both operators are associative, also as values.
        return match right {
            Expr::Binary(inner, first, second) if inner == operator => {
                Expr::binary(operator, normalised(operator, left, *first), *second)
            }
            right => Expr::binary(operator, left, right),
        };
    }
    match operator.mirrored() {
        Some(mirrored) if matches!(left, Expr::Slot(_)) => Expr::binary(mirrored, right, left),
        _ => Expr::binary(operator, left, right),
    }
}

/// The value at some steps into a constant.
fn value_at(start: Value, steps: Vec<PathStep>) -> Result<Value, Refusal> {
    const START: &str = "value";
    let mut links = NoLinks { followed: false };
    let row: Object = [(Arc::from(START), start)].into_iter().collect();
    let value = Path::new(START, steps).get(&row, &mut links);
    if links.followed {
        return Err(Refusal::new(
            "a path from a constant into another record",
            "is not supported yet",
            Anchor::Construct(Construct::PathFromValue),
        ));
    }
    Ok(value)
}

/// Notes when a record would have to be read.
struct NoLinks {
    followed: bool,
}

impl Links for NoLinks {
    fn field_of(&mut self, _: &Arc<RecordId>, _: &str) -> Value {
        self.followed = true;
        Value::None
    }
}

fn range(start: Bound<Value>, end: Bound<Value>) -> Value {
    Value::Range(Arc::new(Range { start, end }))
}

fn converted(value: &surrealdb_expr::val::Value) -> Result<Value, Refusal> {
    from_surreal(value).map_err(|error| Refusal::invalid(error.to_string(), Anchor::Statement))
}

fn checked(value: &Value) -> Result<surrealdb_expr::val::Value, Refusal> {
    to_surreal(value).map_err(|error| Refusal::invalid(error.to_string(), Anchor::Statement))
}

fn failed(whole: &surreal::Expr, error: &dyn std::fmt::Display) -> Refusal {
    Refusal::invalid(error.to_string(), Anchor::Construct(Construct::of(whole)))
}

fn too_large() -> Refusal {
    Refusal::new("a query with more than 65,536 fields or constants", "is not supported", Anchor::Statement)
}
