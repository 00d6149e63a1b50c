//! `+`, `-`, `*`, `/`, `%`, `**` and the sign, of values of any type.

use circuit::{Expr, Failure, Function, Pure, Value};
use surrealdb_expr::val::Value as Surreal;
use surrealdb_runtime::operate;

use super::native::apply;

/// An arithmetic operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
    Negate,
}

impl Arithmetic {
    /// The operator applied to its operands.
    pub(crate) fn of<const N: usize>(self, operands: [Expr; N]) -> Expr {
        Expr::call(Function::new(self), operands)
    }

    /// The answer for numbers of one kind, where it is known without SurrealDB's library.
    fn of_numbers(self, arguments: &[Value]) -> Option<Value> {
        Some(match (self, arguments) {
            (Arithmetic::Add, [Value::Int(a), Value::Int(b)]) => Value::Int(a.checked_add(*b)?),
            (Arithmetic::Add, [Value::Float(a), Value::Float(b)]) => Value::Float(a + b),
            (Arithmetic::Subtract, [Value::Int(a), Value::Int(b)]) => Value::Int(a.checked_sub(*b)?),
            (Arithmetic::Subtract, [Value::Float(a), Value::Float(b)]) => Value::Float(a - b),
            (Arithmetic::Multiply, [Value::Int(a), Value::Int(b)]) => Value::Int(a.checked_mul(*b)?),
            (Arithmetic::Multiply, [Value::Float(a), Value::Float(b)]) => Value::Float(a * b),
            (Arithmetic::Negate, [Value::Int(a)]) => Value::Int(a.checked_neg()?),
            (Arithmetic::Negate, [Value::Float(a)]) => Value::Float(-a),
            _ => return None,
        })
    }
}

impl Pure for Arithmetic {
    fn name(&self) -> &str {
        match self {
            Arithmetic::Add => "+",
            Arithmetic::Subtract => "-",
            Arithmetic::Multiply => "*",
            Arithmetic::Divide => "/",
            Arithmetic::Remainder => "%",
            Arithmetic::Power => "**",
            Arithmetic::Negate => "negate",
        }
    }

    fn call(&self, arguments: &[Value]) -> Result<Value, Failure> {
        if let Some(answer) = self.of_numbers(arguments) {
            return Ok(answer);
        }
        let binary = match self {
            Arithmetic::Add => operate::add,
            Arithmetic::Subtract => operate::sub,
            Arithmetic::Multiply => operate::mul,
            Arithmetic::Divide => operate::div,
            Arithmetic::Remainder => operate::rem,
            Arithmetic::Power => operate::pow,
            Arithmetic::Negate => return apply(arguments, |operands| operate::neg(first(operands))),
        };
        apply(arguments, |operands| {
            let mut operands = operands.into_iter();
            let left = operands.next().unwrap_or_default();
            binary(left, operands.next().unwrap_or_default())
        })
    }
}

fn first(operands: Vec<Surreal>) -> Surreal {
    operands.into_iter().next().unwrap_or_default()
}
