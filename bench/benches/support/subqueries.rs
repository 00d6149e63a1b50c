//! Threads of an author with their newest comments and their author: the peer and the floor.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use circuit::Change;
use differential_dataflow::input::Input as _;

use crate::contest::Floor;
use crate::dataflow::{Dataflow, Input, Inputs, Output, Sessions, advance};
use crate::results::{Entry, Map, Results};
use crate::rows::{Batch, Comment, Thread, User};

pub const QUERY: &str = "SELECT *, \
    (SELECT * FROM comment WHERE thread = $parent.id ORDER BY created_at DESC LIMIT 5) AS comments, \
    (SELECT * FROM user WHERE id = $parent.author) AS author_row \
    FROM thread WHERE author = $author";

const COMMENTS: usize = 5;

/// The subqueries, as relations of an [`Entry`].
const OF_COMMENT: u8 = 1;
const OF_AUTHOR: u8 = 2;

/// A row of one of the three tables.
#[derive(Clone, Debug)]
pub enum Write {
    /// Always a new one.
    Comment(Comment),
    User(User),
    Thread(Thread),
}

impl Batch for Write {
    fn changes(&self) -> Vec<Change> {
        vec![self.into()]
    }
}

impl From<&Write> for Change {
    fn from(write: &Write) -> Change {
        match write {
            Write::Comment(row) => row.into(),
            Write::User(row) => row.into(),
            Write::Thread(row) => row.into(),
        }
    }
}

fn child(view: u32, thread: u64, relation: u8, row: u64) -> Entry {
    Entry { view, parent: thread, relation, row }
}

/// Id and version of a thread, under its author.
type ThreadRow = (u64, (u64, u64));

/// Place and version of a comment, under its thread: newest first.
type CommentRow = (u64, (Reverse<i64>, u64, u64));

/// A user with its version.
type UserRow = (u64, u64);

pub struct SubqueryInputs {
    threads: Input<ThreadRow>,
    comments: Input<CommentRow>,
    users: Input<UserRow>,
    views: Input<(u64, u32)>,
    current_threads: Map<u64, ThreadRow>,
    current_users: Map<u64, UserRow>,
}

/// Everything is joined by what it is arranged by: threads, views and users by author; comments by thread.
pub fn peer() -> Dataflow<SubqueryInputs> {
    Dataflow::new(|worker, output: &Output| {
        worker.dataflow(|scope| {
            let (threads_input, threads) = scope.new_collection::<ThreadRow, isize>();
            let (comments_input, comments) = scope.new_collection::<CommentRow, isize>();
            let (users_input, users) = scope.new_collection::<UserRow, isize>();
            let (views_input, views) = scope.new_collection::<(u64, u32), isize>();
            let threads = threads.arrange_by_key();
            let views = views.arrange_by_key();
            let shown = threads
                .clone()
                .join_core(views.clone(), |_, (thread, version), view| Some((*thread, (*view, *version))));
            output.take(shown.clone().map(|(thread, (view, version))| (Entry::of_view(view, thread), version)));

            let newest = comments.reduce(|_, comments, newest| {
                newest.extend(comments.iter().take(COMMENTS).map(|(place, _)| (**place, 1)))
            });
            let views_of_thread = shown.map(|(thread, (view, _))| (thread, view)).arrange_by_key();
            output.take(newest.arrange_by_key().join_core(views_of_thread, |thread, (_, comment, version), view| {
                Some((child(*view, *thread, OF_COMMENT, *comment), *version))
            }));

            let authors = users
                .arrange_by_key()
                .join_core(views, |user, version, view| Some((*user, (*view, *version))))
                .arrange_by_key();
            output.take(threads.join_core(authors, |user, (thread, _), (view, version)| {
                Some((child(*view, *thread, OF_AUTHOR, *user), *version))
            }));
            SubqueryInputs {
                threads: threads_input,
                comments: comments_input,
                users: users_input,
                views: views_input,
                current_threads: Map::default(),
                current_users: Map::default(),
            }
        })
    })
}

impl Sessions for SubqueryInputs {
    fn advance(&mut self, time: u64) {
        advance(&mut self.threads, time);
        advance(&mut self.comments, time);
        advance(&mut self.users, time);
        advance(&mut self.views, time);
    }
}

/// What the dataflow needs of a [`Write`].
pub enum Needed {
    Comment(CommentRow),
    User(UserRow),
    Thread(ThreadRow),
}

impl Inputs<Write> for SubqueryInputs {
    type Change = Needed;

    fn change(write: &Write) -> Needed {
        match write {
            Write::Comment(row) => Needed::Comment((row.thread, (Reverse(row.created_at), row.id, row.version))),
            Write::User(row) => Needed::User((row.id, row.version)),
            Write::Thread(row) => Needed::Thread((row.author, (row.id, row.version))),
        }
    }

