//! How SurrealDB's functions are called.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use circuit::{Failure, Function, Pure, Value};
use surrealdb_expr::val::Value as Surreal;
use surrealdb_runtime::args::{Arity, FromArg, FromArgs};

use crate::convert::{from_surreal, to_surreal};

/// A function of SurrealDB's library under its name in SurrealQL.
#[derive(Clone, Copy)]
pub(crate) struct Native {
    pub(crate) name: &'static str,
    pub(super) arity: fn() -> Arity,
    pub(super) function: fn(Vec<Surreal>) -> Result<Surreal, Failure>,
}

impl Native {
    pub(crate) fn function(self) -> Function {
        Function::new(self)
    }

    /// What is wrong with a call with this number of arguments, which would fail for every row.
    pub(crate) fn objection(&self, arguments: usize) -> Option<String> {
        let Arity { lower, upper } = (self.arity)();
        let fits = lower <= arguments && upper.is_none_or(|upper| arguments <= upper);
        let expected = match upper {
            Some(upper) if upper == lower => format!("{lower}"),
            Some(upper) => format!("{lower} to {upper}"),
            None => format!("{lower} or more"),
        };
        (!fits).then(|| format!("the function {}() takes {expected} arguments, not {arguments}", self.name))
    }
}

impl Pure for Native {
    fn name(&self) -> &str {
        self.name
    }

    fn call(&self, arguments: &[Value]) -> Result<Value, Failure> {
        apply(arguments, self.function)
    }
}

/// Applies a function of SurrealDB's library. Some of them panic for arguments that they do not expect; SurrealDB has no
/// answer for such a row either, and it must not end the engine that evaluates it.
pub(super) fn apply<E: Display>(
    arguments: &[Value],
    function: impl FnOnce(Vec<Surreal>) -> Result<Surreal, E>,
) -> Result<Value, Failure> {
    let arguments = arguments.iter().map(to_surreal).collect::<Result<Vec<_>, _>>().map_err(failure)?;
    let answer = match catch_unwind(AssertUnwindSafe(|| function(arguments))) {
        Ok(answer) => answer.map_err(failure)?,
        Err(_) => return Err(Failure::new("the function has no answer for these arguments")),
    };
    from_surreal(&answer).map_err(failure)
}

/// Calls a function with its arguments in the types that it expects.
pub(super) fn call<A: FromArgs, E: Display>(
    name: &str,
    arguments: Vec<Surreal>,
    function: impl FnOnce(A) -> Result<Surreal, E>,
) -> Result<Surreal, Failure> {
    let arguments = A::from_args(name, arguments).map_err(failure)?;
    function(arguments).map_err(failure)
}

/// The number of arguments that a function takes.
pub(super) fn arity_of<A: FromArg, E>(_: impl FnOnce(A) -> Result<Surreal, E>) -> Arity {
    A::arity()
}

/// The arity of functions that take any number of arguments.
pub(super) fn any_arity() -> Arity {
    Arity { lower: 0, upper: None }
}

pub(super) fn failure(error: impl Display) -> Failure {
    Failure::new(error.to_string())
}
