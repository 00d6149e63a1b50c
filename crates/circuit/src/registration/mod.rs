//! Taking up plans and letting them go: bindings, results, and the indexes that they need.

pub(crate) mod hold;
pub(crate) mod register;
pub(crate) mod results;
pub(crate) mod root;
pub(crate) mod wiring;
