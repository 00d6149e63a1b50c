//! SSPs come, get ready, and go.

use std::time::Duration;

use super::action::{Action, Beat, Load, Registration, Start};
use super::ids::{Epoch, SspId, Ticket};
use super::member::{Fence, Kind, Member, Reason, State};
use super::views::{Hold, View, Views};
use super::{Pool, Settings};

impl Pool {
    /// Takes in an SSP under a new epoch, which the database must have already: that fences what it was before.
    /// `head` is the last event of the log.
    ///
    /// If it resumes it keeps the views that it owned, and must be told which those are ([`Pool::owned_by`]). Whatever
    /// else it held or may hold is adopted anew. One that has to start over can't resume ([`Pool::may_resume`]): it
    /// stays dismissed.
    ///
    /// O(v log views) for the v views that it owned.
    pub fn register(&mut self, now: Duration, registration: Registration, head: u64) -> Vec<Action> {
        let id = &registration.id;
        if self.members.get(id).is_some_and(|former| former.epoch >= registration.epoch) {
            return Vec::new();
        }
        let mut member = Member::new(now, &registration, head);
        if let Some(mut former) = self.members.remove(id) {
            match (former.state, registration.start) {
                (State::Dismissed(reason), Start::Resume { .. }) => {
                    member.state = State::Dismissed(reason);
                    // It is told to keep nothing, so it holds nothing under this epoch.
                    member.fence = Fence::Closed;
                }
                (_, Start::Resume { .. }) => {
                    member.owned = std::mem::take(&mut former.owned);
                    member.owned.iter().for_each(|key| self.views.set_ticket(key, Ticket::KEPT));
                }
                (_, Start::Bootstrap { .. }) => {}
            }
            strand(&mut self.views, id, &mut former);
        }
        self.is_uneven |= catch_up(&mut member, head, self.settings.ready_within);
        self.members.insert(registration.id, member);
        let mut actions = Vec::new();
        self.distribute(now, &mut actions);
        actions
    }

    /// Whether an SSP may resume with what it holds. Not if it has to start over.
    pub fn may_resume(&self, ssp: &SspId) -> bool {
        !self.members.get(ssp).is_some_and(|member| matches!(member.state, State::Dismissed(_)))
    }

    /// The SSP has loaded the snapshot, and is given the events since. It is ready at once if there are none.
    pub fn loaded(&mut self, now: Duration, ssp: &SspId, epoch: Epoch, head: u64) -> Vec<Action> {
        let Some(member) = self.live(ssp, epoch).filter(|member| member.state == State::Bootstrapping) else {
            return Vec::new();
        };
        member.state = State::Replaying;
        member.replay_until = head;
        self.acknowledged(now, ssp, epoch, 0, head)
    }

    /// The SSP has all events up to this one. It becomes ready if those that were there when it began to replay are
    /// behind it, and the end of the log is within reach. O(log members) unless it does.
    pub fn acknowledged(&mut self, now: Duration, ssp: &SspId, epoch: Epoch, sequence: u64, head: u64) -> Vec<Action> {
        let within = self.settings.ready_within;
        let mut actions = Vec::new();
        let Some(member) = self.live(ssp, epoch).filter(|member| member.state != State::Bootstrapping) else {
            return actions;
        };
        member.position = member.position.max(sequence.min(head));
        member.reached = member.reached.max(now);
        if catch_up(member, head, within) {
            self.is_uneven = true;
            self.distribute(now, &mut actions);
        }
        actions
    }

    /// A sign of life of an SSP, and what it is told in return. O(log members).
    pub fn heartbeat(&mut self, now: Duration, ssp: &SspId, epoch: Epoch, load: Load) -> Beat {
        let Some(member) = self.members.get_mut(ssp).filter(|member| member.epoch == epoch) else {
            return Beat::NotRegistered;
        };
        if matches!(member.state, State::Awaited | State::Lost) {
            return Beat::NotRegistered;
        }
        member.heard = member.heard.max(now);
        member.load = load;
        if member.is_live() { Beat::Ok } else { Beat::Bootstrap }
    }

    /// The SSP has answered. One that gives signs of life and can't be asked for anything is as good as lost. O(log members).
    pub fn reached(&mut self, now: Duration, ssp: &SspId, epoch: Epoch) {
        if let Some(member) = self.members.get_mut(ssp).filter(|member| member.epoch == epoch) {
            member.reached = member.reached.max(now);
        }
    }

