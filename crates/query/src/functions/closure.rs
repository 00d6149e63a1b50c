//! Functions that apply closures.

use circuit::{Application, Expr, Failure, Function, Pure, Value};

/// What such a function takes as its first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// An array.
    Array,
    /// A set, or an array as one.
    Set,
    /// An array or a set, as the value that a method is called on.
    List,
    /// Any value.
    Any,
}

/// A function that applies a closure, and the number of its arguments, the closure among them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Applying {
    pub(crate) application: Application,
    pub(crate) subject: Subject,
    pub(crate) arity: usize,
    /// Whether the function takes a plain value instead of a closure too.
    pub(crate) takes_values: bool,
}

/// The function of this name, if it applies closures.
pub(crate) fn applying(name: &str) -> Option<Applying> {
    let (family, name) = name.split_once("::")?;
    let subject = match family {
        "array" => Subject::Array,
        "set" => Subject::Set,
        "value" => Subject::Any,
        _ => return None,
    };
    let applying = of_family(family, name)?;
    Some(Applying { subject, ..applying })
}

/// The method of this name, if it applies closures.
pub(crate) fn applying_method(name: &str) -> Option<Applying> {
    let of_value = of_family("value", name);
    let of_set = of_family("set", name).map(|applying| Applying { subject: Subject::List, ..applying });
    let of_array = of_family("array", name).map(|applying| Applying { subject: Subject::Array, ..applying });
    // An alias of an array's method is one of a set's too, if the set has the method.
    let alias = match name {
        "every" => of_family("set", "all"),
        "includes" | "some" => of_family("set", "any"),
        _ => None,
    };
    let alias = alias.map(|applying| Applying { subject: Subject::List, ..applying });
    of_value.or(alias).or(of_set).or(of_array)
}

fn of_family(family: &str, name: &str) -> Option<Applying> {
    let (application, arity, takes_values) = match (family, name) {
        ("array", "all" | "every") | ("set", "all") => (Application::All, 2, true),
        ("array", "any" | "some" | "includes") | ("set", "any") => (Application::Any, 2, true),
        ("array" | "set", "filter") => (Application::Filter, 2, true),
        ("array", "filter_index") => (Application::FilterIndex, 2, true),
        ("array" | "set", "find") => (Application::Find, 2, true),
        ("array", "find_index" | "index_of") => (Application::FindIndex, 2, true),
        ("array" | "set", "map") => (Application::Map, 2, false),
        ("array" | "set", "fold") => (Application::Fold, 3, false),
        ("array" | "set", "reduce") => (Application::Reduce, 2, false),
        ("value", "chain") => (Application::Chain, 2, false),
        ("value", "expect") => (Application::Expect, 2, false),
        _ => return None,
    };
    Some(Applying { application, subject: Subject::Any, arity, takes_values })
}

impl Subject {
    /// The first argument in the type that the function takes.
    pub(crate) fn of(self, argument: Expr) -> Expr {
        if self == Subject::Any { argument } else { Expr::call(Function::new(self), [argument]) }
    }
}

impl Pure for Subject {
    fn name(&self) -> &str {
        match self {
            Subject::Array => "an array",
            Subject::Set => "a set",
            Subject::List => "an array or a set",
            Subject::Any => "a value",
        }
    }

    fn call(&self, arguments: &[Value]) -> Result<Value, Failure> {
        match (self, arguments.first()) {
            (Subject::Array | Subject::List, Some(array @ Value::Array(_))) => Ok(array.clone()),
            (Subject::Set | Subject::List, Some(set @ Value::Set(_))) => Ok(set.clone()),
            (Subject::Set, Some(Value::Array(items))) => Ok(Value::set(items.iter().cloned())),
            _ => Err(Failure::new(format!("the function takes {}", self.name()))),
        }
    }
}
