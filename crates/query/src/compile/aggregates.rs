//! The calls of aggregates in an expression.

use std::convert::Infallible;

use circuit::AggregateFunction;
use surrealdb_expr::expr::statements::SelectStatement;
use surrealdb_expr::expr::visit::{MutVisitor, VisitMut};
use surrealdb_expr::expr::{Expr as SurrealExpr, Function, FunctionCall, Idiom};

/// Takes the calls of aggregates out of an expression, and puts the names of their values in their place.
#[derive(Debug, Default)]
pub(super) struct Extraction {
    pub(super) calls: Vec<(AggregateFunction, FunctionCall)>,
    is_inside: bool,
    /// An aggregate is the argument of another one.
    pub(super) is_nested: bool,
}

impl MutVisitor for Extraction {
    type Error = Infallible;

    fn visit_mut_expr(&mut self, expr: &mut SurrealExpr) -> Result<(), Infallible> {
        let SurrealExpr::FunctionCall(call) = expr else {
            return expr.visit_mut(self);
        };
        let Some((name, function)) = aggregate_of(call) else {
            return expr.visit_mut(self);
        };
        // The distinct values of an aggregate are a function of it.
        let is_of_aggregate = call.arguments.first().is_some_and(
            |argument| matches!(argument, SurrealExpr::FunctionCall(inner) if aggregate_of(inner).is_some()),
        );
        if name == "array::distinct" && is_of_aggregate {
            return expr.visit_mut(self);
        }
        if self.is_inside {
            self.is_nested = true;
            return Ok(());
        }
        self.is_inside = true;
        call.arguments.iter_mut().try_for_each(|argument| argument.visit_mut(self))?;
        self.is_inside = false;
        let call = (**call).clone();
        *expr = SurrealExpr::Idiom(Idiom::field(aggregate_name(self.calls.len())));
        self.calls.push((function, call));
        Ok(())
    }

    fn visit_mut_function_call(&mut self, call: &mut FunctionCall) -> Result<(), Infallible> {
        call.arguments.iter_mut().try_for_each(|argument| self.visit_mut_expr(argument))
    }

    /// The aggregates of a subquery are its own.
    fn visit_mut_select(&mut self, _: &mut SelectStatement) -> Result<(), Infallible> {
        Ok(())
    }
}

fn aggregate_of(call: &FunctionCall) -> Option<(String, AggregateFunction)> {
    let Function::Normal(name) = &call.receiver else { return None };
    AggregateFunction::named(name, call.arguments.len()).map(|function| (name.clone(), function))
}

/// The name by which the rewritten expression reads the value of an aggregate.
fn aggregate_name(number: usize) -> String {
    format!("_a{number}")
}

/// The number of the aggregate whose value has this name.
pub(super) fn aggregate_number(name: &str) -> Option<usize> {
    name.strip_prefix("_a")?.parse().ok()
}
