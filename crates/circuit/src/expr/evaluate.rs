//! The value of an expression.

use std::borrow::{Borrow, Cow};
use std::ops::Bound;
use std::sync::Arc;

use smallvec::SmallVec;

use super::part::{walk, walk_items};
use super::policy::guarded;
use super::{Constant, Expr, Failure, Operator, Part, RowContent, Scope};
use crate::expr::library::Library;
use crate::expr::reader::Reader;
use crate::value::{Key, Object, Range, RecordId, Value};

/// How often one evaluation may look at an item of a list or follow an edge. What is nested multiplies: without a bound, a
/// short query could keep the engine busy for ever.
const BUDGET: u32 = 1 << 22;

/// What evaluation needs besides the scope.
pub(super) struct Environment<'e> {
    pub(super) reader: &'e mut dyn Reader,
    pub(super) library: &'e dyn Library,
    budget: u32,
}

impl<'e> Environment<'e> {
    fn new(reader: &'e mut dyn Reader, library: &'e dyn Library) -> Self {
        Environment { reader, library, budget: BUDGET }
    }

    /// Counts one more item; fails if there were too many.
    pub(super) fn spend(&mut self) -> Result<(), Failure> {
        self.budget =
            self.budget.checked_sub(1).ok_or_else(|| Failure::new("the expression looks at too many items"))?;
        Ok(())
    }
}

/// A value, borrowed where it can be.
pub(super) type Evaluated<'a> = Result<Cow<'a, Value>, Failure>;

impl Expr {
    /// Whether the expression holds, as a condition.
    pub fn test(&self, scope: &Scope, reader: &mut dyn Reader, library: &dyn Library) -> Result<bool, Failure> {
        self.holds(scope, &mut Environment::new(reader, library))
    }

