//! Who takes the answers of a result further than its edges: operators, live sets, and trees that are watched.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::output::Output;
use crate::value::Value;

/// A taker of a result's rows as an output shows them.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) result: u32,
    pub(crate) output: Arc<Output>,
    pub(crate) target: Target,
    /// Whether the output follows from the row and the slots alone. If not, what was told is kept.
    pub(crate) is_local: bool,
    pub(crate) rows: HashMap<u32, Told, foldhash::fast::FixedState>,
}

/// Where the rows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// One of the inputs of an operator.
    Operator {
        operator: u32,
        input: u32,
    },
    Set(u32),
    /// A reader outside who wants to know when the answer may have changed.
    Watch,
}

/// What a consumer was told of a row.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) value: Option<Value>,
    pub(crate) owner: Option<u32>,
}

impl Consumer {
    pub(crate) fn new(result: u32, output: Arc<Output>, target: Target, is_local: bool) -> Self {
        Consumer { result, output, target, is_local, rows: HashMap::default() }
    }
}
