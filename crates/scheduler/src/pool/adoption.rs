//! Orphans are handed out, and views are released.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::ViewKey;

use super::Pool;
use super::action::{Action, Outcome};
use super::ids::{Epoch, SspId, Ticket};
use super::member::{Command, Kind, Member};
use super::settings::LoadBalance;
use super::views::{Assignment, Hold, Key, View, Views};

impl Pool {
    /// What has become of the views that an SSP was asked to adopt under this ticket. Those that are not mentioned have
    /// failed, and are tried again after the next tick.
    pub fn adopted(
        &mut self,
        now: Duration,
        ssp: &SspId,
        epoch: Epoch,
        ticket: Ticket,
        outcomes: &[(ViewKey, Outcome)],
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        let Some((member, asked)) = answered(&mut self.members, ssp, epoch, ticket, Kind::Adopt) else {
            return actions;
        };
        let outcomes: BTreeMap<&ViewKey, Outcome> = outcomes.iter().map(|(key, outcome)| (key, *outcome)).collect();
        for key in asked.views {
            let is_current = |with: &Assignment| (with.hold, with.ticket) == (Hold::Adopting, ticket);
            if !is_with(&self.views, &key, ssp, is_current) {
                continue;
            }
            match outcomes.get(key.as_ref()) {
                Some(Outcome::Adopted) => member.holds(self.views.set_held(&key), key),
                Some(Outcome::Refused) => self.views.set_refused(key),
                Some(Outcome::Gone) => self.views.forget(&key),
                Some(Outcome::Failed) | None => self.views.set_resting(key),
            }
        }
        self.distribute(now, &mut actions);
        actions
    }

    /// The SSP holds none of the views any more that it was asked to release under this ticket, and writes nothing more
    /// of them.
    pub fn released(&mut self, now: Duration, ssp: &SspId, epoch: Epoch, ticket: Ticket) -> Vec<Action> {
        let mut actions = Vec::new();
        let Some((member, asked)) = answered(&mut self.members, ssp, epoch, ticket, Kind::Release) else {
            return actions;
        };
        for key in asked.views {
            // One may have been forgotten, registered again at this SSP, and be in doubt again.
            let is_current = |with: &Assignment| with.hold == Hold::Releasing && with.ticket < ticket;
            if is_with(&self.views, &key, ssp, is_current) {
                member.releasing.remove(&key);
                self.views.set_orphan(key);
            } else {
                member.stray.remove(&key);
            }
        }
        self.distribute(now, &mut actions);
        actions
    }

    /// Asks for all that can be asked for now. O(members log members), beside the views that are concerned.
    pub(super) fn distribute(&mut self, now: Duration, actions: &mut Vec<Action>) {
        self.release(now, actions);
        self.adopt(now, actions);
        if self.even_out() {
            self.release(now, actions);
        }
    }

    fn release(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let limit = self.settings.moved_at_once.max(1);
        for (id, member) in &mut self.members {
            // It may have come there since by right.
            member.stray.retain(|key| !is_with(&self.views, key, id, |_| true));
        }
        let due = |(id, member): (&SspId, &Member)| {
            let views: Vec<Key> = member.releasing.iter().chain(&member.stray).take(limit).cloned().collect();
            (member.is_free() && !views.is_empty()).then(|| (id.clone(), views))
        };
        let due: Vec<(SspId, Vec<Key>)> = self.members.iter().filter_map(due).collect();
        for (ssp, views) in due {
            self.ask(now, &ssp, Kind::Release, views, actions);
        }
    }

    fn adopt(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if !self.views.has_orphans() {
            return;
        }
        let at_once = self.settings.adopt_at_once.max(1);
        let batches = match self.settings.load_balance {
            // What was moved for the sake of balance goes where it was moved for.
            _ if self.is_uneven => self.fill(self.lacking()),
            LoadBalance::LeastQueries => self.fill(self.lacking()),
            LoadBalance::LeastLoad => self.fill(self.free_by_load().into_iter().map(|id| (id, at_once)).collect()),
            LoadBalance::RoundRobin => self.deal(self.free_in_turn(), at_once),
        };
        for (ssp, views) in batches {
            self.ask(now, &ssp, Kind::Adopt, views, actions);
        }
    }

    /// Gives each SSP as many orphans as it has room for, as long as there are any.
    fn fill(&mut self, rooms: Vec<(SspId, usize)>) -> Vec<(SspId, Vec<Key>)> {
        let at_once = self.settings.adopt_at_once.max(1);
        let mut batches = Vec::new();
        for (ssp, room) in rooms {
            let views: Vec<Key> = std::iter::from_fn(|| self.views.next_orphan()).take(room.min(at_once)).collect();
            if !views.is_empty() {
                batches.push((ssp, views));
            }
        }
        batches
    }

    /// Gives one orphan to each SSP in turn, as long as there are any.
    fn deal(&mut self, turns: Vec<SspId>, at_once: usize) -> Vec<(SspId, Vec<Key>)> {
        let mut batches: Vec<(SspId, Vec<Key>)> = turns.into_iter().map(|ssp| (ssp, Vec::new())).collect();
        for _ in 0..at_once {
            for (ssp, views) in &mut batches {
                let Some(key) = self.views.next_orphan() else { break };
                views.push(key);
                self.last_turn = Some(ssp.clone());
            }
        }
        batches.retain(|(_, views)| !views.is_empty());
        batches
    }

    fn ask(&mut self, now: Duration, ssp: &SspId, kind: Kind, views: Vec<Key>, actions: &mut Vec<Action>) {
        let ticket = self.next_ticket();
        if kind == Kind::Adopt {
            views.iter().for_each(|key| self.views.assign(key.clone(), ssp, ticket, Hold::Adopting));
        }
        if let Some(member) = self.members.get_mut(ssp) {
            member.command = Some(Command { kind, ticket, views, asked: now });
            actions.extend(member.asked(ssp));
        }
    }
}

/// What an SSP was asked under this ticket, which is answered now, and the SSP. `None` if the answer is late.
fn answered<'a>(
    members: &'a mut BTreeMap<SspId, Member>,
    ssp: &SspId,
    epoch: Epoch,
    ticket: Ticket,
    kind: Kind,
) -> Option<(&'a mut Member, Command)> {
    let member = members.get_mut(ssp).filter(|member| member.epoch == epoch && member.is_ready())?;
    let asked = member.command.take_if(|command| (command.kind, command.ticket) == (kind, ticket))?;
    Some((member, asked))
}

fn is_with(views: &Views, key: &Key, ssp: &SspId, is_current: impl Fn(&Assignment) -> bool) -> bool {
    matches!(views.get(key), Some(View::With(assignment)) if assignment.ssp == *ssp && is_current(assignment))
}
