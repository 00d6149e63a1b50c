//! One change under many views: W1 (equality), W6 (a link in the condition), W9 (nothing to find a view by).

use circuit::Value;
use mimalloc::MiMalloc;
use support::by_author::{self, ByAuthor};
use support::contest::{self, ByHand, Case, Effort};
use support::engine::Engine;
use support::links::{self, Links};
use support::options::Options;
use support::report;
use support::rows::{Org, Thread, User, org_name, parameters, record, scatter};
use support::scans::{self, Scans};

const ROWS: u64 = 100_000;

/// What `spky` allocates with.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    let options = Options::from_args();
    let mut lines = Vec::new();
    if options.wants("w1") {
        let cases = [10, 10_000, 100_000, 1_000_000].map(w1).into();
        lines.extend(contest::run("W1", cases, Effort { rounds: 12, slices: 5, changes: 100 }, &options));
    }
    if options.wants("w6") {
        let cases = [1, 10, 100, 1_000].map(w6).into();
        lines.extend(contest::run("W6", cases, Effort { rounds: 10, slices: 5, changes: 20 }, &options));
    }
    if options.wants("w9") {
        let cases = [1, 10, 100, 1_000].map(w9).into();
        lines.extend(contest::run("W9", cases, Effort { rounds: 10, slices: 5, changes: 50 }, &options));
    }
    report::print(&lines);
    report::print_growth(&lines, "W1");
    report::print_slopes(&lines, "W6", "row of the user", &[1, 10, 100, 1_000]);
    report::print_slopes(&lines, "W9", "view", &[1, 10, 100, 1_000]);
}

/// One row per author at first. A change moves any row to a viewed author, or back, so that it enters or leaves one
/// result, or one of both. Rows and views are all over the tables, so that no case is flattered by the caches, and a
/// row is moved back long after it was moved.
fn w1(views: u64) -> Case<Thread> {
    let rows = || (0..ROWS).map(|id| Thread::new(id, id));
    let changes = move |number: usize| {
        const RETURN: u64 = 50;
        let number = number as u64;
        let pair = number / (2 * RETURN) * RETURN + number % RETURN;
        let id = scatter(pair, ROWS);
        let leaves = (number / RETURN).is_multiple_of(2);
        let author = if leaves { scatter(!pair, views) } else { id };
        Thread { version: number + 2, ..Thread::new(id, author) }
    };
    let parameters_of = |author| (author as u32, parameters([("author", Value::from(record("user", author)))]));
    let engine = Engine::new().seat(by_author::QUERY, (0..views).map(parameters_of), |engine| engine.load(rows()));
    let mut peer = by_author::peer();
    peer.load(rows());
    peer.load((0..views).map(|author| (author, author as u32)));
    let mut floor = ByAuthor::default();
    floor.load(rows());
    (0..views).for_each(|author| floor.add_view(author, author as u32));
    Case {
        label: format!("{views} views"),
        changes: Box::new(changes),
        engine,
        peer: Box::new(peer),
        floor: Box::new(ByHand(floor)),
        tells_children: true,
    }
}

/// One view for each of 100 orgs. A change moves a user with `rows_each` threads to any org.
fn w6(rows_each: u64) -> Case<User> {
    const ORGS: u64 = 100;
    let users = ROWS / rows_each;
    let threads = || (0..ROWS).map(|id| Thread::new(id, id / rows_each));
    let orgs = || (0..ORGS).map(|id| Org { id, version: 1 });
    let people = || (0..users).map(|id| User::new(id, id % ORGS));
    let views = || (0..ORGS).map(|org| (org, org as u32));
    let changes = move |number: usize| {
        let number = number as u64;
        User { version: number + 2, ..User::new(scatter(number, users), scatter(!number, ORGS)) }
    };
    let parameters_of = |(org, view)| (view, parameters([("name", Value::from(&*org_name(org)))]));
    let engine = Engine::new().seat(links::QUERY, views().map(parameters_of), |engine| {
        engine.load(orgs());
        engine.load(people());
        engine.load(threads());
    });
    let mut peer = links::peer();
    peer.load(orgs());
    peer.load(people());
    peer.load(threads());
    peer.load(views());
    let mut floor = Links::new(threads(), orgs(), views());
    floor.load(people());
    Case {
        label: format!("{rows_each} rows of the user"),
        changes: Box::new(changes),
        engine,
        peer: Box::new(peer),
        floor: Box::new(ByHand(floor)),
        tells_children: true,
    }
}

/// Each view wants longer titles than the one before it. A change makes a title long enough for the first view, or
/// short again.
fn w9(views: u32) -> Case<Thread> {
    /// The length of a title that the first view is the only one to show.
    const LONG: usize = 60;
    let rows = || (0..ROWS).map(|id| Thread::new(id, id));
    let views = (0..views).map(|view| (20 - (LONG as i64 - 1) - i64::from(view), view));
    let changes = move |number: usize| {
        let row = Thread::new(scatter(number as u64 / 2, ROWS), 0);
        let title = if number.is_multiple_of(2) { format!("{:<LONG$}", row.title) } else { row.title };
        Thread { version: number as u64 + 2, title, ..row }
    };
    let parameters_of = |(n, view): (i64, u32)| (view, parameters([("n", Value::from(n))]));
    let engine = Engine::new().seat(scans::QUERY, views.clone().map(parameters_of), |engine| engine.load(rows()));
    let mut peer = scans::peer();
    peer.load(views.clone());
    peer.load(rows());
    let floor = Scans::new(views.clone().collect(), rows());
    Case {
        label: format!("{} views", views.len()),
        changes: Box::new(changes),
        engine,
        peer: Box::new(peer),
        floor: Box::new(ByHand(floor)),
        tells_children: true,
    }
}
