//! `SELECT * FROM thread WHERE author.org.name = $name`, when users change their org: the peer and the floor.

use differential_dataflow::input::Input as _;

use crate::contest::Floor;
use crate::dataflow::{Dataflow, Input, Inputs, Output, Sessions, advance};
use crate::results::{Entry, Map, Results};
use crate::rows::{Org, Thread, User};

pub const QUERY: &str = "SELECT * FROM thread WHERE author.org.name = $name";

pub struct LinkInputs {
    threads: Input<(u64, (u64, u64))>,
    users: Input<(u64, u64)>,
    orgs: Input<(u64, u64)>,
    views: Input<(u64, u32)>,
    org_of: Map<u64, u64>,
}

/// Orgs of users, names of orgs and the views of these names give the views of each user; joined with the threads by
/// author, these are the results. Names are numbers, and threads are no more than their ids and versions.
pub fn peer() -> Dataflow<LinkInputs> {
    Dataflow::new(|worker, output: &Output| {
        worker.dataflow(|scope| {
            let (threads_input, threads) = scope.new_collection::<(u64, (u64, u64)), isize>();
            let (users_input, users) = scope.new_collection::<(u64, u64), isize>();
            let (orgs_input, orgs) = scope.new_collection::<(u64, u64), isize>();
            let (views_input, views) = scope.new_collection::<(u64, u32), isize>();
            // Names hardly ever change, so the views of an org are joined first.
            let views_by_org = orgs
                .map(|(org, name)| (name, org))
                .arrange_by_key()
                .join_core(views.arrange_by_key(), |_, org, view| Some((*org, *view)));
            let views_by_user = users
                .map(|(user, org)| (org, user))
                .arrange_by_key()
                .join_core(views_by_org.arrange_by_key(), |_, user, view| Some((*user, *view)));
            let results =
                threads.arrange_by_key().join_core(views_by_user.arrange_by_key(), |_, (id, version), view| {
                    Some((Entry::of_view(*view, *id), *version))
                });
            output.take(results);
            let org_of = Map::default();
            LinkInputs { threads: threads_input, users: users_input, orgs: orgs_input, views: views_input, org_of }
        })
    })
}

impl Sessions for LinkInputs {
    fn advance(&mut self, time: u64) {
        advance(&mut self.threads, time);
        advance(&mut self.users, time);
        advance(&mut self.orgs, time);
        advance(&mut self.views, time);
    }
}

impl Inputs<User> for LinkInputs {
    /// A user with its org.
    type Change = (u64, u64);

    fn change(user: &User) -> (u64, u64) {
        (user.id, user.org)
    }

    fn send(&mut self, (user, new): (u64, u64)) {
        if let Some(old) = self.org_of.insert(user, new) {
            self.users.update((user, old), -1);
        }
        self.users.update((user, new), 1);
    }
}

impl Inputs<Thread> for LinkInputs {
    type Change = (u64, (u64, u64));

    fn change(row: &Thread) -> Self::Change {
        (row.author, (row.id, row.version))
    }

    fn send(&mut self, row: Self::Change) {
        self.threads.update(row, 1);
    }
}

impl Inputs<Org> for LinkInputs {
    type Change = (u64, u64);

    fn change(org: &Org) -> (u64, u64) {
        (org.id, org.id)
    }

    fn send(&mut self, org: (u64, u64)) {
        self.orgs.update(org, 1);
    }
}

/// A name with the number of its view.
impl Inputs<(u64, u32)> for LinkInputs {
    type Change = (u64, u32);

    fn change(view: &(u64, u32)) -> (u64, u32) {
        *view
    }

    fn send(&mut self, view: (u64, u32)) {
        self.views.update(view, 1);
    }
}

/// The same by hand: threads by author, users, and the views of each name.
#[derive(Debug, Default)]
pub struct Links {
    threads_by_author: Map<u64, Vec<(u64, u64)>>,
    users: Map<u64, User>,
    name_of_org: Map<u64, u64>,
    views_by_name: Map<u64, Vec<u32>>,
    results: Results,
}

impl Links {
    /// Everything but the users, who are changed into place.
    pub fn new(
        threads: impl IntoIterator<Item = Thread>,
        orgs: impl IntoIterator<Item = Org>,
        views: impl IntoIterator<Item = (u64, u32)>,
    ) -> Links {
        let mut links = Links::default();
        for thread in threads {
            links.threads_by_author.entry(thread.author).or_default().push((thread.id, thread.version));
        }
        links.name_of_org = orgs.into_iter().map(|org| (org.id, org.id)).collect();
        for (name, view) in views {
            links.views_by_name.entry(name).or_default().push(view);
        }
        links
    }

    pub fn load(&mut self, users: impl IntoIterator<Item = User>) {
        users.into_iter().for_each(|user| self.apply(user));
        self.results.deltas.clear();
    }

    fn views_of_org(&self, org: u64) -> impl Iterator<Item = u32> {
        let name = self.name_of_org.get(&org);
        name.and_then(|name| self.views_by_name.get(name)).into_iter().flatten().copied()
    }
}

impl Floor<User> for Links {
    fn apply(&mut self, user: User) {
        let (id, org) = (user.id, user.org);
        let old = self.users.insert(id, user).map(|old| old.org);
        let before: Vec<u32> = old.map_or(Vec::new(), |old| self.views_of_org(old).collect());
        let now: Vec<u32> = self.views_of_org(org).collect();
        for (thread, version) in self.threads_by_author.get(&id).into_iter().flatten() {
            for view in before.iter().filter(|view| !now.contains(view)) {
                self.results.leave(Entry::of_view(*view, *thread), *version);
            }
            for view in now.iter().filter(|view| !before.contains(view)) {
                self.results.enter(Entry::of_view(*view, *thread), *version);
            }
        }
    }

    fn results(&mut self) -> &mut Results {
        &mut self.results
    }
}
