//! What the scheduler and its sidecars have in common: the [`Event`]s of the log, what follows from them ([`Known`]), and
//! how they are sent ([`Delivery`]).
//!
//! No I/O. The scheduler numbers events and keeps them; whoever takes them in, in the order of their numbers and from any
//! snapshot on, ends with the same rows.

mod announced;
mod delivery;
mod event;
mod known;

pub use announced::{Announcement, Goal};
pub use delivery::{Delivery, DeliveryError};
pub use event::{EncodeError, Event, EventError, MAX_EVENT, Read};
pub use known::{Known, Reading};
