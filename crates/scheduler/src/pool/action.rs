//! What goes in and out of the pool.

use std::sync::Arc;

use protocol::ViewKey;

use super::ids::{Epoch, SspId, Target};

/// What is to be done. An action that is not confirmed is asked for again by a later tick, so that whoever is to do it
/// may fail, or forget it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Raise the epoch of this SSP in the database, on the condition that it is still this one, so that it writes
    /// nothing under it any more. Then, or if it is higher already: [`fenced`](super::Pool::fenced).
    Fence {
        /// The SSP.
        ssp: SspId,
        /// The epoch that is to end.
        epoch: Epoch,
    },
    /// Have the SSP take up views that the database holds. Then: [`adopted`](super::Pool::adopted).
    Adopt {
        /// The SSP, and the ticket under which it is to hold them.
        to: Target,
        /// Which ones.
        views: Vec<ViewKey>,
    },
    /// Have the SSP drop those of the views that it holds under a lower ticket than this one, and write nothing of them
    /// any more. Their records stay. Then: [`released`](super::Pool::released).
    Release {
        /// The SSP, and the ticket of this request.
        to: Target,
        /// Which ones.
        views: Vec<ViewKey>,
    },
}

/// What became of a view that an SSP was to adopt. All but the first say that the SSP does not hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The SSP holds it.
    Adopted,
    /// The query can't be answered, by this or any other SSP.
    Refused,
    /// The database does not have such a view.
    Gone,
    /// It did not work this time.
    Failed,
}

/// Where the registration of a view goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// To the SSP that holds the view already, under the ticket of the target. An SSP that does not hold it under that
    /// must not take it up, but say so: [`missing`](super::Pool::missing).
    Owner(Target),
    /// To this SSP, for which the view is reserved until [`registered`](super::Pool::registered),
    /// [`registration_failed`](super::Pool::registration_failed) or
    /// [`registration_in_doubt`](super::Pool::registration_in_doubt) says how it ended.
    New(Target),
    /// Nowhere yet: the view is on its way between two SSPs, or its owner is not ready. Ask again a moment later.
    Wait,
    /// Nowhere: no SSP is ready.
    Nobody,
}

/// Where a view is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A ready SSP holds it, under the ticket of the target.
    Owner(Target),
    /// It is on its way or about to be, or its owner is not ready.
    UnderWay,
    /// No SSP holds it, and none is about to.
    Nobody,
    /// There is no such view.
    Unknown,
}

impl Location {
    /// The SSP that holds the view, if one does.
    pub fn owner(self) -> Option<Target> {
        match self {
            Location::Owner(at) => Some(at),
            Location::UnderWay | Location::Nobody | Location::Unknown => None,
        }
    }
}

/// An SSP that wants to be a member.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// Its name.
    pub id: SspId,
    /// Where it is reached.
    pub url: Arc<str>,
    /// Its new epoch, which the database has already.
    pub epoch: Epoch,
    /// What it begins with.
    pub start: Start,
}

/// What an SSP begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nothing: it loads the snapshot that the events up to this one are in.
    Bootstrap {
        /// The last event of the snapshot.
        snapshot: u64,
    },
    /// What it held before, all events up to this one included; the log still has what follows.
    Resume {
        /// The last event that it knows of.
        position: u64,
    },
}

/// What an SSP tells of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// How many views it holds.
    pub views: u64,
    /// How busy its processors are, from 0 to 1.
    pub cpu: f64,
    /// How full its memory is, from 0 to 1.
    pub memory: f64,
}

/// What an SSP is told in return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Go on.
    Ok,
    /// 404: register, and resume if you can.
    NotRegistered,
    /// 409: register, and bootstrap.
    Bootstrap,
}
