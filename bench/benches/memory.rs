//! Bytes: W5 (of a row), W10 (of a view, and of a member of its result).

use circuit::value::Interner;
use circuit::{Circuit, Object, Value};
use support::by_author::{self, ByAuthor, ByAuthorInputs};
use support::dataflow::Dataflow;
use support::engine;
use support::heap::{Bytes, Counting, allocated};
use support::options::Options;
use support::report::Table;
use support::rows::{Thread, parameters, record, scatter};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROWS: u64 = 1_000_000;
const ROWS_EACH: u64 = 10;
const AUTHORS: u64 = ROWS / ROWS_EACH;
const VIEWS: u64 = 1_000_000;
const WINDOWS: u64 = 100_000;

const WINDOW: &str = "SELECT * FROM thread WHERE author = $author ORDER BY created_at DESC LIMIT 20";

fn main() {
    let options = Options::from_args();
    if options.wants("w5") {
        w5();
    }
    if options.wants("w10") {
        w10();
    }
}

/// About [`ROWS_EACH`] rows of each author.
fn rows() -> impl Iterator<Item = Thread> {
    (0..ROWS).map(|id| Thread::new(id, scatter(id, AUTHORS)))
}

fn of_author(author: u64) -> Object {
    parameters([("author", Value::from(record("user", author)))])
}

fn load(circuit: &mut Circuit) {
    let rows: Vec<Thread> = rows().collect();
    let mut names = Interner::default();
    for page in rows.chunks(10_000) {
        circuit.step(page.iter().map(|row| names.change(row.into())).collect());
    }
}

fn register(circuit: &mut Circuit, text: &str, authors: std::ops::Range<u64>) {
    for author in authors {
        let plan = engine::compile(text, &of_author(author)).expect("a query that is supported");
        circuit.register(&plan);
    }
}

/// What `work` leaves allocated.
fn growth<T>(work: impl FnOnce() -> T) -> (Bytes, T) {
    let before = allocated();
    let kept = work();
    (allocated() - before, kept)
}

/// Bytes of a row with one arrangement.
fn w5() {
    let json: usize = rows().map(|row| row.json_len()).sum();
    let (engine, kept) = growth(|| {
        let mut circuit = engine::circuit();
        register(&mut circuit, by_author::QUERY, 0..1);
        load(&mut circuit);
        circuit
    });
    drop(kept);
    let (peer, kept) = growth(|| {
        let mut peer = by_author::peer();
        peer.load([(0, 0)]);
        peer.load(rows());
        settle(&mut peer);
        peer
    });
    drop(kept);
    let (floor, kept) = growth(|| {
        let mut floor = ByAuthor::default();
        floor.add_view(0, 0);
        floor.load(rows());
        floor
    });
    drop(kept);
    let mut table = Table::new(&["W5: 1,000,000 rows, one arrangement", "engine", "dd", "floor"]);
    let per_row = |bytes: usize| format!("{:.0}", bytes as f64 / ROWS as f64);
    let of_json = |bytes: usize| format!("{:.2}", bytes as f64 / json as f64);
    let all = [engine, peer, floor];
    let line = |name: &str, cell: &dyn Fn(&Bytes) -> String| {
        std::iter::once(name.to_owned()).chain(all.iter().map(cell)).collect::<Vec<_>>()
    };
    table.row(line("bytes of a row, requested", &|bytes| per_row(bytes.requested)));
    table.row(line("bytes of a row, taken by the allocator", &|bytes| per_row(bytes.taken)));
    table.row(line(&format!("requested ÷ JSON ({} bytes)", per_row(json)), &|bytes| of_json(bytes.requested)));
    table.row(line("taken ÷ JSON", &|bytes| of_json(bytes.taken)));
    table.print();
}

/// Gives the arrangements time to merge.
fn settle(peer: &mut Dataflow<ByAuthorInputs>) {
    for _ in 0..100 {
        peer.work();
    }
}

/// Bytes of a view, and of a member of its result: of the rows beyond those of a table without views.
fn w10() {
    let mut table = Table::new(&["W10", "engine", "dd", "floor"]);
    let per = |bytes: Bytes, count: u64| {
        format!("{:.0} ({:.0} taken)", bytes.requested as f64 / count as f64, bytes.taken as f64 / count as f64)
    };

    let (without_views, kept) = growth(|| {
        let mut circuit = engine::circuit();
        load(&mut circuit);
        circuit
    });
    drop(kept);
    let (of_views, mut circuit) = growth(|| {
        let mut circuit = engine::circuit();
        register(&mut circuit, by_author::QUERY, 0..VIEWS);
        circuit
    });
    let (with_views, ()) = growth(|| load(&mut circuit));
    drop(circuit);
    let (peer_views, mut peer) = growth(|| {
        let mut peer = by_author::peer();
        peer.load((0..VIEWS).map(|author| (author, author as u32)));
        settle(&mut peer);
        peer
    });
    peer.load(rows());
    drop(peer);
    let (floor_views, floor) = growth(|| {
        let mut floor = ByAuthor::default();
        (0..VIEWS).for_each(|author| floor.add_view(author, author as u32));
        floor
    });
    drop(floor);
    table.row(vec![
        format!("bytes of a view, {VIEWS} views"),
        per(of_views, VIEWS),
        per(peer_views, VIEWS),
        per(floor_views, VIEWS),
    ]);
    let members = Bytes {
        requested: with_views.requested.saturating_sub(without_views.requested),
        taken: with_views.taken.saturating_sub(without_views.taken),
    };
    table.row(vec![
        format!("bytes of a member, {ROWS_EACH} in each result"),
        per(members, ROWS),
        String::new(),
        String::new(),
    ]);

    let (of_windows, circuit) = growth(|| {
        let mut circuit = engine::circuit();
        register(&mut circuit, WINDOW, 0..WINDOWS);
        circuit
    });
    drop(circuit);
    let mut circuit = engine::circuit();
    load(&mut circuit);
    // The arrangement is not a part of any window.
    register(&mut circuit, by_author::QUERY, 0..1);
    let (with_rows, ()) = growth(|| register(&mut circuit, WINDOW, 0..WINDOWS));
    drop(circuit);
    table.row(vec![
        format!("bytes of a window, {WINDOWS} windows"),
        per(of_windows, WINDOWS),
        String::new(),
        String::new(),
    ]);
    let members = Bytes {
        requested: with_rows.requested.saturating_sub(of_windows.requested),
        taken: with_rows.taken.saturating_sub(of_windows.taken),
    };
    table.row(vec![
        format!("bytes of a row in a window's order, {ROWS_EACH} in each"),
        per(members, WINDOWS * ROWS_EACH),
        String::new(),
        String::new(),
    ]);
    table.print();
}
