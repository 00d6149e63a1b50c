//! Registrations of views by clients, and what becomes of single views.

use std::sync::Arc;
use std::time::Duration;

use protocol::ViewKey;

use super::Pool;
use super::action::{Action, Location, Placement};
use super::ids::{Epoch, SspId, Ticket};
use super::member::Member;
use super::views::{Assignment, Before, Hold, Key, View};

impl Pool {
    /// Where the registration of a view goes. A view that nobody holds is reserved for an SSP, which the strategy
    /// chooses. O(log views) for one that is owned, and O(members) beside that for others.
    pub fn place(&mut self, key: &ViewKey) -> Placement {
        let (key, before) = match self.views.held(key) {
            Some((_, View::With(assignment))) => {
                return match self.members.get(&assignment.ssp) {
                    Some(member) if member.is_ready() && assignment.hold == Hold::Owned => {
                        Placement::Owner(member.target(&assignment.ssp, assignment.ticket))
                    }
                    _ => Placement::Wait,
                };
            }
            Some((key, View::Orphan)) => (key, Before::Orphan),
            Some((key, View::Refused)) => (key, Before::Refused),
            None => (Arc::new(key.clone()), Before::Unknown),
        };
        let Some(target) = self.choose_ready(&[]) else { return Placement::Nobody };
        if let Some(member) = self.members.get_mut(&target.ssp) {
            member.registering.insert(key.clone());
        }
        self.views.assign(key, &target.ssp, target.ticket, Hold::Registering(before));
        Placement::New(target)
    }

    /// The SSP for which the view was reserved holds it.
    pub fn registered(&mut self, key: &ViewKey, ssp: &SspId, epoch: Epoch, ticket: Ticket) {
        let Some((key, _, Hold::Registering(_))) = self.assigned(key, ssp, epoch, ticket) else { return };
        let hold = self.views.set_held(&key);
        if let Some(member) = self.members.get_mut(ssp) {
            member.registering.remove(&key);
            member.holds(hold, key);
        }
    }

    /// The SSP for which the view was reserved does not hold it, and won't because of this registration: the view is
    /// what it was before.
    pub fn registration_failed(&mut self, key: &ViewKey, ssp: &SspId, epoch: Epoch, ticket: Ticket) {
        let Some((key, member, Hold::Registering(before))) = self.assigned(key, ssp, epoch, ticket) else { return };
        member.registering.remove(&key);
        match before {
            Before::Unknown => self.views.forget(&key),
            Before::Orphan => self.views.set_resting(key),
            Before::Refused => self.views.set_refused(key),
        }
    }

    /// Nobody knows whether the SSP for which the view was reserved holds it, or will: it is released, and then adopted
    /// if the database has it.
    pub fn registration_in_doubt(
        &mut self,
        now: Duration,
        key: &ViewKey,
        ssp: &SspId,
        epoch: Epoch,
        ticket: Ticket,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        if let Some((key, member, Hold::Registering(_))) = self.assigned(key, ssp, epoch, ticket) {
            detach(member, &key);
            member.releasing.insert(key.clone());
            self.views.set_hold(&key, Hold::Releasing);
            self.distribute(now, &mut actions);
        }
        actions
    }

    /// The SSP held the view under this ticket; it was unregistered or has expired there, and is not in the database
    /// any more. O(log views).
    pub fn unregistered(&mut self, key: &ViewKey, ssp: &SspId, epoch: Epoch, ticket: Ticket) {
        let Some((key, member, _)) = self.assigned(key, ssp, epoch, ticket) else { return };
        detach(member, &key);
        self.views.forget(&key);
    }

