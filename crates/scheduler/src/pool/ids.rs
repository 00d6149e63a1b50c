//! What SSPs, their registrations and what they are asked are told apart by.

use std::fmt;
use std::sync::Arc;

/// The name that an SSP goes by: the same after a restart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SspId(Arc<str>);

impl SspId {
    /// Takes a text as the name.
    pub fn new(id: impl Into<Arc<str>>) -> SspId {
        SspId(id.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SspId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One registration of an SSP. Each has a higher epoch than those before, and a transaction that an SSP writes under an
/// epoch fails when a higher one is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// Numbers whatever is asked of SSPs, rising, so that what arrives late is known for that. An SSP holds each view under
/// the ticket that it was given it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

impl Ticket {
    /// That of the views which an SSP has kept when it registered. All others are higher.
    pub const KEPT: Ticket = Ticket(0);
}

/// Who is asked for something, and under which numbers. Carry both along: they make the SSP refuse what comes late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The SSP.
    pub ssp: SspId,
    /// Where it is reached.
    pub url: Arc<str>,
    /// Its current epoch.
    pub epoch: Epoch,
    /// Of what is asked; or, of a view that the SSP has already, that under which it holds it.
    pub ticket: Ticket,
}
