//! A model of what is around the pool: SSPs, the database, and a network that loses, doubles and reorders.
//!
//! The SSPs do what the pool asks of SSPs, and no more.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// An SSP, as far as ownership is concerned.
#[derive(Debug)]
pub(super) struct Ssp {
    pub(super) id: SspId,
    /// 0 if it knows of none.
    pub(super) epoch: Epoch,
    pub(super) held: BTreeMap<ViewKey, Ticket>,
    pub(super) position: u64,
    /// The highest ticket it has seen, and what that was when it dropped a view.
    seen: Ticket,
    dropped_at: BTreeMap<ViewKey, Ticket>,
    /// The last request to adopt or release, and its answer.
    last: Option<(Ticket, Message)>,
    /// What it has told of single views in this epoch.
    told: Vec<Message>,
    /// Adoptions fail.
    pub(super) is_failing: bool,
}

#[derive(Debug, Default)]
pub(super) struct Database {
    pub(super) epochs: BTreeMap<SspId, Epoch>,
    /// Views, and the owner that is noted.
    pub(super) records: BTreeMap<ViewKey, Option<SspId>>,
    /// Its schema is such that every fifth query can't be answered.
    pub(super) is_strict: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Message {
    // To the database and to SSPs.
    Ask(Action),
    Welcome { ssp: SspId, epoch: Epoch, keep: BTreeSet<ViewKey> },
    Register { to: Target, key: ViewKey },
    Refresh { to: Target, key: ViewKey },
    Unregister { to: Target, key: ViewKey },
    // To the scheduler.
    Fenced(SspId, Epoch),
    Adopted(Target, Vec<(ViewKey, Outcome)>),
    Released(Target),
    Registered(Target, ViewKey),
    Refused(Target, ViewKey),
    Unregistered(Target, ViewKey),
    Missing(Target, ViewKey),
    Holds(SspId, Epoch, Vec<ViewKey>),
    Loaded(SspId, Epoch),
    Acknowledged(SspId, Epoch, u64),
}

impl Message {
    pub(super) fn is_answer(&self) -> bool {
        use Message::*;
        !matches!(self, Ask(_) | Welcome { .. } | Register { .. } | Refresh { .. } | Unregister { .. })
    }
}

impl Database {
    pub(super) fn refuses(&self, key: &ViewKey) -> bool {
        self.is_strict && key.as_str().parse::<u64>().is_ok_and(|view| view % 5 == 4)
    }

    /// Raises an epoch if it is still this one.
    pub(super) fn fence(&mut self, ssp: &SspId, epoch: Epoch) {
        if let Some(current) = self.epochs.get_mut(ssp).filter(|current| **current == epoch) {
            current.0 += 1;
        }
    }

    pub(super) fn raise(&mut self, ssp: &SspId) -> Epoch {
        let epoch = self.epochs.entry(ssp.clone()).or_insert(Epoch(0));
        epoch.0 += 1;
        *epoch
    }
}

impl Ssp {
    pub(super) fn new(id: SspId) -> Ssp {
        Ssp {
            id,
            epoch: Epoch(0),
            held: BTreeMap::new(),
            position: 0,
            seen: Ticket(0),
            dropped_at: BTreeMap::new(),
            last: None,
            told: Vec::new(),
            is_failing: false,
        }
    }

    /// Whether the database accepts what it writes.
    pub(super) fn can_write(&self, database: &Database) -> bool {
        database.epochs.get(&self.id) == Some(&self.epoch)
    }

    /// Does what a message says, and answers.
    pub(super) fn receive(&mut self, message: Message, database: &mut Database) -> Vec<Message> {
        match message {
            Message::Welcome { epoch, keep, .. } if epoch > self.epoch => self.welcome(epoch, &keep),
            Message::Ask(Action::Adopt { to, views }) if to.epoch == self.epoch => self.once(&to.clone(), |ssp| {
                let adopt = |key: ViewKey| {
                    let outcome = ssp.adopt(&key, &to, database);
                    (key, outcome)
                };
                Message::Adopted(to.clone(), views.into_iter().map(adopt).collect())
            }),
            Message::Ask(Action::Release { to, views }) if to.epoch == self.epoch => self.once(&to.clone(), |ssp| {
                for key in views {
                    // Also one that it does not hold: if that is under way to it, it must not be taken up.
                    if ssp.held.get(&key).is_none_or(|held| *held < to.ticket) {
                        ssp.drop_view(&key);
                    }
                }
                Message::Released(to)
            }),
            Message::Register { to, key } => vec![match self.register(&key, &to, database) {
                true => Message::Registered(to, key),
                false => Message::Refused(to, key),
            }],
            Message::Refresh { to, key } if to.epoch == self.epoch && self.held.get(&key) != Some(&to.ticket) => {
                vec![Message::Missing(to, key)]
            }
            Message::Unregister { to, key } if to.epoch == self.epoch => {
                match self.held.get(&key) == Some(&to.ticket) {
                    true => self.expire(&key, database),
                    false => vec![Message::Missing(to, key)],
                }
            }
            _ => Vec::new(),
        }
    }

