//! A sidecar as a member of a cluster: what it takes in comes from the scheduler, and not from the database.
//!
//! ```text
//!            register                 load                    events              head reached
//!  [joins] ───────────▶ bootstrapping ─────▶ (events wait) ───────────▶ replaying ────────────▶ ready
//!     ▲                                                                                           │
//!     └────────────────── 404, 409, another epoch, a gap ─────────────────────────────────────────┘
//! ```
//!
//! It reads the rows that the scheduler's replica holds, through the scheduler, and takes in the events behind them, in the
//! order of their numbers. Results it writes to the database itself, under the epoch that it was given: once that is over,
//! the database refuses what it writes. Which views it keeps, the scheduler says.
//!
//! - `member`: the life of a member
//! - `address`: where the scheduler reaches it
//! - `client`: what it says to the scheduler
//! - `inbox`: what has been delivered
//! - `intake`: what an event is to the engine
//! - `load`: what the snapshot holds
//! - `views`: views that are taken over and given away
//! - `ticket`: what comes late
//! - `usage`: how busy the process is

mod address;
mod client;
mod inbox;
mod intake;
mod load;
mod member;
mod ticket;
mod usage;
mod views;

use std::time::Duration;

use url::Url;

pub(crate) use address::Address;
pub(crate) use inbox::{Inbox, Misdelivery};
pub(crate) use member::{Member, Parts};
pub(crate) use ticket::{Missing, Ticket, Tickets, Turned};
pub(crate) use views::{MoveError, Moves, give_away, take_over};

/// How a sidecar finds its cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the scheduler is.
    pub scheduler: Url,
    /// Where the scheduler reaches this sidecar; if left out, where it listens, on the interface that leads to the scheduler.
    pub advertise: Option<String>,
    /// The time between two heartbeats.
    pub heartbeat: Duration,
}