    /// The SSP's tables are not those of the database: it has to start over.
    pub fn mismatch(&mut self, now: Duration, ssp: &SspId, epoch: Epoch) -> Vec<Action> {
        let mut actions = Vec::new();
        if let Some(member) = self.live(ssp, epoch) {
            member.end(State::Dismissed(Reason::Mismatch), ssp, now, &mut actions);
        }
        actions
    }

    /// The database accepts nothing more that the SSP writes under this epoch: its views may go to others.
    /// O(v log views) for the v views that it had.
    pub fn fenced(&mut self, now: Duration, ssp: &SspId, epoch: Epoch) -> Vec<Action> {
        let mut actions = Vec::new();
        let Some(member) = self.members.get_mut(ssp).filter(|member| member.epoch == epoch) else {
            return actions;
        };
        if !matches!(member.fence, Fence::Asked(_)) {
            return actions;
        }
        member.fence = Fence::Closed;
        strand(&mut self.views, ssp, member);
        if member.state == State::Lost {
            self.members.remove(ssp);
        }
        self.distribute(now, &mut actions);
        actions
    }

    /// Finds SSPs that are silent, out of reach, too slow or too far behind, asks again for what is not confirmed, and hands out what
    /// could not be handed out before. `head` is the last event of the log. To be called about once a second.
    /// O(members log members), beside what it acts on.
    pub fn tick(&mut self, now: Duration, head: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        let settings = &self.settings;
        self.members.retain(|id, member| {
            judge(id, member, settings, now, head, &mut actions);
            let is_over = member.state == State::Lost && member.fence == Fence::Closed;
            if is_over {
                strand(&mut self.views, id, member);
            }
            !is_over
        });
        self.views.wake();
        self.distribute(now, &mut actions);
        actions
    }

    /// A member under its current epoch that is on its way to being ready, or is.
    fn live(&mut self, ssp: &SspId, epoch: Epoch) -> Option<&mut Member> {
        self.members.get_mut(ssp).filter(|member| member.epoch == epoch && member.is_live())
    }
}

/// What the passing of time means for a member.
fn judge(id: &SspId, member: &mut Member, settings: &Settings, now: Duration, head: u64, actions: &mut Vec<Action>) {
    let is_due = |since: Duration, after: Duration| now.saturating_sub(since) >= after;
    if let Fence::Asked(at) = &mut member.fence
        && is_due(*at, settings.ask_again)
    {
        *at = now;
        actions.push(Action::Fence { ssp: id.clone(), epoch: member.epoch });
    }
    let is_out_of_reach = member.is_live() && is_due(member.reached, settings.heartbeat_timeout);
    if member.state != State::Lost && (is_due(member.heard, settings.heartbeat_timeout) || is_out_of_reach) {
        member.end(State::Lost, id, now, actions);
    }
    let reason = match member.state {
        State::Bootstrapping | State::Replaying if is_due(member.since, settings.bootstrap_timeout) => Reason::TooSlow,
        State::Ready if head.saturating_sub(member.position) > settings.max_buffer_per_ssp => Reason::Overflow,
        State::Ready => {
            if let Some(command) = member.command.as_mut().filter(|command| is_due(command.asked, settings.ask_again)) {
                command.asked = now;
                actions.extend(member.asked(id));
            }
            return;
        }
        _ => return,
    };
    member.end(State::Dismissed(reason), id, now, actions);
}

/// Makes a member ready that has replayed what it has to, and answers whether it did.
fn catch_up(member: &mut Member, head: u64, within: u64) -> bool {
    let is_ready = member.state == State::Replaying && member.has_caught_up(head, within);
    if is_ready {
        member.state = State::Ready;
    }
    is_ready
}

/// Makes orphans of all views that are with a member, which can't write them any more.
fn strand(views: &mut Views, id: &SspId, member: &mut Member) {
    for list in [&mut member.owned, &mut member.registering, &mut member.releasing] {
        std::mem::take(list).into_iter().for_each(|key| views.set_orphan(key));
    }
    let Some(command) = member.command.take().filter(|command| command.kind == Kind::Adopt) else { return };
    for key in command.views {
        // Some may have gone their way meanwhile.
        if let Some(View::With(assignment)) = views.get(&key)
            && (&assignment.ssp, assignment.ticket, assignment.hold) == (id, command.ticket, Hold::Adopting)
        {
            views.set_orphan(key);
        }
    }
}