    /// The view is not in the database, and the SSP that may hold it, if any, was not asked. If one does, it is to
    /// release it. One to which it is on its way may have looked into the database before, and releases it when it holds it.
    pub fn gone(&mut self, now: Duration, key: &ViewKey) -> Vec<Action> {
        let mut actions = Vec::new();
        match self.views.held(key) {
            Some((key, View::Orphan | View::Refused)) => self.views.forget(&key),
            Some((key, View::With(Assignment { ssp, hold: Hold::Owned, .. }))) => {
                if let Some(member) = self.members.get_mut(ssp) {
                    member.owned.remove(&key);
                    member.releasing.insert(key.clone());
                }
                self.views.set_hold(&key, Hold::Releasing);
                self.distribute(now, &mut actions);
            }
            Some((key, View::With(_))) => self.views.set_doubtful(&key),
            None => {}
        }
        actions
    }

    /// The SSP does not hold the view that it owned under this ticket: it is adopted anew.
    pub fn missing(&mut self, now: Duration, key: &ViewKey, ssp: &SspId, epoch: Epoch, ticket: Ticket) -> Vec<Action> {
        let mut actions = Vec::new();
        if let Some((key, member, Hold::Owned)) = self.assigned(key, ssp, epoch, ticket) {
            member.owned.remove(&key);
            self.views.set_orphan(key);
            self.distribute(now, &mut actions);
        }
        actions
    }

    /// The SSP says that it holds views that it is not to hold, as another one does, or none: it is to release them.
    /// O(log views) for each.
    pub fn stray(&mut self, now: Duration, ssp: &SspId, epoch: Epoch, keys: &[ViewKey]) -> Vec<Action> {
        let mut actions = Vec::new();
        let Some(member) = self.members.get_mut(ssp).filter(|member| member.epoch == epoch && member.is_ready()) else {
            return actions;
        };
        for key in keys {
            match self.views.held(key) {
                Some((_, View::With(assignment))) if assignment.ssp == *ssp => {}
                Some((key, View::With(_))) => drop(member.stray.insert(key)),
                None => drop(member.stray.insert(Arc::new(key.clone()))),
                // Before that nobody else may have it.
                Some((key, View::Orphan | View::Refused)) => {
                    member.releasing.insert(key.clone());
                    self.views.assign(key, ssp, Ticket::KEPT, Hold::Releasing);
                }
            }
        }
        self.distribute(now, &mut actions);
        actions
    }

    /// Tries again to have those views adopted that were refused: what queries may read has changed. O(r log views) for
    /// the r that were.
    pub fn reconsider(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        self.views.reconsider();
        self.distribute(now, &mut actions);
        actions
    }

    /// Where a view is. O(log views + members).
    pub fn locate(&self, key: &ViewKey) -> Location {
        let assignment = match self.views.get(key) {
            None => return Location::Unknown,
            // Somebody is about to adopt it.
            Some(View::Orphan) if self.members.values().any(Member::is_ready) => return Location::UnderWay,
            Some(View::Orphan | View::Refused) => return Location::Nobody,
            Some(View::With(assignment)) => assignment,
        };
        match self.members.get(&assignment.ssp) {
            Some(member) if member.is_ready() && assignment.hold == Hold::Owned => {
                Location::Owner(member.target(&assignment.ssp, assignment.ticket))
            }
            _ => Location::UnderWay,
        }
    }

    /// A view, if it is with this SSP under this ticket and in this epoch, the SSP, and how it is there.
    fn assigned(
        &mut self,
        key: &ViewKey,
        ssp: &SspId,
        epoch: Epoch,
        ticket: Ticket,
    ) -> Option<(Key, &mut Member, Hold)> {
        let (key, View::With(assignment)) = self.views.held(key)? else { return None };
        let member = self.members.get_mut(ssp).filter(|member| member.epoch == epoch)?;
        ((&assignment.ssp, assignment.ticket) == (ssp, ticket)).then_some((key, member, assignment.hold))
    }
}

/// Takes a view from the lists of a member.
fn detach(member: &mut Member, key: &Key) {
    for list in [&mut member.owned, &mut member.registering, &mut member.releasing] {
        list.remove(key);
    }
}
