//! From a SELECT statement to a plan.
//!
//! Compilation is compositional: a SELECT inside of another one is compiled by itself, with slots that are constants or
//! values of its `$parent`. Whoever takes it up, as a child, a lookup or an input, decides what becomes of them.

mod aggregates;
mod answer;
mod builder;
mod count;
mod group;
mod key;
pub(crate) mod names;
mod order;
mod permission;
mod place;
mod projection;
mod scope;
mod select;
mod source;
mod subquery;
mod window;

use circuit::{Object, Plan, Value};
use surrealdb_expr::expr::Expr as SurrealExpr;

use crate::catalog::Catalog;
use crate::error::Error;
use crate::locate::locate;
use crate::refusal::{Clause, Refusal};
use crate::syntax;
use permission::Access;
use scope::{Context, Standing};

/// A compiled SELECT.
#[derive(Clone, Debug)]
pub struct Query {
    pub plan: Plan,
}

/// Compiles the only statement of a text, which must be a SELECT.
///
/// Parameters are folded into the plan like constants; the statement may use only those that are given. Queries that
/// differ in nothing but constants, parameters, and harmless ways of spelling compile to equal templates.
pub fn compile(text: &str, parameters: &Object) -> Result<Query, Error> {
    compile_for(text, parameters, None)
}

/// Compiles a SELECT as its caller may see it: a record user, whose id is the parameter `authId`, sees what the select
/// permissions in the catalog say. A caller without an id is the service's own, or a system user, and sees everything, as
/// with [`compile`].
///
/// `$auth` is the id of the user, and what is behind it the live record; `$access` and `$token` are the parameters of
/// these names, which a client must not be able to choose. The plan is good for as long as the catalog stays the same.
/// What a change of the catalog is to a plan is found out by compiling again: it is that of every user's view.
///
/// # Errors
///
/// Those of [`compile`]; and where what the user may see can't be kept up to date exactly, or is not known,
/// [`ErrorKind::Permission`](crate::ErrorKind::Permission) or [`ErrorKind::UnknownTable`](crate::ErrorKind::UnknownTable):
/// nothing is shown that is not sure to be readable.
pub fn compile_as(text: &str, parameters: &Object, catalog: &Catalog) -> Result<Query, Error> {
    let user = parameters.get("authId").filter(|user| !matches!(user, Value::None | Value::Null));
    compile_for(text, parameters, user.map(|user| Access::new(catalog, user.clone())))
}

fn compile_for(text: &str, parameters: &Object, access: Option<Access>) -> Result<Query, Error> {
    let statements = syntax::statements(text)?;
    let plan = syntax::only_statement(statements).and_then(|statement| match statement {
        SurrealExpr::Select(select) => {
            let context = Context::new(&select, parameters)?.with_access(access);
            select::compile(&select, &context, Standing::Root)
        }
        SurrealExpr::Explain { .. } => Err(Refusal::clause(Clause::Explain)),
        _ => Err(syntax::not_a_select()),
    });
    plan.map(|plan| Query { plan }).map_err(|refusal| locate(text, refusal))
}

/// The value of an expression that depends on nothing; `None` if it does.
pub(crate) fn constant(expr: &SurrealExpr) -> Result<Option<Value>, Refusal> {
    let no_parameters: Object = [].into_iter().collect();
    Context::without_statement(&no_parameters).constant(expr, Standing::Root)
}
