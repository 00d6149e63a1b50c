//! A whole cluster in one thread: the scheduler and the sidecars as they are, with real protocol code and real SurrealDB, on a
//! network, clocks and a disk that are made up and do the worst they can.
//!
//! ```text
//!  application ─┐            ┌─ ssp-0 ─┐
//!               ├─ network ──┼─ ssp-1 ─┼─ network ── database (SurrealDB, in memory)
//!    scheduler ─┘            └─ ssp-2 ─┘
//!    │ log, replica: what outlives a crash
//! ```
//!
//! Everything follows from a seed: who works when, how long a message takes, which link is cut, who crashes, what is written. So a
//! life that went wrong goes wrong again, under a debugger too. The scheduling of tasks, the network and the clock that timers go
//! by are turmoil's.
//!
//! - [`life`]: a life, from its seed to what is true at its end
//! - `cluster`: the hosts, and what runs on them
//! - `faults`: what is done to them
//! - `workload`: what is written, and which views are kept
//! - `rest`: what has to be true once nothing happens any more
//! - `network`, `sessions`, `storage`, `store`: the surroundings
//! - `determinism`: time and chance
//!
//! What it does not have: live queries (everybody looks from time to time), conflicts between transactions but those that are made
//! up, jobs, and the files of the log, for which `scheduler` has tests of its own.

mod cluster;
pub mod determinism;
mod faults;
pub mod life;
mod network;
mod rest;
mod sessions;
mod storage;
mod store;
mod workload;