    fn send(&mut self, change: Needed) {
        match change {
            Needed::Comment(row) => self.comments.update(row, 1),
            Needed::User(new) => {
                let old = self.current_users.insert(new.0, new);
                old.into_iter().for_each(|old| self.users.update(old, -1));
                self.users.update(new, 1);
            }
            Needed::Thread(new) => {
                let (_, (id, _)) = new;
                let old = self.current_threads.insert(id, new);
                old.into_iter().for_each(|old| self.threads.update(old, -1));
                self.threads.update(new, 1);
            }
        }
    }
}

/// An author with the number of the view.
impl Inputs<(u64, u32)> for SubqueryInputs {
    type Change = (u64, u32);

    fn change(view: &(u64, u32)) -> (u64, u32) {
        *view
    }

    fn send(&mut self, view: (u64, u32)) {
        self.views.update(view, 1);
    }
}

/// The same by hand: each table by key and by what the query looks it up by.
#[derive(Debug, Default)]
pub struct Subqueries {
    threads: Map<u64, Thread>,
    threads_by_author: Map<u64, Vec<u64>>,
    comments: Map<u64, Comment>,
    comments_by_thread: Map<u64, BTreeSet<(Reverse<i64>, u64)>>,
    users: Map<u64, User>,
    views_by_author: Map<u64, Vec<u32>>,
    results: Results,
}

impl Subqueries {
    /// With a view of each of these authors, before any row is loaded.
    pub fn new(views: impl IntoIterator<Item = (u64, u32)>) -> Subqueries {
        let mut subqueries = Subqueries::default();
        for (author, view) in views {
            subqueries.views_by_author.entry(author).or_default().push(view);
        }
        subqueries
    }

    pub fn load(&mut self, writes: impl IntoIterator<Item = Write>) {
        writes.into_iter().for_each(|write| self.apply(write));
        self.results.deltas.clear();
    }

    fn create_comment(&mut self, comment: Comment) {
        let (id, thread, version) = (comment.id, comment.thread, comment.version);
        let place = (Reverse(comment.created_at), id);
        self.comments.insert(id, comment);
        let comments = self.comments_by_thread.entry(thread).or_default();
        comments.insert(place);
        if !comments.iter().take(COMMENTS).any(|other| *other == place) {
            return;
        }
        let Some(row) = self.threads.get(&thread) else { return };
        let pushed_out = comments.iter().nth(COMMENTS).map(|(_, id)| (*id, self.comments[id].version));
        for view in self.views_by_author.get(&row.author).into_iter().flatten() {
            self.results.enter(child(*view, thread, OF_COMMENT, id), version);
            if let Some((id, version)) = pushed_out {
                self.results.leave(child(*view, thread, OF_COMMENT, id), version);
            }
        }
    }

    fn update_user(&mut self, user: User) {
        let (id, version) = (user.id, user.version);
        let old = self.users.insert(id, user).map(|old| old.version);
        let views = self.views_by_author.get(&id);
        for thread in self.threads_by_author.get(&id).into_iter().flatten() {
            for view in views.into_iter().flatten() {
                let entry = child(*view, *thread, OF_AUTHOR, id);
                match old {
                    Some(old) => self.results.update(entry, old, version),
                    None => self.results.enter(entry, version),
                }
            }
        }
    }

    fn put_thread(&mut self, thread: Thread) {
        let (id, author, version) = (thread.id, thread.author, thread.version);
        match self.threads.insert(id, thread) {
            Some(old) if old.author == author => {
                for view in self.views_by_author.get(&author).into_iter().flatten() {
                    self.results.update(Entry::of_view(*view, id), old.version, version);
                }
                return;
            }
            Some(old) => {
                if let Some(threads) = self.threads_by_author.get_mut(&old.author) {
                    threads.retain(|other| *other != id);
                }
                self.show(id, old.author, old.version, Results::leave);
            }
            None => {}
        }
        self.threads_by_author.entry(author).or_default().push(id);
        self.show(id, author, version, Results::enter);
    }

    /// Moves a thread with all that hangs on it into or out of the views of an author.
    fn show(&mut self, thread: u64, author: u64, version: u64, movement: fn(&mut Results, Entry, u64)) {
        for view in self.views_by_author.get(&author).into_iter().flatten() {
            movement(&mut self.results, Entry::of_view(*view, thread), version);
            for (_, id) in self.comments_by_thread.get(&thread).into_iter().flatten().take(COMMENTS) {
                movement(&mut self.results, child(*view, thread, OF_COMMENT, *id), self.comments[id].version);
            }
            if let Some(user) = self.users.get(&author) {
                movement(&mut self.results, child(*view, thread, OF_AUTHOR, author), user.version);
            }
        }
    }
}

impl Floor<Write> for Subqueries {
    fn apply(&mut self, write: Write) {
        match write {
            Write::Comment(comment) => self.create_comment(comment),
            Write::User(user) => self.update_user(user),
            Write::Thread(thread) => self.put_thread(thread),
        }
    }

    fn results(&mut self) -> &mut Results {
        &mut self.results
    }
}
