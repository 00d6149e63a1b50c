//! What is announced: changes of transactions that may commit a moment later, or never.
//!
//! Such a transaction calls from inside, so that what it says is no change yet. It says which record is to be looked at
//! again, until that has come as far as was announced: by this transaction, or by the one that won.

use circuit::{Change, RecordId};

/// How far a record is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goal {
    /// The version that it is to have.
    pub version: u64,
    /// Whether it is to exist then.
    pub exists: bool,
}

/// A record of which a change is announced.
#[derive(Clone, Debug)]
pub struct Announcement {
    /// The record.
    pub id: RecordId,
    /// How far it is to come.
    pub goal: Goal,
}

impl Goal {
    /// Of a change of which nobody says which version it makes: it is never known to be there.
    pub const UNKNOWN: Goal = Goal { version: u64::MAX, exists: true };

    /// Whether a record, as it was read, has come as far. A record that does not exist counts as version 1, like one whose
    /// creation announced itself as version 1: the two are told apart by their content.
    pub fn is_reached_by(self, visible: &Change) -> bool {
        let is_missing = self.exists && visible.content.is_none();
        visible.version > self.version || (visible.version == self.version && !is_missing)
    }
}

#[cfg(test)]
mod tests {
    use circuit::{Key, Object};

    use super::*;

    #[test]
    fn a_goal_is_reached_by_its_version_and_by_any_later_one() {
        let visible = |version, exists: bool| {
            let content = exists.then(|| Object::from_iter([]));
            Change { id: RecordId::new("thread", Key::Int(1)), version, content }
        };
        let created = Goal { version: 1, exists: true };
        assert!(!created.is_reached_by(&visible(1, false)), "a record that never was");
        assert!(created.is_reached_by(&visible(1, true)) && created.is_reached_by(&visible(2, false)));
        let deleted = Goal { version: 4, exists: false };
        assert!(!deleted.is_reached_by(&visible(3, true)));
        assert!(deleted.is_reached_by(&visible(4, false)) && deleted.is_reached_by(&visible(4, true)));
        assert!(!Goal::UNKNOWN.is_reached_by(&visible(1 << 40, true)));
    }
}
