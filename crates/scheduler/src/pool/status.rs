//! What the pool tells about itself.

use std::time::Duration;

use protocol::ViewKey;

use super::Pool;
use super::action::Load;
use super::ids::{Epoch, SspId};
use super::member::{Member, State};
use super::views::{Hold, View};

/// An SSP, as others see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MemberStatus<'a> {
    /// Its name.
    pub id: &'a SspId,
    /// Where it is reached.
    pub url: &'a str,
    /// Its current epoch.
    pub epoch: Epoch,
    /// How far it is in its life.
    pub state: State,
    /// The last event that it has; 0 as long as it is awaited.
    pub position: u64,
    /// What it told at its last heartbeat.
    pub load: Load,
    /// How many views it owns, those on their way to it included.
    pub views: usize,
    /// How long it has not been heard of.
    pub silent_for: Duration,
}

/// How many views there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ViewCounts {
    /// Owned by an SSP, whether that is ready or not.
    pub owned: usize,
    /// Being registered by a client.
    pub registering: usize,
    /// Being adopted by an SSP.
    pub adopting: usize,
    /// Being released by an SSP.
    pub releasing: usize,
    /// To be adopted.
    pub orphans: usize,
    /// Not to be answered by any SSP.
    pub refused: usize,
}

/// Where a view is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding<'a> {
    /// This SSP owns it.
    Owned(&'a SspId),
    /// A client registers it at this SSP.
    Registering(&'a SspId),
    /// This SSP takes it up.
    Adopting(&'a SspId),
    /// This SSP drops it.
    Releasing(&'a SspId),
    /// It is to be adopted.
    Orphan,
    /// No SSP can answer it.
    Refused,
}

impl Pool {
    /// All members, by name. `now` is what silence is measured to.
    pub fn members(&self, now: Duration) -> impl Iterator<Item = MemberStatus<'_>> {
        self.members.iter().map(move |(id, member)| status(id, member, now))
    }

    /// One member.
    pub fn member(&self, now: Duration, ssp: &SspId) -> Option<MemberStatus<'_>> {
        self.members.get_key_value(ssp).map(|(id, member)| status(id, member, now))
    }

    /// The views that an SSP owns: those that it keeps when it resumes.
    pub fn owned_by(&self, ssp: &SspId) -> impl Iterator<Item = &ViewKey> {
        self.members.get(ssp).into_iter().flat_map(|member| &member.owned).map(AsRef::as_ref)
    }

    /// All views, by key, and where they are.
    pub fn views(&self) -> impl Iterator<Item = (&ViewKey, Holding<'_>)> {
        self.views.iter().map(|(key, view)| (key.as_ref(), holding(view)))
    }

    /// How many views there are of each kind. O(members).
    pub fn counts(&self) -> ViewCounts {
        let none = ViewCounts { orphans: self.views.unowned(), refused: self.views.refused(), ..ViewCounts::default() };
        self.members.values().fold(none, |counts, member| ViewCounts {
            owned: counts.owned + member.owned.len(),
            registering: counts.registering + member.registering.len(),
            adopting: counts.adopting + member.adopting(),
            releasing: counts.releasing + member.releasing.len(),
            ..counts
        })
    }

    /// The last event that every member has that goes on: what is later is still needed. 0 as long as a member is
    /// awaited that may resume from anywhere, `None` if there is nobody. O(members).
    pub fn oldest_position(&self) -> Option<u64> {
        let needs = |member: &&Member| member.is_live() || member.state == State::Awaited;
        self.members.values().filter(needs).map(|member| member.position).min()
    }
}

fn status<'a>(id: &'a SspId, member: &'a Member, now: Duration) -> MemberStatus<'a> {
    let silent_for = now.saturating_sub(member.heard);
    let Member { url, epoch, state, position, load, .. } = member;
    MemberStatus {
        id,
        url,
        epoch: *epoch,
        state: *state,
        position: *position,
        load: *load,
        views: member.count(),
        silent_for,
    }
}

fn holding(view: &View) -> Holding<'_> {
    match view {
        View::Orphan => Holding::Orphan,
        View::Refused => Holding::Refused,
        View::With(assignment) => match assignment.hold {
            Hold::Owned => Holding::Owned(&assignment.ssp),
            Hold::Registering(_) => Holding::Registering(&assignment.ssp),
            Hold::Adopting => Holding::Adopting(&assignment.ssp),
            Hold::Releasing => Holding::Releasing(&assignment.ssp),
        },
    }
}
