//! A pool in the model: what happens to it, and what must hold.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Database, Message, Ssp};
use super::*;

/// How many SSPs there are. Few SSPs and few views meet often.
pub(super) const SSPS: usize = 3;

/// The pool, and all that is around it.
pub(super) struct World {
    pub(super) pool: Pool,
    pub(super) settings: Settings,
    pub(super) now: Duration,
    pub(super) head: u64,
    pub(super) database: Database,
    pub(super) ssps: Vec<Ssp>,
    /// What is under way, with the run of the scheduler that it belongs to.
    pub(super) network: Vec<(u32, Message)>,
    pub(super) late: Vec<(u32, Message)>,
    pub(super) run: u32,
    /// Registrations that are under way at the scheduler.
    pub(super) calls: Vec<(Target, ViewKey)>,
    /// All that the pool has asked for.
    pub(super) asked: Vec<Message>,
}

impl World {
    pub(super) fn new(load_balance: LoadBalance) -> World {
        let settings = Settings {
            load_balance,
            max_buffer_per_ssp: 100,
            ready_within: 20,
            adopt_at_once: 3,
            moved_at_once: 2,
            ..Settings::default()
        };
        World {
            pool: Pool::new(settings.clone()),
            settings,
            now: Duration::ZERO,
            head: 0,
            database: Database::default(),
            ssps: (0..SSPS).map(|number| Ssp::new(id(&format!("ssp-{number}")))).collect(),
            network: Vec::new(),
            late: Vec::new(),
            run: 0,
            calls: Vec::new(),
            asked: Vec::new(),
        }
    }

    pub(super) fn send(&mut self, message: Message) {
        self.network.push((self.run, message));
    }

