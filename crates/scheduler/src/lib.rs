//! The scheduler: many sidecars behind one database, and no event lost between them.
//!
//! ```text
//!                                    ┌──▶ replica ──▶ proxy ───▶ a sidecar that loads
//! database ──▶ capture ──▶ log ──────┤
//!              changefeed  numbers   └──▶ couriers ────────────▶ sidecars, each at its pace
//!                                                                   ▲
//! clients ──▶ http ──▶ coordinator ──▶ pool (who keeps which view) ─┘
//! ```
//!
//! - [`log`]: what every event goes through
//! - `capture`: what the database commits, and what its tables hold, as events
//! - [`replica`]: the rows as of one event
//! - [`pool`]: the sidecars, and which of them keeps which view, as a state machine that does nothing by itself
//! - `coordinator`: does what the pool wants
//! - `courier`: brings a sidecar its events

mod capture;
mod coordinator;
mod courier;
mod error;
mod http;
mod identity;
pub mod log;
mod metrics;
mod peers;
pub mod pool;
pub mod replica;
mod service;
mod settings;
mod storage;

pub use error::Error;
pub use service::{Service, Surroundings};
pub use settings::Settings;
pub use storage::Storage;
