//! Blocks: variables, and an expression at the end.

use circuit::{Application, Closure, Expr, Value};
use surrealdb_expr::expr::Expr as SurrealExpr;
use surrealdb_expr::expr::statements::{IfelseStatement, SetStatement};

use super::place::Place;
use super::{Scalar, folded};
use crate::functions;
use crate::refusal::{Construct, Refusal};

/// Names that SurrealDB does not let a query give to variables, and those that mean the row.
const RESERVED: &[&str] = &["access", "auth", "token", "session", "this", "self", "parent"];

/// Variables that may be known at a time. Each is one level of recursion, and the parser does not bound their number.
const MAX_DEPTH: u16 = 128;

impl Scalar<'_> {
    /// `{ LET $a = ..; LET $b = ..; .. }`.
    pub(super) fn block(&mut self, statements: &[SurrealExpr], place: Place) -> Result<Expr, Refusal> {
        let Some((first, rest)) = statements.split_first() else {
            return Ok(Expr::constant(Value::None));
        };
        match first {
            SurrealExpr::Let(variable) => self.variable(variable, rest, place),
            last if rest.is_empty() => self.answer(last, place),
            _ => Err(Refusal::construct(Construct::Block)),
        }
    }

    /// What stands at the end of a block. There, and in a closure, `RETURN a` is `a`.
    pub(super) fn answer(&mut self, expr: &SurrealExpr, place: Place) -> Result<Expr, Refusal> {
        match expr {
            SurrealExpr::Block(block) => self.block(&block.0, place),
            SurrealExpr::IfElse(branches) => self.if_else(branches, place),
            SurrealExpr::Return(statement) if place.is_inside_closure() && statement.fetch.is_none() => {
                self.expr(&statement.what, place)
            }
            other => self.expr(other, place),
        }
    }

    /// A variable is the parameter of a closure that is applied at once.
    fn variable(&mut self, variable: &SetStatement, rest: &[SurrealExpr], place: Place) -> Result<Expr, Refusal> {
        let name = variable.name.as_str();
        if RESERVED.contains(&name) || place.depth() >= MAX_DEPTH {
            return Err(Refusal::construct(Construct::Block));
        }
        let value = self.expr(&variable.what, place)?;
        let known = self.names.len();
        self.names.push((name.to_owned(), place.depth()));
        let body = self.block(rest, place.within_variable());
        self.names.truncate(known);
        let closure = Closure {
            parameters: [variable.kind.as_ref().and_then(functions::coercion)].into(),
            body: body?,
            result: None,
        };
        folded(Expr::Apply(Application::Chain, [value].into(), Box::new(closure)), Construct::Block)
    }

    pub(super) fn if_else(&mut self, statement: &IfelseStatement, place: Place) -> Result<Expr, Refusal> {
        let mut branches = Vec::with_capacity(statement.exprs.len());
        for (condition, value) in &statement.exprs {
            branches.push((self.expr(condition, place)?, self.answer(value, place)?));
        }
        let otherwise = match &statement.close {
            Some(value) => self.answer(value, place)?,
            None => Expr::constant(Value::None),
        };
        folded(Expr::If(branches.into(), Box::new(otherwise)), Construct::Statement)
    }
}
