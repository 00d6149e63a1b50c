//! Closures, and the functions that apply them.

use super::evaluate::Environment;
use super::{Expr, Failure, Scope};
use crate::expr::function::Function;
use crate::value::Value;

/// `|$a, $b| ..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Closure {
    /// For each parameter, what makes an argument the type that was declared.
    pub parameters: Box<[Option<Function>]>,
    /// Binds the arguments, in their order.
    pub body: Expr,
    /// What makes the answer the type that was declared.
    pub result: Option<Function>,
}

/// A function that applies a closure. Those over items take an array or a set as their first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Application {
    /// Whether the closure is truthy for all items.
    All,
    /// Whether the closure is truthy for any item.
    Any,
    /// The items for which the closure is truthy.
    Filter,
    /// The positions of the items for which the closure is truthy.
    FilterIndex,
    /// The first item for which the closure is truthy.
    Find,
    /// The position of the first item for which the closure is truthy.
    FindIndex,
    /// What the closure makes of each item and its position; of the items of a set it is not told the position.
    Map,
    /// What the closure makes of the second argument, or of what it made before, and each item with its position.
    Fold,
    /// As [`Application::Fold`], beginning with the first item.
    Reduce,
    /// What the closure makes of the first argument.
    Chain,
    /// The first argument, if the closure answers `true` for it; else there is no answer.
    Expect,
}

/// The depth of values that SurrealDB allows in what a closure accumulates.
const MAX_DEPTH: usize = 256;

/// The items or bytes that a closure may accumulate: more than fits into a record. SurrealDB would go on until memory is
/// exhausted.
const MAX_LENGTH: usize = 1 << 26;

impl Closure {
    /// The number of locals that the body binds.
    pub(super) fn arity(&self) -> u16 {
        self.parameters.len() as u16
    }

    /// Applies the closure. Arguments that it does not take are dropped; those that are missing are `NONE`.
    fn call<const N: usize>(
        &self,
        arguments: [&Value; N],
        scope: &Scope,
        environment: &mut Environment,
    ) -> Result<Value, Failure> {
        environment.spend()?;
        let mut values = Vec::with_capacity(self.parameters.len());
        for (number, parameter) in self.parameters.iter().enumerate() {
            values.push(match (arguments.get(number), parameter) {
                (Some(argument), Some(coercion)) => coercion.call(std::slice::from_ref(*argument))?,
                (Some(argument), None) => (*argument).clone(),
                (None, _) => Value::None,
            });
        }
        let local = scope.bind_all(&values);
        let answer = self.body.value(&scope.within(&local), environment)?.into_owned();
        match &self.result {
            Some(coercion) => coercion.call(&[answer]),
            None => Ok(answer),
        }
    }
}

impl Application {
    pub(super) fn apply(
        self,
        arguments: Vec<Value>,
        closure: &Closure,
        scope: &Scope,
        environment: &mut Environment,
    ) -> Result<Value, Failure> {
        let mut arguments = arguments.into_iter();
        let first = arguments.next().unwrap_or_default();
        match self {
            Application::Chain => return closure.call([&first], scope, environment),
            Application::Expect => {
                return match closure.call([&first], scope, environment)? {
                    Value::Bool(true) => Ok(first),
                    _ => Err(Failure::new("the value is not as expected")),
                };
            }
            _ => {}
        }
        let is_set = matches!(first, Value::Set(_));
        let Some(items) = first.as_list() else {
            return Err(Failure::new("a closure is applied to the items of a list"));
        };
        let list = |items: Vec<Value>| if is_set { Value::Set(items.into()) } else { Value::Array(items.into()) };
        let mut holds = |item: &Value| Ok::<_, Failure>(closure.call([item], scope, environment)?.is_truthy());
        match self {
            Application::All => {
                for item in items {
                    if !holds(item)? {
                        return Ok(Value::Bool(false));
                    }
                }
                Ok(Value::Bool(true))
            }
            Application::Any => {
                for item in items {
                    if holds(item)? {
                        return Ok(Value::Bool(true));
                    }
                }
                Ok(Value::Bool(false))
            }
            Application::Filter => {
                let mut kept = Vec::new();
                for item in items {
                    if holds(item)? {
                        kept.push(item.clone());
                    }
                }
                Ok(list(kept))
            }
            Application::FilterIndex => {
                let mut positions = Vec::new();
                for (position, item) in (0..).zip(items) {
                    if holds(item)? {
                        positions.push(Value::Int(position));
                    }
                }
                Ok(Value::Array(positions.into()))
            }
            Application::Find => {
                for item in items {
                    if holds(item)? {
                        return Ok(item.clone());
                    }
                }
                Ok(Value::None)
            }
            Application::FindIndex => {
                for (position, item) in (0..).zip(items) {
                    if holds(item)? {
                        return Ok(Value::Int(position));
                    }
                }
                Ok(Value::None)
            }
            Application::Map if is_set => {
                let mut mapped = Vec::with_capacity(items.len());
                for item in items {
                    mapped.push(closure.call([item], scope, environment)?);
                }
                Ok(Value::set(mapped))
            }
            Application::Map => {
                let mut mapped = Vec::with_capacity(items.len());
                for (position, item) in (0..).zip(items) {
                    mapped.push(closure.call([item, &Value::Int(position)], scope, environment)?);
                }
                Ok(Value::Array(mapped.into()))
            }
            Application::Fold => {
                let start = arguments.next().unwrap_or_default();
                closure.accumulate(start, items, is_set, scope, environment)
            }
            Application::Reduce => match items.split_first() {
                Some((start, items)) => closure.accumulate(start.clone(), items, is_set, scope, environment),
                None => Ok(Value::None),
            },
            Application::Chain | Application::Expect => Ok(Value::None),
        }
    }
}

impl Closure {
    fn accumulate(
        &self,
        start: Value,
        items: &[Value],
        is_set: bool,
        scope: &Scope,
        environment: &mut Environment,
    ) -> Result<Value, Failure> {
        let mut accumulated = start;
        for (position, item) in (0..).zip(items) {
            accumulated = match is_set {
                true => self.call([&accumulated, item], scope, environment)?,
                false => self.call([&accumulated, item, &Value::Int(position)], scope, environment)?,
            };
            check_size(&accumulated)?;
        }
        Ok(accumulated)
    }
}

/// Refuses to go on with a value that is too deep or too long.
fn check_size(value: &Value) -> Result<(), Failure> {
    let length = match value {
        Value::Array(items) | Value::Set(items) => items.len().saturating_mul(size_of::<Value>()),
        Value::Object(object) => object.len().saturating_mul(size_of::<Value>()),
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    if length > MAX_LENGTH {
        return Err(Failure::new("a closure accumulates too much"));
    }
    if value.is_deeper_than(MAX_DEPTH) {
        return Err(Failure::new("a closure nests values too deeply"));
    }
    Ok(())
}
