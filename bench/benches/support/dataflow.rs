//! The peer: differential-dataflow on a single worker, in this thread.

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;
use std::time::{Duration, Instant};

use differential_dataflow::VecCollection;
use differential_dataflow::input::InputSession;
use timely::WorkerConfig;
use timely::communication::Allocator;
use timely::dataflow::operators::probe::Handle;
use timely::worker::Worker;

use crate::contest::Contestant;
use crate::results::{Digest, Entry};

pub type Time = u64;

/// An input of a dataflow.
pub type Input<D> = InputSession<Time, D, isize>;

/// A collection in a dataflow.
pub type Rows<'scope, D> = VecCollection<'scope, Time, D, isize>;

/// An entry with its version, and its weight.
type Weighted = ((Entry, u64), isize);

/// Where a dataflow leaves the changes of its results.
#[derive(Clone, Debug, Default)]
pub struct Output {
    changes: Rc<RefCell<Vec<Weighted>>>,
    probe: Handle<Time>,
}

impl Output {
    /// Makes a collection of entries with their versions a part of the results.
    pub fn take(&self, results: Rows<'_, (Entry, u64)>) {
        let changes = self.changes.clone();
        results.inspect(move |(entry, _, weight)| changes.borrow_mut().push((*entry, *weight))).probe_with(&self.probe);
    }
}

/// The inputs of a dataflow, for changes of type `C`.
pub trait Inputs<C> {
    /// A change in the form in which it is handed in.
    type Change;

    /// Makes a change. Not a part of the measurement.
    fn change(change: &C) -> Self::Change;

    /// Looks up what the change replaces, as differential-dataflow wants to be told what goes, and hands in both.
    fn send(&mut self, change: Self::Change);
}

/// All inputs of a dataflow, whatever they carry.
pub trait Sessions {
    /// Makes all inputs go on to a time.
    fn advance(&mut self, time: Time);
}

/// Goes on to a time.
pub fn advance<D: Ord + Clone + Debug + 'static>(input: &mut Input<D>, time: Time) {
    input.advance_to(time);
    input.flush();
}

/// A dataflow with its worker.
pub struct Dataflow<I> {
    inputs: I,
    worker: Worker,
    output: Output,
    time: Time,
    digest: Digest,
}

impl<I: Sessions> Dataflow<I> {
    pub fn new(build: impl FnOnce(&mut Worker, &Output) -> I) -> Self {
        let allocator = Allocator::Thread(Default::default());
        let mut worker = Worker::new(WorkerConfig::default(), allocator, Some(Instant::now()));
        let output = Output::default();
        let inputs = build(&mut worker, &output);
        Dataflow { inputs, worker, output, time: 0, digest: Digest::default() }
    }

    /// Hands in changes all at once.
    pub fn load<C>(&mut self, changes: impl IntoIterator<Item = C>)
    where
        I: Inputs<C>,
    {
        changes.into_iter().for_each(|change| self.inputs.send(I::change(&change)));
        self.finish();
        self.settle();
    }

    /// Hands in a change without waiting for anything.
    pub fn send<C>(&mut self, change: I::Change)
    where
        I: Inputs<C>,
    {
        self.inputs.send(change);
    }

    /// Lets the worker sort what it was given, without asking for results.
    pub fn work(&mut self) {
        self.worker.step();
    }

    /// Ends the current time, and waits for all its results.
    pub fn finish(&mut self) {
        self.time += 1;
        self.inputs.advance(self.time);
        while self.output.probe.less_than(&self.time) {
            self.worker.step();
        }
    }

    pub fn settle(&mut self) {
        for ((entry, version), weight) in self.output.changes.borrow_mut().drain(..) {
            self.digest.add(&entry, version, weight as i64);
        }
    }
}

impl<C, I: Sessions + Inputs<C>> Contestant<C> for Dataflow<I> {
    fn play(&mut self, changes: &[C], times: &mut Vec<Duration>) {
        for change in changes {
            let change = I::change(change);
            let start = Instant::now();
            self.inputs.send(change);
            self.finish();
            times.push(start.elapsed());
        }
        self.settle();
    }

    fn digest(&mut self) -> Digest {
        self.digest
    }
}
