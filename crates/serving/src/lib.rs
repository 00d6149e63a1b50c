//! What all services of Sp00ky have in common: their life ([`Status`], [`Supervised`]), and their HTTP interfaces: [`serve`]
//! bounds what a client may take, [`finish`] adds what every endpoint has, [`require_token`] guards, a [`Body`] says what is
//! wrong with it, a [`Failure`] is an answer, [`Traffic`] counts, and
//! [`describe`] writes the interface down. A [`Caller`] speaks to other services. Where connections come from ([`listen`],
//! [`Listener`]) and who carries requests ([`Carrier`]) may be a simulated network.

mod body;
mod carrier;
mod failure;
mod listener;
mod openapi;
mod router;
mod serve;
mod stall;
mod status;
mod supervise;
mod token;
mod traffic;

pub use body::{Body, bytes_of};
pub use carrier::{Call, Caller, Carrier, ClientError, HttpClient, Unanswered};
pub use failure::Failure;
pub use listener::{ListenError, Listener, listen};
pub use openapi::{__path_document, Document, by_status, describe, document, flaws};
pub use router::finish;
pub use serve::{Limits, serve};
pub use status::Status;
pub use supervise::{Supervised, supervised};
pub use token::{Secret, require_token};
pub use traffic::{Connection, Traffic, count, span};
