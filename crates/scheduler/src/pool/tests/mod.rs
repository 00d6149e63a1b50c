//! A pool whose actions are carried out at once, and helpers for all tests.

mod balance;
mod lifecycle;
mod model;
mod placement;
mod random;
mod world;

use std::time::Duration;

use protocol::ViewKey;

use super::*;

/// A pool, its clock, and the end of the log.
struct Rig {
    pool: Pool,
    now: Duration,
    head: u64,
    last_epoch: u64,
}

impl Rig {
    fn new(settings: Settings) -> Rig {
        Rig { pool: Pool::new(settings), now: Duration::ZERO, head: 100, last_epoch: 0 }
    }

    /// One with ready members of these names.
    fn with(names: &[&str]) -> Rig {
        let mut rig = Rig::new(Settings::default());
        names.iter().for_each(|name| rig.join(name));
        rig
    }

    fn register(&mut self, name: &str, start: Start) -> Vec<Action> {
        self.last_epoch += 1;
        let registration =
            Registration { id: id(name), url: format!("http://{name}").into(), epoch: Epoch(self.last_epoch), start };
        self.pool.register(self.now, registration, self.head)
    }

    fn bootstrap(&mut self, name: &str) -> Vec<Action> {
        self.register(name, Start::Bootstrap { snapshot: self.head })
    }

    /// A new member gets ready, and what follows from that is done.
    fn join(&mut self, name: &str) {
        let mut actions = self.bootstrap(name);
        actions.extend(self.pool.loaded(self.now, &id(name), self.epoch(name), self.head));
        self.carry_out(actions);
    }

    /// Does all that is to be done, and what follows from it, and counts the views that are released.
    fn carry_out(&mut self, mut actions: Vec<Action>) -> usize {
        let mut released = 0;
        while let Some(action) = actions.pop() {
            actions.extend(match action {
                Action::Fence { ssp, epoch } => self.pool.fenced(self.now, &ssp, epoch),
                Action::Adopt { to, views } => {
                    let outcomes: Vec<_> = views.into_iter().map(|key| (key, Outcome::Adopted)).collect();
                    self.pool.adopted(self.now, &to.ssp, to.epoch, to.ticket, &outcomes)
                }
                Action::Release { to, views } => {
                    released += views.len();
                    self.pool.released(self.now, &to.ssp, to.epoch, to.ticket)
                }
            });
            verify(&self.pool);
        }
        released
    }

    /// Time goes by, in which these members are heard of, and reached.
    fn pass(&mut self, seconds: u64, heard: &[&str]) -> Vec<Action> {
        self.now += Duration::from_secs(seconds);
        for name in heard {
            self.beat(name);
            let epoch = self.epoch(name);
            self.pool.reached(self.now, &id(name), epoch);
        }
        self.pool.tick(self.now, self.head)
    }

    fn beat(&mut self, name: &str) -> Beat {
        let epoch = self.epoch(name);
        self.pool.heartbeat(self.now, &id(name), epoch, Load::default())
    }

    /// A client registers views.
    fn give(&mut self, views: impl IntoIterator<Item = u64>) {
        for view in views {
            let Placement::New(to) = self.pool.place(&key(view)) else { panic!("{view} is not new") };
            self.pool.registered(&key(view), &to.ssp, to.epoch, to.ticket);
        }
    }

    fn epoch(&self, name: &str) -> Epoch {
        self.pool.member(self.now, &id(name)).map_or(Epoch(0), |member| member.epoch)
    }

    fn state(&self, name: &str) -> Option<State> {
        self.pool.member(self.now, &id(name)).map(|member| member.state)
    }

    /// How many views each member has, by name.
    fn spread(&self) -> Vec<usize> {
        self.pool.members(self.now).map(|member| member.views).collect()
    }

    fn holding(&self, view: u64) -> Option<Holding<'_>> {
        self.pool.views().find(|(found, _)| **found == key(view)).map(|(_, holding)| holding)
    }

    fn owner(&self, view: u64) -> Target {
        match self.pool.locate(&key(view)) {
            Location::Owner(target) => target,
            other => panic!("{view} is not owned: {other:?}"),
        }
    }

    fn fence(&self, name: &str) -> Action {
        Action::Fence { ssp: id(name), epoch: self.epoch(name) }
    }
}

fn id(name: &str) -> SspId {
    SspId::new(name)
}

fn key(view: u64) -> ViewKey {
    ViewKey::from_key(format!("{view:03}")).unwrap()
}

/// The lists of the members say the same as the list of all views.
fn verify(pool: &Pool) {
    let mut counts = ViewCounts::default();
    let mut adopting = 0;
    for (key, view) in pool.views.iter() {
        let views::View::With(assignment) = view else {
            *if *view == views::View::Orphan { &mut counts.orphans } else { &mut counts.refused } += 1;
            continue;
        };
        let member = &pool.members[&assignment.ssp];
        let count = match assignment.hold {
            Hold::Owned => (&mut counts.owned, member.owned.contains(key)),
            Hold::Registering(_) => (&mut counts.registering, member.registering.contains(key)),
            Hold::Releasing => (&mut counts.releasing, member.releasing.contains(key)),
            Hold::Adopting => {
                let command = member.command.as_ref().expect("nothing is adopted unasked");
                (&mut adopting, command.ticket == assignment.ticket && command.views.contains(key))
            }
        };
        assert!(count.1, "{key} is not listed: {assignment:?}");
        *count.0 += 1;
    }
    let told = pool.counts();
    assert!(told.adopting >= adopting);
    assert_eq!(ViewCounts { adopting: 0, ..told }, counts);
}