    fn welcome(&mut self, epoch: Epoch, keep: &BTreeSet<ViewKey>) -> Vec<Message> {
        self.epoch = epoch;
        self.held.retain(|key, _| keep.contains(key));
        self.held.values_mut().for_each(|ticket| *ticket = Ticket::KEPT);
        (self.seen, self.dropped_at, self.last) = (Ticket(0), BTreeMap::new(), None);
        let missing = keep.iter().filter(|key| !self.held.contains_key(key));
        self.told = missing.map(|key| Message::Missing(self.target(Ticket::KEPT), key.clone())).collect();
        self.told.clone()
    }

    /// Answers the same to the same ticket, and nothing to a lower one.
    fn once(&mut self, to: &Target, act: impl FnOnce(&mut Ssp) -> Message) -> Vec<Message> {
        match &self.last {
            Some((ticket, answer)) if *ticket == to.ticket => return vec![answer.clone()],
            Some((ticket, _)) if *ticket > to.ticket => return Vec::new(),
            _ => {}
        }
        self.seen = self.seen.max(to.ticket);
        let answer = act(self);
        self.last = Some((to.ticket, answer.clone()));
        vec![answer]
    }

    fn adopt(&mut self, key: &ViewKey, to: &Target, database: &mut Database) -> Outcome {
        if self.is_failing || !self.may_take(key, to) || !self.can_write(database) {
            return Outcome::Failed;
        }
        let is_refused = database.refuses(key);
        let Some(owner) = database.records.get_mut(key) else { return Outcome::Gone };
        if is_refused {
            return Outcome::Refused;
        }
        *owner = Some(self.id.clone());
        self.take(key, to.ticket);
        Outcome::Adopted
    }

    fn register(&mut self, key: &ViewKey, to: &Target, database: &mut Database) -> bool {
        if to.epoch != self.epoch {
            return false;
        }
        self.seen = self.seen.max(to.ticket);
        if database.refuses(key) || !self.may_take(key, to) || !self.can_write(database) {
            return false;
        }
        database.records.insert(key.clone(), Some(self.id.clone()));
        self.take(key, to.ticket);
        true
    }

    fn take(&mut self, key: &ViewKey, ticket: Ticket) {
        let held = self.held.entry(key.clone()).or_insert(ticket);
        *held = ticket.max(*held);
    }

    fn may_take(&self, key: &ViewKey, to: &Target) -> bool {
        self.held.contains_key(key) || self.dropped_at.get(key).is_none_or(|dropped_at| to.ticket > *dropped_at)
    }

    /// A view expires, or is unregistered, if the database accepts it.
    pub(super) fn expire(&mut self, key: &ViewKey, database: &mut Database) -> Vec<Message> {
        let Some(ticket) = self.held.get(key).copied().filter(|_| self.can_write(database)) else { return Vec::new() };
        database.records.remove(key);
        self.drop_view(key);
        let message = Message::Unregistered(self.target(ticket), key.clone());
        self.told.push(message.clone());
        vec![message]
    }

    fn drop_view(&mut self, key: &ViewKey) {
        self.held.remove(key);
        self.dropped_at.insert(key.clone(), self.seen);
    }

    fn target(&self, ticket: Ticket) -> Target {
        Target { ssp: self.id.clone(), url: "".into(), epoch: self.epoch, ticket }
    }

    /// Tells again what may have got lost.
    pub(super) fn repeat(&self) -> Vec<Message> {
        self.told.clone()
    }

    /// Its process has ended, and begins anew.
    pub(super) fn crash(&mut self) {
        *self = Ssp::new(self.id.clone());
    }
}
