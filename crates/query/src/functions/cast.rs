//! Values made into other types: by a cast, or by a declared type that they must fit.

use circuit::{Failure, Function, Pure, Value};
use surrealdb_expr::expr::Kind;

use super::native::apply;

/// `<kind> value`.
struct Cast {
    name: String,
    kind: Kind,
}

/// What the declared type of a parameter, a variable or a result does to a value.
struct Coercion {
    name: String,
    kind: Kind,
}

pub(crate) fn cast(kind: &Kind) -> Function {
    Function::new(Cast { name: format!("<{kind:?}>"), kind: kind.clone() })
}

/// `None` if every value fits.
pub(crate) fn coercion(kind: &Kind) -> Option<Function> {
    let is_any = matches!(kind, Kind::Any);
    (!is_any).then(|| Function::new(Coercion { name: format!(": {kind:?}"), kind: kind.clone() }))
}

impl Pure for Cast {
    fn name(&self) -> &str {
        &self.name
    }

    fn call(&self, arguments: &[Value]) -> Result<Value, Failure> {
        apply(arguments, |arguments| arguments.into_iter().next().unwrap_or_default().cast_to_kind(&self.kind))
    }
}

impl Pure for Coercion {
    fn name(&self) -> &str {
        &self.name
    }

    fn call(&self, arguments: &[Value]) -> Result<Value, Failure> {
        apply(arguments, |arguments| arguments.into_iter().next().unwrap_or_default().coerce_to_kind(&self.kind))
    }
}
