//! All views, and where each one is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::ViewKey;

use super::ids::{SspId, Ticket};

/// Shared between the list of all views and the lists of members.
pub(super) type Key = Arc<ViewKey>;

/// Where a view is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// Nowhere, and to be adopted.
    Orphan,
    /// Nowhere, as it can't be answered.
    Refused,
    /// With an SSP that holds it or may hold it.
    With(Assignment),
}

/// A view with an SSP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) ssp: SspId,
    /// The one that the SSP was given it with.
    pub(super) ticket: Ticket,
    pub(super) hold: Hold,
    /// It may have been removed from the database after the SSP had looked there.
    pub(super) is_doubtful: bool,
}

/// In which way a view is with an SSP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// A client's registration of it is under way.
    Registering(Before),
    Adopting,
    Owned,
    /// It is to release it.
    Releasing,
}

/// What a view was before a client registered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Unknown,
    Orphan,
    Refused,
}

/// All views, and where each one is.
#[derive(Debug, Default)]
pub(super) struct Views {
    all: BTreeMap<Key, View>,
    /// Those that may be adopted at once.
    orphans: BTreeSet<Key>,
    /// Those whose adoption has failed, until the next tick.
    resting: BTreeSet<Key>,
    refused: BTreeSet<Key>,
}

impl Views {
    pub(super) fn get(&self, key: &ViewKey) -> Option<&View> {
        self.all.get(key)
    }

    /// The key as it is held, and where the view is.
    pub(super) fn held(&self, key: &ViewKey) -> Option<(Key, &View)> {
        self.all.get_key_value(key).map(|(key, view)| (key.clone(), view))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &View)> {
        self.all.iter()
    }

    /// How many are to be adopted, now or after the next tick.
    pub(super) fn unowned(&self) -> usize {
        self.orphans.len() + self.resting.len()
    }

    pub(super) fn has_orphans(&self) -> bool {
        !self.orphans.is_empty()
    }

    pub(super) fn refused(&self) -> usize {
        self.refused.len()
    }

    /// Takes a view that may be adopted at once, and leaves it to the caller to say by whom.
    pub(super) fn next_orphan(&mut self) -> Option<Key> {
        self.orphans.pop_first()
    }

    pub(super) fn assign(&mut self, key: Key, ssp: &SspId, ticket: Ticket, hold: Hold) {
        self.unlist(&key);
        self.all.insert(key, View::With(Assignment { ssp: ssp.clone(), ticket, hold, is_doubtful: false }));
    }

    pub(super) fn set_hold(&mut self, key: &Key, hold: Hold) {
        if let Some(View::With(assignment)) = self.all.get_mut(key) {
            assignment.hold = hold;
        }
    }

    pub(super) fn set_doubtful(&mut self, key: &Key) {
        if let Some(View::With(assignment)) = self.all.get_mut(key) {
            assignment.is_doubtful = true;
        }
    }

    /// The SSP holds it. It is to release it at once if it is doubtful: whoever adopts it then looks again.
    pub(super) fn set_held(&mut self, key: &Key) -> Hold {
        let Some(View::With(assignment)) = self.all.get_mut(key) else { return Hold::Owned };
        assignment.hold = if assignment.is_doubtful { Hold::Releasing } else { Hold::Owned };
        assignment.hold
    }

    pub(super) fn set_ticket(&mut self, key: &Key, ticket: Ticket) {
        if let Some(View::With(assignment)) = self.all.get_mut(key) {
            assignment.ticket = ticket;
        }
    }

    pub(super) fn set_orphan(&mut self, key: Key) {
        self.unlist(&key);
        self.orphans.insert(key.clone());
        self.all.insert(key, View::Orphan);
    }

    /// An orphan that is not tried again before the next tick.
    pub(super) fn set_resting(&mut self, key: Key) {
        self.unlist(&key);
        self.resting.insert(key.clone());
        self.all.insert(key, View::Orphan);
    }

    pub(super) fn set_refused(&mut self, key: Key) {
        self.unlist(&key);
        self.refused.insert(key.clone());
        self.all.insert(key, View::Refused);
    }

    pub(super) fn forget(&mut self, key: &Key) {
        self.unlist(key);
        self.all.remove(key);
    }

    /// All that rest may be adopted again.
    pub(super) fn wake(&mut self) {
        self.orphans.extend(std::mem::take(&mut self.resting));
    }

    /// All that were refused may be adopted.
    pub(super) fn reconsider(&mut self) {
        while let Some(key) = self.refused.pop_first() {
            self.set_orphan(key);
        }
    }

    fn unlist(&mut self, key: &Key) {
        if !self.orphans.remove(key) && !self.resting.remove(key) {
            self.refused.remove(key);
        }
    }
}
