//! From changes as they arrive to the batch of a step.

pub(crate) mod batch;
pub(crate) mod deferred;
pub(crate) mod event;
