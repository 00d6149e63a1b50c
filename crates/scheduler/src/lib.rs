//! The scheduler: many sidecars behind one database, and no event lost between them.
//!
//! So far there is the [`log`], which every event goes through.

pub mod log;
