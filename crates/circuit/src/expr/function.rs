//! Functions of values that a query calls and the engine does not know.

use std::fmt::{Debug, Formatter, Result as Formatted};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::expr::Failure;
use crate::value::Value;

/// What a [`Function`] does.
///
/// It must be pure: the same arguments always give the same answer, so that a value needs to be computed again only when
/// one of its arguments has changed.
pub trait Pure: Send + Sync {
    /// The name by which the function is known. Functions of the same name are the same function.
    fn name(&self) -> &str;

    /// Applies the function; fails where SurrealDB answers an error.
    fn call(&self, arguments: &[Value]) -> Result<Value, Failure>;
}

/// A function that was looked up when its query was compiled, so that a call costs no look-up. Equal means the same name.
#[derive(Clone)]
pub struct Function(Arc<dyn Pure>);

impl Function {
    pub fn new(function: impl Pure + 'static) -> Function {
        Function(Arc::new(function))
    }

    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Applies the function; fails where SurrealDB answers an error.
    pub fn call(&self, arguments: &[Value]) -> Result<Value, Failure> {
        self.0.call(arguments)
    }
}

impl Debug for Function {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Formatted {
        formatter.write_str(self.name())
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.name() == other.name()
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}
