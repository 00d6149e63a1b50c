//! Structural lowering: an expression of SurrealDB becomes one of the circuit that has the same value.
//!
//! Nothing is decided here about where a part of it is evaluated; what parameters, the row of a query around this one and
//! subqueries stand for is the business of a [`Resolver`].

mod block;
mod call;
mod graph;
mod literal;
mod operator;
mod path;
mod place;

use std::sync::Arc;

use circuit::{Constant, Direction, Expr, Object, Reader, RecordId, Scope, Value};
use surrealdb_expr::expr::Expr as SurrealExpr;
use surrealdb_expr::expr::part::Part;
use surrealdb_expr::expr::statements::SelectStatement;

use crate::SurrealLibrary;
use crate::convert::from_surreal;
use crate::refusal::{Anchor, Construct, Refusal};
use place::{Parent, Place};

/// What an expression can't tell about its surroundings.
pub(crate) trait Resolver {
    /// What the parameter of this name stands for. Never asked for `$this`, `$self` and `$parent`.
    fn parameter(&mut self, name: &str) -> Result<Expr, Refusal>;

    /// What is at the end of a path that starts at the row of the query around this one, as `$parent.author` does. The
    /// parts are fields, constant indexes and `.*`; there may be none.
    fn parent(&mut self, parts: &[Part]) -> Result<Expr, Refusal>;

    /// Whether a function of this name answers of records what it should; why not, if it does not.
    fn asks_records(&self, _name: &str) -> Result<(), Refusal> {
        Ok(())
    }

    /// What a subquery answers.
    fn subquery(&mut self, select: &SelectStatement) -> Result<Expr, Refusal>;
}

/// Lowers an expression over a row. Functions of constants are applied; what fails for constants is refused.
pub(crate) fn scalar(expr: &SurrealExpr, resolver: &mut dyn Resolver) -> Result<Expr, Refusal> {
    Scalar { resolver, names: Vec::new() }.expr(expr, Place::ROW)
}

/// Lowers an expression over a record that is bound around it, and not over a row.
pub(crate) fn over_record(expr: &SurrealExpr, resolver: &mut dyn Resolver) -> Result<Expr, Refusal> {
    Scalar { resolver, names: Vec::new() }.expr(expr, Place::over_record(1))
}

/// Lowers an expression over a record and, as `$value`, one of its fields, both of which are bound around it.
pub(crate) fn over_field(expr: &SurrealExpr, resolver: &mut dyn Resolver) -> Result<Expr, Refusal> {
    Scalar { resolver, names: vec![("value".to_owned(), 1)] }.expr(expr, Place::over_record(2))
}

/// Lowers a path that starts at the row, or with an expression of its own.
pub(crate) fn idiom(parts: &[Part], resolver: &mut dyn Resolver) -> Result<Expr, Refusal> {
    Scalar { resolver, names: Vec::new() }.idiom(parts, Place::ROW)
}

/// An expression on its way down.
struct Scalar<'r> {
    resolver: &'r mut dyn Resolver,
    /// The parameters of the closures around, with the level at which each is bound.
    names: Vec<(String, u16)>,
}

impl Scalar<'_> {
    fn expr(&mut self, expr: &SurrealExpr, place: Place) -> Result<Expr, Refusal> {
        match expr {
            SurrealExpr::Literal(literal) => self.literal(literal, place),
            SurrealExpr::Param(parameter) => self.parameter(parameter.as_str(), place),
            SurrealExpr::Constant(constant) => converted(&constant.compute()),
            SurrealExpr::Table(name) => Ok(Expr::constant(Value::Table(name.as_str().into()))),
            SurrealExpr::Idiom(idiom) => self.idiom(&idiom.0, place),
            SurrealExpr::Prefix { op, expr: inner } => self.prefix(expr, op, inner, place),
            SurrealExpr::Postfix { op, expr: inner } => self.postfix(expr, op, inner, place),
            SurrealExpr::Binary { left, op, right } => self.binary(expr, left, op, right, place),
            SurrealExpr::FunctionCall(call) => self.call(expr, call, place),
            SurrealExpr::IfElse(branches) => self.if_else(branches, place),
            SurrealExpr::Block(block) => self.block(&block.0, place),
            SurrealExpr::Select(select) => self.subquery(select, place),
            other => Err(Refusal::construct(Construct::of(other))),
        }
    }

    fn exprs(&mut self, exprs: &[SurrealExpr], place: Place) -> Result<Box<[Expr]>, Refusal> {
        exprs.iter().map(|expr| self.expr(expr, place)).collect()
    }

    fn parameter(&mut self, name: &str, place: Place) -> Result<Expr, Refusal> {
        match name {
            "this" | "self" => Ok(place.current()),
            "parent" => match place.parent() {
                Parent::Known(parent) => Ok(parent),
                Parent::Around => self.resolver.parent(&[]),
                Parent::Unknown => Err(Refusal::construct(Construct::Closure)),
            },
            _ => match self.names.iter().rev().find(|(known, _)| known == name) {
                Some((_, level)) => Ok(place.local(*level)),
                None => self.resolver.parameter(name),
            },
        }
    }

    fn subquery(&mut self, select: &SelectStatement, place: Place) -> Result<Expr, Refusal> {
        // SurrealDB evaluates closures with another executor, whose subqueries see other surroundings.
        if place.is_inside_graph() || place.is_inside_closure() {
            return Err(Refusal::construct(Construct::Statement));
        }
        self.resolver.subquery(select)
    }
}

/// The value of an expression that is made of constants only, or the expression.
fn folded(expr: Expr, construct: Construct) -> Result<Expr, Refusal> {
    let depends =
        |expr: &Expr| matches!(expr, Expr::Row | Expr::Path(_) | Expr::Column(_) | Expr::Slot(_) | Expr::Subquery(_));
    let mut is_ready = !depends(&expr);
    expr.children(&mut |child, bound| match child {
        Expr::Constant(_) => {}
        child if bound > 0 => is_ready = is_ready && !child.any(&mut |expr| depends(expr)),
        _ => is_ready = false,
    });
    if !is_ready || !expr.is_closed() {
        return Ok(expr);
    }
    let mut unread = Unread::default();
    let value = expr.evaluate(&Scope::default(), &mut unread, &SurrealLibrary);
    if unread.was_asked {
        return Ok(expr);
    }
    match value.map(|value| value.into_owned()) {
        Ok(value) => Ok(Expr::Constant(Constant(value))),
        Err(failure) => Err(Refusal::invalid(&*failure.0, Anchor::Construct(construct))),
    }
}

/// Notes when a record would have to be read.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    pub(crate) was_asked: bool,
}

impl Reader for Unread {
    fn record(&mut self, _: &Arc<RecordId>) -> Option<Object> {
        self.was_asked = true;
        None
    }

    fn field_of(&mut self, _: &Arc<RecordId>, _: &str) -> Value {
        self.was_asked = true;
        Value::None
    }

    fn edges(&mut self, _: &Arc<RecordId>, _: Direction, _: Option<&str>) -> Vec<Arc<RecordId>> {
        self.was_asked = true;
        Vec::new()
    }
}

fn converted(value: &surrealdb_expr::val::Value) -> Result<Expr, Refusal> {
    match from_surreal(value) {
        Ok(value) => Ok(Expr::Constant(Constant(value))),
        Err(error) => Err(Refusal::invalid(error.to_string(), Anchor::Statement)),
    }
}
