//! Our side: SurrealQL text, compiled and maintained.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use circuit::value::Interner;
use circuit::{Change, ChangeKind, Circuit, Executor, Object, Plan, ResultId, Row, RowChange, Step};
use query::SurrealLibrary;

use crate::contest::{Contestant, Seat};
use crate::results::{Digest, Entry, Map};
use crate::rows::{Batch, number_of};

/// The engine with its views, and a copy of all results that is kept by the deltas alone.
pub struct Engine {
    circuit: Circuit,
    views: HashMap<ResultId, u32>,
    shown: Map<Entry, u64>,
    steps: Vec<Step>,
    /// Shares names as the capture does where it decodes changes.
    names: Interner,
    threads: Threads,
    read: Option<Read>,
}

/// What a row of a result is in terms of the contest.
pub type Read = fn(u32, &Row) -> (Entry, u64);

/// Threads for the jobs of a step, started for each: a batch takes so long that this does not count.
#[derive(Clone, Copy, Debug)]
struct Threads(usize);

impl Executor for Threads {
    fn threads(&self) -> usize {
        self.0
    }

    fn run(&self, jobs: usize, job: &(dyn Fn(usize) + Sync)) {
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(number) = Some(next.fetch_add(1, Relaxed)).filter(|number| *number < jobs) {
                job(number);
            }
        };
        std::thread::scope(|scope| {
            (1..self.0).for_each(|_| drop(scope.spawn(work)));
            work();
        });
    }
}

/// Text to plan.
pub fn compile(text: &str, parameters: &Object) -> Result<Plan, String> {
    query::compile(text, parameters).map(|query| query.plan).map_err(|refusal| refusal.to_string())
}

/// An empty circuit with SurrealDB's function library.
pub fn circuit() -> Circuit {
    Circuit::new(Arc::new(SurrealLibrary))
}

/// How many changes a step is given while a table is loaded.
const PAGE: usize = 10_000;

impl Engine {
    pub fn new() -> Engine {
        Engine {
            circuit: circuit(),
            views: HashMap::new(),
            shown: Map::default(),
            steps: Vec::new(),
            names: Interner::default(),
            threads: Threads(1),
            read: None,
        }
    }

    /// An engine that uses this many threads for a step.
    pub fn with_threads(threads: usize) -> Engine {
        Engine { threads: Threads(threads), ..Engine::new() }
    }

    /// An engine whose results are no records with versions, as those of `GROUP BY`. Its deltas are not followed.
    pub fn reading(read: Read) -> Engine {
        Engine { read: Some(read), ..Engine::new() }
    }

    /// The engine's seat in a contest: `rows` loads the tables, and then the views are registered. It stays empty if
    /// the query is refused.
    pub fn seat<C>(
        mut self,
        text: &str,
        views: impl IntoIterator<Item = (u32, Object)>,
        rows: impl FnOnce(&mut Engine),
    ) -> Seat<C>
    where
        Engine: Contestant<C>,
    {
        let mut views = views.into_iter().peekable();
        if let Some((_, parameters)) = views.peek() {
            compile(text, parameters)?;
        }
        rows(&mut self);
        for (view, parameters) in views {
            self.register(view, text, &parameters)?;
        }
        Ok(Box::new(self))
    }

    /// Loads rows, before any view is registered or after.
    pub fn load<R>(&mut self, rows: impl IntoIterator<Item = R>)
    where
        for<'a> &'a R: Into<Change>,
    {
        let mut page = Vec::with_capacity(PAGE);
        for row in rows {
            page.push((&row).into());
            if page.len() == PAGE {
                self.take(std::mem::replace(&mut page, Vec::with_capacity(PAGE)));
            }
        }
        self.take(page);
    }

    fn take(&mut self, changes: Vec<Change>) {
        let changes = self.decode(changes);
        let step = self.circuit.step(changes);
        self.steps.push(step);
        self.settle();
    }

    /// What the capture does with changes before it hands them in.
    fn decode(&mut self, changes: Vec<Change>) -> Vec<Change> {
        changes.into_iter().map(|change| self.names.change(change)).collect()
    }