    /// Sends what the pool asks for, after a look at whether it may.
    pub(super) fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match &action {
                Action::Fence { ssp, epoch } => assert_eq!(self.pool.members[ssp].epoch, *epoch),
                Action::Adopt { to, views } => {
                    self.may_be_asked(to);
                    views.iter().for_each(|key| self.is_free_for(key, &to.ssp));
                }
                Action::Release { to, .. } => self.may_be_asked(to),
            }
            self.asked.push(Message::Ask(action.clone()));
            self.send(Message::Ask(action));
        }
    }

    fn may_be_asked(&self, to: &Target) {
        let member = &self.pool.members[&to.ssp];
        assert_eq!((member.epoch, member.state), (to.epoch, State::Ready));
    }

    /// No other SSP holds the view and writes it.
    fn is_free_for(&self, key: &ViewKey, ssp: &SspId) {
        let is_writer = |other: &&Ssp| other.held.contains_key(key) && other.can_write(&self.database);
        let writer = self.ssps.iter().find(|other| other.id != *ssp && is_writer(other));
        assert!(writer.is_none(), "{key} is given to {ssp}, and written by {writer:?}");
    }

    pub(super) fn verify(&self) {
        verify(&self.pool);
        let mut writers = BTreeMap::new();
        for ssp in self.ssps.iter().filter(|ssp| ssp.can_write(&self.database)) {
            for key in ssp.held.keys() {
                let other = writers.insert(key, &ssp.id);
                assert_eq!(other, None, "{key} is written by {} too", ssp.id);
            }
        }
    }

    pub(super) fn join(&mut self, number: usize, resumes: bool) {
        let ssp = &self.ssps[number];
        let resumes = resumes && ssp.epoch > Epoch(0) && self.pool.may_resume(&ssp.id);
        let start = match resumes {
            true => Start::Resume { position: ssp.position },
            false => Start::Bootstrap { snapshot: self.head.saturating_sub(10) },
        };
        let (id, url) = (ssp.id.clone(), format!("http://{}", ssp.id).into());
        let epoch = self.database.raise(&id);
        let actions = self.pool.register(self.now, Registration { id: id.clone(), url, epoch, start }, self.head);
        let keep = self.pool.owned_by(&id).cloned().collect();
        self.send(Message::Welcome { ssp: id, epoch, keep });
        self.perform(actions);
    }

    pub(super) fn beat(&mut self, number: usize) -> Beat {
        let ssp = &self.ssps[number];
        let holds = Message::Holds(ssp.id.clone(), ssp.epoch, ssp.held.keys().cloned().collect());
        self.network.push((self.run, holds));
        self.pool.reached(self.now, &ssp.id, ssp.epoch);
        self.pool.heartbeat(self.now, &ssp.id, ssp.epoch, Load { views: ssp.held.len() as u64, cpu: 0.0, memory: 0.0 })
    }

    /// An SSP has loaded, or applied what there is.
    pub(super) fn progress(&mut self, number: usize) {
        let (id, epoch) = (self.ssps[number].id.clone(), self.ssps[number].epoch);
        self.ssps[number].position = self.head;
        self.send(Message::Loaded(id.clone(), epoch));
        self.send(Message::Acknowledged(id, epoch, self.head));
    }

    pub(super) fn crash(&mut self, number: usize) {
        let id = self.ssps[number].id.clone();
        for messages in [&mut self.network, &mut self.late] {
            messages.retain(|(_, message)| !matches!(message, Message::Welcome { ssp, .. } if *ssp == id));
        }
        self.ssps[number].crash();
    }

    /// The scheduler begins anew, with what the database knows.
    pub(super) fn restart(&mut self) {
        self.run += 1;
        self.calls.clear();
        self.pool = Pool::new(self.settings.clone());
        self.database.epochs.values_mut().for_each(|epoch| epoch.0 += 1);
        for (ssp, epoch) in &self.database.epochs {
            self.pool.restore_member(self.now, ssp.clone(), "http://before".into(), *epoch);
        }
        self.take_up_records();
    }

    fn take_up_records(&mut self) {
        for (key, owner) in &self.database.records {
            self.pool.restore_view(key.clone(), owner.as_ref());
        }
    }

    pub(super) fn place(&mut self, key: ViewKey) {
        match self.pool.place(&key) {
            Placement::Owner(to) => self.send(Message::Refresh { to, key }),
            Placement::New(to) => {
                self.may_be_asked(&to);
                self.is_free_for(&key, &to.ssp);
                self.calls.push((to.clone(), key.clone()));
                let message = Message::Register { to, key };
                self.asked.push(message.clone());
                self.send(message);
            }
            Placement::Wait => {}
            Placement::Nobody => assert!(self.pool.members(self.now).all(|member| member.state != State::Ready)),
        }
    }

    pub(super) fn give_up(&mut self, place: usize) {
        let (to, key) = self.calls.remove(place);
        let actions = self.pool.registration_in_doubt(self.now, &key, &to.ssp, to.epoch, to.ticket);
        self.perform(actions);
    }

    pub(super) fn deliver(&mut self, place: usize) {
        let (run, message) = self.network.remove(place);
        if message.is_answer() {
            // What a former run was waiting for reaches nobody.
            if run == self.run {
                let actions = self.answer(message);
                self.perform(actions);
            }
            return;
        }
        let answers = match message {
            Message::Ask(Action::Fence { ssp, epoch }) => {
                self.database.fence(&ssp, epoch);
                vec![Message::Fenced(ssp, epoch)]
            }
            message => {
                let id = receiver(&message);
                let Some(ssp) = self.ssps.iter_mut().find(|ssp| ssp.id == id) else { return };
                ssp.receive(message, &mut self.database)
            }
        };
        self.network.extend(answers.into_iter().map(|answer| (run, answer)));
    }

    fn answer(&mut self, message: Message) -> Vec<Action> {
        let (pool, now, head) = (&mut self.pool, self.now, self.head);
        match message {
            Message::Fenced(ssp, epoch) => pool.fenced(now, &ssp, epoch),
            Message::Adopted(to, outcomes) => pool.adopted(now, &to.ssp, to.epoch, to.ticket, &outcomes),
            Message::Released(to) => pool.released(now, &to.ssp, to.epoch, to.ticket),
            Message::Registered(to, key) => {
                self.calls.retain(|call| *call != (to.clone(), key.clone()));
                pool.registered(&key, &to.ssp, to.epoch, to.ticket);
                Vec::new()
            }
            Message::Refused(to, key) => {
                self.calls.retain(|call| *call != (to.clone(), key.clone()));
                pool.registration_failed(&key, &to.ssp, to.epoch, to.ticket);
                Vec::new()
            }
            Message::Unregistered(to, key) => {
                pool.unregistered(&key, &to.ssp, to.epoch, to.ticket);
                Vec::new()
            }
            Message::Missing(to, key) => pool.missing(now, &key, &to.ssp, to.epoch, to.ticket),
            Message::Holds(ssp, epoch, keys) => pool.stray(now, &ssp, epoch, &keys),
            Message::Loaded(ssp, epoch) => pool.loaded(now, &ssp, epoch, head),
            Message::Acknowledged(ssp, epoch, sequence) => pool.acknowledged(now, &ssp, epoch, sequence, head),
            _ => Vec::new(),
        }
    }

    /// Nothing fails any more, and time goes on.
    pub(super) fn settle(&mut self, seconds: u64) {
        self.ssps.iter_mut().for_each(|ssp| ssp.is_failing = false);
        for second in 0..seconds {
            if second % 30 == 0 {
                // Something may have been refused by a schema that is no more.
                let actions = self.pool.reconsider(self.now);
                self.perform(actions);
            }
            self.now += Duration::from_secs(1);
            self.network.extend(self.late.pop());
            self.drain();
            while !self.calls.is_empty() {
                self.give_up(0);
            }
            for number in 0..self.ssps.len() {
                match self.beat(number) {
                    Beat::Ok => self.progress(number),
                    Beat::NotRegistered => self.join(number, true),
                    Beat::Bootstrap => self.join(number, false),
                }
                // It finds out that a record has gone, and tells what may have got lost.
                let Database { records, .. } = &self.database;
                let gone: Vec<_> =
                    self.ssps[number].held.keys().filter(|key| !records.contains_key(key)).cloned().collect();
                for key in gone {
                    self.ssps[number].expire(&key, &mut self.database);
                }
                self.ssps[number].repeat().into_iter().for_each(|message| self.send(message));
            }
            self.take_up_records();
            let actions = self.pool.tick(self.now, self.head);
            self.perform(actions);
            self.drain();
            self.verify();
        }
    }

    fn drain(&mut self) {
        while !self.network.is_empty() {
            self.deliver(0);
            self.verify();
        }
    }

    /// Every view is owned by a ready SSP, which holds it; nobody holds anything else; and all have as many.
    pub(super) fn is_at_rest(&self) {
        let (mut owned, mut refused) = (BTreeSet::new(), BTreeSet::new());
        for (key, holding) in self.pool.views() {
            if holding == Holding::Refused {
                assert!(self.database.refuses(key), "{key}");
                refused.insert(key.clone());
                continue;
            }
            let Holding::Owned(ssp) = holding else { panic!("{key}: {holding:?}") };
            let Location::Owner(to) = self.pool.locate(key) else { panic!("the owner of {key} is not ready") };
            let ssp = self.ssps.iter().find(|found| found.id == *ssp).unwrap();
            assert_eq!(ssp.held.get(key), Some(&to.ticket), "{key}");
            assert!(ssp.epoch == to.epoch && ssp.can_write(&self.database));
            owned.insert(key.clone());
        }
        let records = self.database.records.keys().filter(|key| !refused.contains(*key));
        assert_eq!(records.cloned().collect::<BTreeSet<_>>(), owned);
        assert_eq!(self.ssps.iter().map(|ssp| ssp.held.len()).sum::<usize>(), owned.len());
        let spread: Vec<usize> = self.pool.members(self.now).map(|member| member.views).collect();
        assert!(spread.iter().max().unwrap() - spread.iter().min().unwrap() <= 1, "{spread:?}");
    }
}

fn receiver(message: &Message) -> SspId {
    match message {
        Message::Ask(Action::Adopt { to, .. } | Action::Release { to, .. }) => to.ssp.clone(),
        Message::Welcome { ssp, .. } => ssp.clone(),
        Message::Register { to, .. } | Message::Refresh { to, .. } | Message::Unregister { to, .. } => to.ssp.clone(),
        other => panic!("{other:?} is for no SSP"),
    }
}
