//! Much at once: W4 (registering views), W5 (loading rows), W8 (a batch of changes).

use std::time::{Duration, Instant};

use circuit::{Object, Value};
use mimalloc::MiMalloc;
use support::by_author::{self, ByAuthor, ByAuthorInputs};
use support::contest::{self, ByHand, Case, Contestant, Effort};
use support::dataflow::{Dataflow, Inputs};
use support::engine::{self, Engine, View};
use support::options::Options;
use support::report::{self, Line, Standing, Table, Times};
use support::results::Digest;
use support::rows::{Thread, parameters, record, scatter};

/// What `spky` allocates with.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    let options = Options::from_args();
    let mut lines = Vec::new();
    if options.wants("w4") {
        let cases = [10_000, 1_000_000].map(w4).into();
        lines.extend(contest::run("W4", cases, Effort { rounds: 9, slices: 5, changes: 20 }, &options));
        print_compilation();
    }
    if options.wants("w5") {
        lines.push(w5(options.rounds.unwrap_or(3)));
    }
    if options.wants("w8") {
        let cases = [1, 2].map(w8).into();
        lines.extend(contest::run("W8", cases, Effort { rounds: 10, slices: 2, changes: 1 }, &options));
    }
    report::print(&lines);
    report::print_growth(&lines, "W4");
}

fn of_author(author: u64) -> Object {
    parameters([("author", Value::from(record("user", author)))])
}

/// Registers views of authors with 10 rows each, beside one that is there already.
fn w4(rows: u64) -> Case<View> {
    let authors = rows / 10;
    let threads = || (0..rows).map(|id| Thread::new(id, id % authors));
    // The factor shares no divisor with the number of authors, so that no author comes twice.
    let changes = move |number: usize| {
        let author = number as u64 * 7_919 % authors;
        View { number: number as u32, text: by_author::QUERY, parameters: of_author(author), key: author }
    };
    let nobody = (u64::MAX >> 1, u32::MAX - 1);
    let views = [(nobody.1, of_author(nobody.0))];
    let engine = Engine::new().seat(by_author::QUERY, views, |engine| engine.load(threads()));
    let mut peer = by_author::peer();
    peer.load(threads());
    peer.load([nobody]);
    let mut floor = ByAuthor::default();
    floor.load(threads());
    Case {
        label: format!("{rows} rows"),
        changes: Box::new(changes),
        engine,
        peer: Box::new(peer),
        floor: Box::new(ByHand(floor)),
        tells_children: true,
    }
}

/// What comes before a registration: the text becomes a plan.
fn print_compilation() {
    let mut times = Times::default();
    for author in 0..10_000 {
        let parameters = of_author(author);
        let start = Instant::now();
        let plan = engine::compile(by_author::QUERY, &parameters);
        times.round().push(start.elapsed());
        assert!(plan.is_ok());
    }
    let mut table = Table::new(&["W4, before the engine", "p50", "p99"]);
    table.row(vec![
        "text to plan".into(),
        report::duration(times.percentile(0.5)),
        report::duration(times.percentile(0.99)),
    ]);
    table.print();
}

const LOADED: u64 = 1_000_000;
const PAGE: u64 = 10_000;

/// Loads rows page by page, under one view, `rounds` times. The time of a round is that of all its pages.
fn w5(rounds: usize) -> Line {
    let mut times: [Times; 3] = Default::default();
    let mut refusal = None;
    for round in 0..rounds {
        let view = (u32::MAX - 1, of_author(7));
        let mut engine = Engine::new().seat::<Vec<Thread>>(by_author::QUERY, [view], |_| {});
        let mut peer = Loading { dataflow: by_author::peer(), pages: LOADED / PAGE };
        peer.dataflow.load([(7, u32::MAX - 1)]);
        let mut floor = ByHand(ByAuthor::default());
        let mut pages: [Vec<Duration>; 3] = Default::default();
        for page in 0..LOADED / PAGE {
            let rows: Vec<Thread> =
                (page * PAGE..(page + 1) * PAGE).map(|id| Thread::new(id, scatter(id, LOADED / 10))).collect();
            let rows = [rows];
            for turn in 0..3 {
                match (turn + round) % 3 {
                    0 => match &mut engine {
                        Ok(engine) => engine.play(&rows, &mut pages[0]),
                        Err(reason) => refusal = Some(reason.clone()),
                    },
                    1 => peer.play(&rows, &mut pages[1]),
                    _ => floor.play(&rows, &mut pages[2]),
                }
            }
        }
        for (times, pages) in times.iter_mut().zip(pages) {
            times.start_round();
            times.round().push(pages.iter().sum());
        }
    }
    let [engine, peer, floor] = times;
    let engine = refusal.map_or(Ok(engine), Err);
    Line { workload: "W5", case: format!("{LOADED} rows"), standing: Standing { engine, peer, floor } }
}

/// The peer while it loads: all pages have one time, as nobody asks for results in between.
struct Loading {
    dataflow: Dataflow<ByAuthorInputs>,
    pages: u64,
}

impl Contestant<Vec<Thread>> for Loading {
    fn play(&mut self, pages: &[Vec<Thread>], times: &mut Vec<Duration>) {
        for page in pages {
            let rows = <ByAuthorInputs as Inputs<Vec<Thread>>>::change(page);
            let start = Instant::now();
            self.dataflow.send::<Vec<Thread>>(rows);
            self.pages -= 1;
            match self.pages {
                0 => self.dataflow.finish(),
                _ => self.dataflow.work(),
            }
            times.push(start.elapsed());
        }
    }

    fn digest(&mut self) -> Digest {
        Contestant::<Vec<Thread>>::digest(&mut self.dataflow)
    }
}

/// A batch moves every tenth row to another author. There is a view of every author.
fn w8(threads: usize) -> Case<Vec<Thread>> {
    const ROWS: u64 = 100_000;
    const AUTHORS: u64 = 1_000;
    const BATCH: u64 = 10_000;
    let rows = || (0..ROWS).map(|id| Thread::new(id, id % AUTHORS));
    let changes = |number: usize| {
        let first = number as u64 * BATCH;
        // The factor shares no divisor with the number of rows, so that no row comes twice in a batch.
        let change = |number: u64| {
            let id = number * 48_271 % ROWS;
            Thread { version: number + 2, ..Thread::new(id, (id + number / BATCH + 1) % AUTHORS) }
        };
        (first..first + BATCH).map(change).collect()
    };
    let views = (0..AUTHORS).map(|author| (author as u32, of_author(author)));
    let engine = Engine::with_threads(threads).seat(by_author::QUERY, views, |engine| engine.load(rows()));
    let mut peer = by_author::peer();
    peer.load(rows());
    peer.load((0..AUTHORS).map(|author| (author, author as u32)));
    let mut floor = ByAuthor::default();
    floor.load(rows());
    (0..AUTHORS).for_each(|author| floor.add_view(author, author as u32));
    Case {
        label: format!("{BATCH} changes, {threads} threads"),
        changes: Box::new(changes),
        engine,
        peer: Box::new(peer),
        floor: Box::new(ByHand(floor)),
        tells_children: true,
    }
}