    /// Registers a view; the error is the reason why its query was refused. The plans of all views must differ.
    pub fn register(&mut self, view: u32, text: &str, parameters: &Object) -> Result<(), String> {
        let result = self.circuit.register(&compile(text, parameters)?);
        let rows = self.circuit.listing(result);
        self.follow(view, result, &rows);
        Ok(())
    }

    fn follow(&mut self, view: u32, result: ResultId, rows: &[RowChange]) {
        let other = self.views.insert(result, view);
        assert!(other.is_none(), "two views share a result");
        if self.read.is_none() {
            rows.iter().for_each(|row| show(&mut self.shown, Entry::of_view(view, number_of(&row.id)), row));
        }
    }

    /// Brings the copy of the results up to date.
    fn settle(&mut self) {
        if self.read.is_some() {
            self.steps.clear();
        }
        for delta in self.steps.drain(..).flat_map(|step| step.deltas) {
            let view = self.views[&delta.result];
            for change in &delta.changes {
                show(&mut self.shown, Entry::of_view(view, number_of(&change.id)), change);
            }
        }
    }

    fn digest(&self) -> Digest {
        let mut digest = Digest::default();
        let mut listed = Map::default();
        for (result, view) in &self.views {
            match self.read {
                Some(read) => {
                    for row in self.circuit.rows(*result) {
                        let (entry, version) = read(*view, &row);
                        digest.add(&entry, version, 1);
                    }
                }
                None => {
                    for row in self.circuit.listing(*result) {
                        show(&mut listed, Entry::of_view(*view, number_of(&row.id)), &row);
                    }
                }
            }
        }
        listed.iter().for_each(|(entry, version)| digest.add(entry, *version, 1));
        digest
    }
}

/// Brings a copy of results up to date with a change of a row and of the rows under it.
fn show(shown: &mut Map<Entry, u64>, entry: Entry, change: &RowChange) {
    let former = match change.kind {
        ChangeKind::Leave => shown.remove(&entry),
        ChangeKind::Enter | ChangeKind::Update | ChangeKind::Stay => shown.insert(entry, change.version),
    };
    assert_eq!(former.is_none(), change.kind == ChangeKind::Enter, "a delta that does not fit: {entry:?}");
    for nested in &change.nested {
        for change in &nested.changes {
            let relation = nested.child as u8 + 1;
            show(shown, Entry { parent: entry.row, relation, row: number_of(&change.id), ..entry }, change);
        }
    }
}

impl Default for Engine {
    fn default() -> Self {
        Engine::new()
    }
}

impl<B: Batch> Contestant<B> for Engine {
    fn play(&mut self, changes: &[B], times: &mut Vec<Duration>) {
        for batch in changes {
            // The rows are made just before they are handed in, as for the others.
            let batch = self.decode(batch.changes());
            let start = Instant::now();
            let step = self.circuit.step_with(batch, &self.threads);
            times.push(start.elapsed());
            self.steps.push(step);
        }
        self.settle();
    }

    fn digest(&mut self) -> Digest {
        let digest = Engine::digest(self);
        let mut by_deltas = Digest::default();
        self.shown.iter().for_each(|(entry, version)| by_deltas.add(entry, *version, 1));
        if self.read.is_none() {
            assert_eq!(digest, by_deltas, "the deltas do not add up to the results");
        }
        digest
    }
}

/// A view to be registered.
#[derive(Clone, Debug)]
pub struct View {
    pub number: u32,
    pub text: &'static str,
    pub parameters: Object,
    /// The parameter as the peer and the floor know it.
    pub key: u64,
}

impl Contestant<View> for Engine {
    /// Measures a registration without the compilation of its text, up to the first rows.
    fn play(&mut self, views: &[View], times: &mut Vec<Duration>) {
        for view in views {
            let plan = compile(view.text, &view.parameters).expect("a query that compiled before");
            let start = Instant::now();
            let result = self.circuit.register(&plan);
            let rows = self.circuit.listing(result);
            times.push(start.elapsed());
            self.follow(view.number, result, &rows);
        }
    }

    fn digest(&mut self) -> Digest {
        Engine::digest(self)
    }
}
