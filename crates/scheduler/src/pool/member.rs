//! One SSP of the pool.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::action::{Action, Load, Registration, Start};
use super::ids::{Epoch, SspId, Target, Ticket};
use super::views::{Hold, Key};

/// How far an SSP is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Known from before the scheduler's start. It is to register before the heartbeat time-out.
    Awaited,
    /// It loads the snapshot.
    Bootstrapping,
    /// It is given the events since.
    Replaying,
    /// It owns views.
    Ready,
    /// It has to start over, and is told so at every heartbeat until it has registered.
    Dismissed(Reason),
    /// It was silent for too long, and is there only until it is fenced.
    Lost,
}

/// Why an SSP has to start over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Too many events wait for it.
    Overflow,
    /// It was not ready in time.
    TooSlow,
    /// Its tables are not those of the database.
    Mismatch,
}

/// Whether what it writes under its epoch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fence {
    Open,
    /// Asked for at this time.
    Asked(Duration),
    Closed,
}

/// What an SSP was asked to do. It is asked for one thing at a time, so that what arrives late is told by its ticket.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) kind: Kind,
    pub(super) ticket: Ticket,
    pub(super) views: Vec<Key>,
    pub(super) asked: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Adopt,
    Release,
}

/// One SSP of the pool, and the views that it holds or may hold.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) url: Arc<str>,
    pub(super) epoch: Epoch,
    pub(super) state: State,
    /// When it registered.
    pub(super) since: Duration,
    /// When it was heard of last.
    pub(super) heard: Duration,
    /// When it has answered last.
    pub(super) reached: Duration,
    /// The last event that it has.
    pub(super) position: u64,
    /// The end of the log when it began to replay.
    pub(super) replay_until: u64,
    pub(super) load: Load,
    pub(super) fence: Fence,
    pub(super) owned: BTreeSet<Key>,
    pub(super) registering: BTreeSet<Key>,
    /// What it was asked, or will be asked to release.
    pub(super) releasing: BTreeSet<Key>,
    /// What it says that it holds, and is not to. It is asked to release them.
    pub(super) stray: BTreeSet<Key>,
    pub(super) command: Option<Command>,
}

impl Member {
    pub(super) fn new(now: Duration, registration: &Registration, head: u64) -> Member {
        let (state, position) = match registration.start {
            Start::Bootstrap { snapshot } => (State::Bootstrapping, snapshot),
            Start::Resume { position } => (State::Replaying, position),
        };
        let member = Member::restored(now, registration.url.clone(), registration.epoch);
        Member { state, position: position.min(head), replay_until: head, fence: Fence::Open, ..member }
    }

    pub(super) fn restored(now: Duration, url: Arc<str>, epoch: Epoch) -> Member {
        Member {
            url,
            epoch,
            state: State::Awaited,
            since: now,
            heard: now,
            reached: now,
            position: 0,
            replay_until: 0,
            load: Load::default(),
            fence: Fence::Closed,
            owned: BTreeSet::new(),
            registering: BTreeSet::new(),
            releasing: BTreeSet::new(),
            stray: BTreeSet::new(),
            command: None,
        }
    }

    /// Whether it is on its way to being ready, or is.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.state, State::Bootstrapping | State::Replaying | State::Ready)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// It holds a view, to keep it or to release it.
    pub(super) fn holds(&mut self, hold: Hold, key: Key) {
        match hold {
            Hold::Releasing => self.releasing.insert(key),
            _ => self.owned.insert(key),
        };
    }

    /// Whether it can be asked for something now.
    pub(super) fn is_free(&self) -> bool {
        self.is_ready() && self.command.is_none()
    }

    /// How many views it owns, those on their way to it included, and those on their way from it not.
    pub(super) fn count(&self) -> usize {
        self.owned.len() + self.registering.len() + self.adopting()
    }

    pub(super) fn adopting(&self) -> usize {
        self.command.as_ref().filter(|command| command.kind == Kind::Adopt).map_or(0, |command| command.views.len())
    }

    /// Whether it has replayed what it has to.
    pub(super) fn has_caught_up(&self, head: u64, within: u64) -> bool {
        self.position >= self.replay_until && head.saturating_sub(self.position) <= within
    }

    pub(super) fn target(&self, ssp: &SspId, ticket: Ticket) -> Target {
        Target { ssp: ssp.clone(), url: self.url.clone(), epoch: self.epoch, ticket }
    }

    /// Ends its time as a member, and sees to it that it is fenced.
    pub(super) fn end(&mut self, state: State, ssp: &SspId, now: Duration, actions: &mut Vec<Action>) {
        self.state = state;
        if self.fence == Fence::Open {
            self.fence = Fence::Asked(now);
            actions.push(Action::Fence { ssp: ssp.clone(), epoch: self.epoch });
        }
    }

    /// What it was asked to do, in the words of an action.
    pub(super) fn asked(&self, ssp: &SspId) -> Option<Action> {
        let command = self.command.as_ref()?;
        let to = self.target(ssp, command.ticket);
        let views = command.views.iter().map(|key| key.as_ref().clone()).collect();
        Some(match command.kind {
            Kind::Adopt => Action::Adopt { to, views },
            Kind::Release => Action::Release { to, views },
        })
    }
}
