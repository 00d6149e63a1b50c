//! The SSP: the sidecar that keeps the results of registered queries.
//!
//! A change takes one way through this crate, and each step of it is one file:
//!
//! ```text
//! capture ──────▶ engine ──▶ edge buffer ──▶ writer ──▶ database
//! follower.rs     engine.rs  edge_buffer.rs  writer.rs
//! ```
//!
//! The circuit belongs to the engine alone, and everything else sends it messages over a bounded channel. What
//! has queued up while it worked is its next batch; what has queued up while the writer wrote is the writer's. A slow
//! database therefore slows capture, and nothing grows without bound.

mod adoption;
mod batch;
mod bootstrap;
mod catalog;
mod census;
mod cluster;
mod command;
mod comparison;
mod computed;
mod edge_buffer;
mod engine;
mod errand;
mod error;
mod events;
mod follower;
mod holdings;
mod http;
mod inspection;
mod job_runner;
mod lanes;
mod left;
mod metrics;
mod note;
mod path;
mod permit;
mod pool;
mod publication;
mod registration;
mod restorer;
mod saved;
mod saver;
mod service;
mod settings;
mod showing;
mod speculation;
mod sweep;
mod user;
mod view;
mod watches;
mod workplace;
mod writer;

pub use error::Error;
pub use job_runner::{JobSettings, SpiSettings};
pub use service::{Service, Surroundings};
pub use settings::{Capture, Cluster, RefMode, Settings};
pub use workplace::Workplace;
