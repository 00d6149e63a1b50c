//! The SSPs, and which of them owns which view: a state machine.
//!
//! It does nothing itself. What happened goes in, with the time since the scheduler's start; what is to be done comes
//! out as [`Action`]s. There is no clock, no chance and no order of a hash in it: the same inputs give the same
//! outputs.
//!
//! ```text
//!   register ──▶ Bootstrapping ──▶ Replaying ──▶ Ready            an SSP
//!      ▲ resume ───────────────────▲   │           │
//!      │                               ▼           ▼
//!      └── 409 ─────────────────────── Dismissed ◀─┘ ──▶ fenced: its views are orphans
//!      └── 404 ─────────────────────── Lost ───────────▶ fenced: gone, its views are orphans
//!
//!   place ──▶ Registering ──▶ Owned ──▶ Releasing             a view
//!                  ▲            ▲           │
//!                  └─ Orphan ─▶ Adopting    │
//!                       ▲ ──────────────────┘
//! ```
//!
//! **One writer a view.** A view is given to an SSP only if no other one holds it, or can still be told to take it up,
//! and writes what the database accepts. An SSP that can't be asked is fenced: the database accepts nothing more of
//! its epoch. One that can be asked releases. What is in doubt, as an answer is missing, stays with the SSP that may
//! hold it until that has released it, and is then adopted from its record, which tells whether there is such a view.
//!
//! What is late does no harm if an SSP does this:
//!
//! 1. It refuses what does not carry its current epoch, which it has from the answer to its last registration.
//! 2. When it is told the new epoch it drops all views but those that the answer names ([`Pool::owned_by`]), before it
//!    writes anything under it. It holds those under [`Ticket::KEPT`], and says which it does not hold
//!    ([`Pool::missing`]).
//! 3. It is asked to adopt or to release once at a time. It remembers the ticket of the last such request and its
//!    answer, answers the same to the same ticket, and refuses a lower one.
//! 4. Whenever it drops a view, or is asked to release one, it notes the highest ticket it has seen so far. It does not take
//!    up that view under that one or a lower one. A view that it has it holds under the highest ticket that it was given it
//!    with, and takes up again under any.
//!
//! And if whoever sends does this: a registration of which any attempt was not answered is in doubt, and has not
//! failed.
//!
//! **At a start** requests of the scheduler before may still be on their way. So the epochs of all SSPs are raised in
//! the database first, and its views are read then: nobody takes up any more until it has registered, and as an SSP
//! notes itself as the owner in the transaction in which it takes up a view, the owners that are noted are right.
//! Whoever resumes keeps those.
//!
//! **Costs.** An input costs O(log views) for each view that it concerns, and those that may set views free, or SSPs
//! free for them, O(members log members).

mod action;
mod adoption;
mod balance;
mod choice;
mod ids;
mod lifecycle;
mod member;
mod placement;
mod settings;
mod status;
#[cfg(test)]
mod tests;
mod views;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use protocol::ViewKey;

pub use action::{Action, Beat, Load, Location, Outcome, Placement, Registration, Start};
pub use ids::{Epoch, SspId, Target, Ticket};
use member::Member;
pub use member::{Reason, State};
pub use settings::{LoadBalance, Settings};
pub use status::{Holding, MemberStatus, ViewCounts};
use views::{Hold, Views};

/// The SSPs, and which of them owns which view.
#[derive(Debug)]
pub struct Pool {
    settings: Settings,
    members: BTreeMap<SspId, Member>,
    views: Views,
    last_ticket: u64,
    /// Whom the last turn went to.
    last_turn: Option<SspId>,
    /// Views have to be moved since an SSP became ready.
    is_uneven: bool,
}

impl Pool {
    /// A pool without members and views.
    pub fn new(settings: Settings) -> Pool {
        let (members, views) = (BTreeMap::new(), Views::default());
        Pool { settings, members, views, last_ticket: 0, last_turn: None, is_uneven: false }
    }

    /// Notes an SSP that was a member before the scheduler's start. Its epoch must have been raised in the database, to
    /// this one, before the views were read: otherwise what is under way to it may still make it an owner. It is lost
    /// if it does not register before the heartbeat time-out.
    pub fn restore_member(&mut self, now: Duration, id: SspId, url: Arc<str>, epoch: Epoch) {
        self.members.entry(id).or_insert_with(|| Member::restored(now, url, epoch));
    }

    /// Notes a view that the database holds, after the members have been restored, or when it is found there later.
    /// A view that is known already stays as it is. One that belongs to an awaited SSP stays with it if that resumes;
    /// one that belongs to another member, which should have been known, is released by that. O(log views).
    pub fn restore_view(&mut self, key: ViewKey, owner: Option<&SspId>) {
        if self.views.get(&key).is_some() {
            return;
        }
        let key = Arc::new(key);
        match owner.and_then(|id| self.members.get_mut(id).map(|member| (id, member))) {
            Some((id, member)) => {
                let (list, hold) = match member.state {
                    State::Awaited => (&mut member.owned, Hold::Owned),
                    _ => (&mut member.releasing, Hold::Releasing),
                };
                list.insert(key.clone());
                self.views.assign(key, id, Ticket::KEPT, hold);
            }
            None => self.views.set_orphan(key),
        }
    }

    fn next_ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }
}
