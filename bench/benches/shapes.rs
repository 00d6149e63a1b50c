//! One change under results with a shape: W2 (windows), W3 (subqueries), W7 (groups).

use circuit::{Object, Value};
use mimalloc::MiMalloc;
use support::contest::{self, ByHand, Case, Effort};
use support::engine::Engine;
use support::groups::{self, Groups};
use support::options::Options;
use support::report;
use support::rows::{Comment, EPOCH, STATUSES, Thread, User, parameters, record, scatter, status_name};
use support::subqueries::{self, Subqueries, Write};
use support::windows::{self, Windows};

const ROWS: u64 = 100_000;

/// What `spky` allocates with.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    let options = Options::from_args();
    let mut lines = Vec::new();
    if options.wants("w2") {
        let cases = vec![w2(STATUSES, &[]), w2(5, &[]), w2(5, &[256, 16])];
        lines.extend(contest::run("W2", cases, Effort { rounds: 10, slices: 5, changes: 20 }, &options));
    }
    if options.wants("w3") {
        let cases = vec![w3("create a comment", comment), w3("update a user", user), w3("move a thread", thread)];
        lines.extend(contest::run("W3", cases, Effort { rounds: 10, slices: 5, changes: 50 }, &options));
    }
    if options.wants("w7") {
        lines.extend(contest::run("W7", vec![w7()], Effort { rounds: 10, slices: 5, changes: 100 }, &options));
    }
    report::print(&lines);
}

/// One window for each status: a thousand views of five statuses share five results. A change makes a row the newest of
/// any status, or puts it back, so that it pushes another one out of a window, or makes room for one.
fn w2(statuses: u32, buckets: &[u64]) -> Case<Thread> {
    let original = move |id: u64| Thread { status: (id % u64::from(statuses)) as u32, ..Thread::new(id, id) };
    let rows = || (0..ROWS).map(original);
    let changes = move |number: usize| {
        const RETURN: u64 = 50;
        let number = number as u64;
        let pair = number / (2 * RETURN) * RETURN + number % RETURN;
        let row = Thread { version: number + 2, ..original(scatter(pair, ROWS)) };
        let leaves = (number / RETURN).is_multiple_of(2);
        match leaves {
            true => Thread {
                status: scatter(!pair, u64::from(statuses)) as u32,
                created_at: EPOCH + 2_000_000 + number as i64,
                ..row
            },
            false => row,
        }
    };
    let parameters_of = |status| (status, parameters([("status", Value::from(&*status_name(status)))]));
    let views = (0..statuses).map(parameters_of);
    let engine = Engine::new().seat(windows::QUERY, views, |engine| engine.load(rows()));
    let mut peer = windows::peer(buckets);
    peer.load((0..statuses).map(|status| (status, status)));
    peer.load(rows());
    let mut floor = Windows::default();
    (0..statuses).for_each(|status| floor.add_view(status, status));
    floor.load(rows());
    let levels = match buckets {
        [] => String::new(),
        _ => format!(", dd in {} levels", buckets.len() + 1),
    };
    Case {
        label: format!("{statuses} statuses{levels}"),
        changes: Box::new(changes),
        engine,
        peer: Box::new(peer),
        floor: Box::new(ByHand(floor)),
        tells_children: true,
    }
}

const THREADS: u64 = 10_000;
const COMMENTS: u64 = 50_000;
const USERS: u64 = 1_000;

fn comment(number: u64) -> Write {
    let id = COMMENTS + number;
    Write::Comment(Comment::new(id, scatter(number, THREADS), EPOCH + id as i64))
}

fn user(number: u64) -> Write {
    Write::User(User { version: number + 2, ..User::new(scatter(number, USERS), 0) })
}

fn thread(number: u64) -> Write {
    Write::Thread(Thread { version: number + 2, ..Thread::new(scatter(number, THREADS), scatter(!number, USERS)) })
}

/// A view of every user, all in use.
fn w3(label: &str, change: fn(u64) -> Write) -> Case<Write> {
    let rows = || {
        let users = (0..USERS).map(|id| Write::User(User::new(id, 0)));
        let threads = (0..THREADS).map(|id| Write::Thread(Thread::new(id, id % USERS)));
        let comments =
            (0..COMMENTS).map(|id| Write::Comment(Comment::new(id, scatter(id, THREADS), EPOCH + id as i64)));
        users.chain(threads).chain(comments)
    };
    let views = || (0..USERS).map(|author| (author, author as u32));
    let parameters_of = |(author, view)| (view, parameters([("author", Value::from(record("user", author)))]));
    let engine = Engine::new().seat(subqueries::QUERY, views().map(parameters_of), |engine| engine.load(rows()));
    let mut peer = subqueries::peer();
    peer.load(views());
    peer.load(rows());
    let mut floor = Subqueries::new(views());
    floor.load(rows());
    Case {
        label: label.to_owned(),
        changes: Box::new(move |number| change(number as u64)),
        engine,
        peer: Box::new(peer),
        floor: Box::new(ByHand(floor)),
        tells_children: true,
    }
}

/// One view of 1,000 groups of 100 rows. A change moves a row to another group, with another priority.
fn w7() -> Case<Thread> {
    let rows = || (0..ROWS).map(|id| Thread::new(id, id));
    let changes = |number: usize| {
        let number = number as u64;
        let row = Thread { version: number + 2, ..Thread::new(scatter(number, ROWS), 0) };
        let status = scatter(!number, u64::from(STATUSES)) as u32;
        Thread { status, priority: scatter(number << 20, 1_000_000) as i64, ..row }
    };
    let views = [(0, Object::from_iter([]))];
    let engine = Engine::reading(groups::read).seat(groups::QUERY, views, |engine| engine.load(rows()));
    let mut peer = groups::peer();
    peer.load(rows());
    let mut floor = Groups::default();
    floor.load(rows());
    Case {
        label: format!("{STATUSES} groups"),
        changes: Box::new(changes),
        engine,
        peer: Box::new(peer),
        floor: Box::new(ByHand(floor)),
        tells_children: true,
    }
}
