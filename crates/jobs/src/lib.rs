#![warn(missing_docs)]
//! Jobs: records of job tables become reliable calls of HTTP backends.
//!
//! A job takes one way through this crate, and each step of it is one file:
//!
//! ```text
//! database ──▶ lane ──▶ executor ──▶ call ──▶ backend
//!    ▲         lane.rs  executor.rs  call.rs     │
//!    └──────────────────────┴────────────────────┴── later, for callbacks: spi
//! ```
//!
//! Every job table has a *lane*, which claims what is due and has no more under way than its backend may be given;
//! lanes have nothing in common, so that a backend that hangs keeps nobody else waiting. What waits, waits in the
//! database. The *executor* makes one attempt and writes how it ended; who has dispatched the job is nothing to it. The
//! *janitor* says that this runner is alive; lanes take care of the jobs of runners that are not, and of callbacks that
//! do not come.
//!
//! A lane claims a job out of turn when a [`Dispatcher`] says so, and a [`Clerk`] concludes attempts that are made elsewhere.
//!
//! Towards the backend this is at least once: an attempt whose outcome is not known is made again. All attempts of a
//! job carry the same `Idempotency-Key`.

mod backend;
mod call;
mod clerk;
mod dispatcher;
mod error;
mod executor;
mod health;
mod janitor;
mod lane;
mod ledger;
mod metrics;
mod path;
mod retry;
mod runner;
mod schedule;
mod spi;
mod under_way;

pub use backend::{Backend, Mode};
pub use clerk::Clerk;
pub use dispatcher::{Answer, Dispatcher};
pub use error::Error;
pub use health::{BackendHealth, Healths};
pub use runner::{Runner, Settings, Stopper};
pub use schedule::Schedule;
pub use spi::{Callback, Effect, Guard, Outcome};
