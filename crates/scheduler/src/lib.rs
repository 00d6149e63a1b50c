//! The scheduler: many sidecars behind one database, and no event lost between them.
//!
//! So far there are the [`log`], which every event goes through, and the [`pool`], which knows what each sidecar owns.

pub mod log;
pub mod pool;