    /// The value of the expression. Borrows where it can.
    pub fn evaluate<'a>(
        &'a self,
        scope: &Scope<'a>,
        reader: &mut dyn Reader,
        library: &dyn Library,
    ) -> Result<Cow<'a, Value>, Failure> {
        self.value(scope, &mut Environment::new(reader, library))
    }

    pub(super) fn holds(&self, scope: &Scope, environment: &mut Environment) -> Result<bool, Failure> {
        Ok(match self {
            Expr::Binary(Operator::And, left, right) => {
                left.holds(scope, environment)? && right.holds(scope, environment)?
            }
            Expr::Binary(Operator::Or, left, right) => {
                left.holds(scope, environment)? || right.holds(scope, environment)?
            }
            Expr::Not(inner) => !inner.holds(scope, environment)?,
            Expr::Binary(operator, left, right) if *operator != Operator::Coalesce => {
                let (left, right) = (left.value(scope, environment)?, right.value(scope, environment)?);
                operator.compare(&left, &right, environment.library)
            }
            other => other.value(scope, environment)?.is_truthy(),
        })
    }

    pub(super) fn value<'a>(&'a self, scope: &Scope<'a>, environment: &mut Environment) -> Evaluated<'a> {
        Ok(match self {
            Expr::Row => match scope.row {
                Some(RowContent::Value(value)) => Cow::Borrowed(value),
                Some(RowContent::Fields(fields)) => Cow::Owned(Value::from(fields.clone())),
                None => Cow::Owned(Value::None),
            },
            Expr::Column(column) => at(scope.columns, *column)?,
            Expr::Slot(slot) => at(scope.slots, *slot)?,
            Expr::Subquery(number) => match scope.subqueries.get(usize::from(*number)) {
                Some(Ok(answer)) => Cow::Borrowed(answer),
                Some(Err(failure)) => return Err(failure.clone()),
                None => Cow::Owned(Value::None),
            },
            Expr::Local(number) => scope.local(*number).map_or(Cow::Owned(Value::None), Cow::Borrowed),
            Expr::Constant(Constant(value)) => Cow::Borrowed(value),
            Expr::Path(path) => match scope.row {
                Some(row) => path.get(row, environment.reader),
                None => Cow::Owned(Value::None),
            },
            Expr::Walk(start, parts) => match (&**start, scope.row) {
                (Expr::Path(path), Some(RowContent::Value(Value::Array(items)))) => {
                    walk_items(items, path, parts, scope, environment)?
                }
                // The graph looks at nothing but the id, so the row needs not be made a value.
                (Expr::Row, Some(RowContent::Fields(fields)))
                    if matches!(
                        (parts.first(), fields.get("id")),
                        (Some(Part::Graph(..)), Some(Value::RecordId(_)))
                    ) =>
                {
                    let id = fields.get("id").map_or(Cow::Owned(Value::None), Cow::Borrowed);
                    walk(id, parts, false, scope, environment)?
                }
                _ => {
                    let value = start.value(scope, environment)?;
                    // A row that is a list is one start of steps that nothing follows, other than a list on the way.
                    let is_one_start = **start == Expr::Row && parts.len() == 1;
                    walk(value, parts, is_one_start, scope, environment)?
                }
            },
            Expr::Not(inner) => Cow::Owned(Value::Bool(!inner.holds(scope, environment)?)),
            Expr::Binary(operator, left, right) => {
                let left = left.value(scope, environment)?;
                let keeps_left = match operator {
                    Operator::And => !left.is_truthy(),
                    Operator::Or => left.is_truthy(),
                    Operator::Coalesce => !left.is_nullish(),
                    comparison => {
                        let right = right.value(scope, environment)?;
                        return Ok(Cow::Owned(Value::Bool(comparison.compare(&left, &right, environment.library))));
                    }
                };
                if keeps_left { left } else { right.value(scope, environment)? }
            }
            Expr::Call(function, arguments) => {
                let mut values: SmallVec<[Value; 4]> = SmallVec::with_capacity(arguments.len());
                for argument in arguments {
                    values.push(argument.value(scope, environment)?.into_owned());
                }
                Cow::Owned(function.call(&values)?)
            }
            Expr::Array(items) => Cow::Owned(Value::Array(values(items, scope, environment)?.into())),
            Expr::Set(items) => Cow::Owned(Value::set(values(items, scope, environment)?)),
            Expr::Object(fields) => {
                let value = |(name, field): &(Arc<str>, Expr)| {
                    Ok((name.clone(), field.value(scope, environment)?.into_owned()))
                };
                Cow::Owned(Value::from(fields.iter().map(value).collect::<Result<Object, Failure>>()?))
            }
            Expr::Range(start, end) => {
                let start = bound(start, scope, environment)?;
                Cow::Owned(Value::Range(Arc::new(Range { start, end: bound(end, scope, environment)? })))
            }
            Expr::RecordId(table, key) => {
                let key = match key.value(scope, environment)?.into_owned() {
                    Value::Array(items) => Key::Array(items),
                    Value::Object(fields) => Key::Object(fields),
                    _ => return Err(Failure::new("a computed key is an array or an object")),
                };
                Cow::Owned(Value::from(RecordId { table: table.clone(), key }))
            }
            Expr::Otherwise(inner, Constant(otherwise)) => match inner.value(scope, environment) {
                Ok(value) => value,
                Err(Failure(_)) => Cow::Borrowed(otherwise),
            },
            Expr::If(branches, otherwise) => {
                for (condition, value) in branches {
                    if condition.holds(scope, environment)? {
                        return value.value(scope, environment);
                    }
                }
                otherwise.value(scope, environment)?
            }
            Expr::Apply(application, arguments, closure) => {
                let arguments = values(arguments, scope, environment)?;
                Cow::Owned(application.apply(arguments, closure, scope, environment)?)
            }
            Expr::Guarded(policy, inner) => Cow::Owned(guarded(policy, inner, scope, environment)?),
        })
    }
}

fn at<V: Borrow<Value>>(values: &[Option<V>], index: u16) -> Evaluated<'_> {
    match values.get(usize::from(index)) {
        Some(Some(value)) => Ok(Cow::Borrowed(value.borrow())),
        Some(None) => Err(Failure::new("a value that this is computed from can't be computed")),
        None => Ok(Cow::Owned(Value::None)),
    }
}

fn values(items: &[Expr], scope: &Scope, environment: &mut Environment) -> Result<Vec<Value>, Failure> {
    items.iter().map(|item| Ok(item.value(scope, environment)?.into_owned())).collect()
}

fn bound(bound: &Bound<Box<Expr>>, scope: &Scope, environment: &mut Environment) -> Result<Bound<Value>, Failure> {
    Ok(match bound {
        Bound::Included(expr) => Bound::Included(expr.value(scope, environment)?.into_owned()),
        Bound::Excluded(expr) => Bound::Excluded(expr.value(scope, environment)?.into_owned()),
        Bound::Unbounded => Bound::Unbounded,
    })
}
