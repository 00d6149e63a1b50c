//! The contest: contestants take turns with the same changes, a slice at a time, so that whatever else the machine does
//! disturbs all of them alike.

use std::time::{Duration, Instant};

use crate::options::Options;
use crate::report::{Line, Standing, Times};
use crate::results::{Digest, Results};

/// Somebody who keeps the results of views up to date under changes of type `C`.
pub trait Contestant<C> {
    /// Applies the changes one by one, and adds how long each took: from the change in memory to the deltas in memory.
    fn play(&mut self, changes: &[C], times: &mut Vec<Duration>);

    /// What its results are now.
    fn digest(&mut self) -> Digest;
}

/// A job written by hand.
pub trait Floor<C> {
    fn apply(&mut self, change: C);

    fn results(&mut self) -> &mut Results;
}

/// A floor as a contestant.
pub struct ByHand<F>(pub F);

impl<C: Clone, F: Floor<C>> Contestant<C> for ByHand<F> {
    fn play(&mut self, changes: &[C], times: &mut Vec<Duration>) {
        for change in changes {
            let change = change.clone();
            let start = Instant::now();
            self.0.apply(change);
            times.push(start.elapsed());
        }
        self.0.results().deltas.clear();
    }

    fn digest(&mut self) -> Digest {
        self.0.results().digest()
    }
}

/// A contestant's seat; the engine's may be empty, for a reason.
pub type Seat<C> = Result<Box<dyn Contestant<C>>, String>;

/// One variant of a workload with its contestants.
pub struct Case<C> {
    pub label: String,
    /// The change with this number. Called once for each number, in ascending order.
    pub changes: Box<dyn FnMut(usize) -> C>,
    pub engine: Seat<C>,
    pub peer: Box<dyn Contestant<C>>,
    pub floor: Box<dyn Contestant<C>>,
    /// Whether the engine tells the answers of subqueries, so that they can be compared.
    pub tells_children: bool,
}

/// How often everything is done.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub rounds: usize,
    /// Turns of each contestant in a round.
    pub slices: usize,
    /// Changes in a turn.
    pub changes: usize,
}

/// Lets the contestants of all cases take turns, checks that they agree in the end, and answers their times. The first
/// round is for warming up.
pub fn run<C>(workload: &'static str, mut cases: Vec<Case<C>>, effort: Effort, options: &Options) -> Vec<Line> {
    let mut times: Vec<[Times; 3]> = cases.iter().map(|_| Default::default()).collect();
    play_round(&mut cases, &mut times, 0, effort);
    times.iter_mut().flatten().for_each(Times::clear);
    let profile = options.start_profile();
    for round in 1..=options.rounds.unwrap_or(effort.rounds) {
        play_round(&mut cases, &mut times, round, effort);
    }
    if let Some(profile) = profile {
        options.write_profile(&profile);
    }
    let mut lines = Vec::new();
    for (mut case, times) in cases.into_iter().zip(times) {
        check(workload, &mut case);
        let [engine, peer, floor] = times;
        let engine = case.engine.map(|_| engine);
        lines.push(Line { workload, case: case.label, standing: Standing { engine, peer, floor } });
    }
    lines
}

fn play_round<C>(cases: &mut [Case<C>], times: &mut [[Times; 3]], round: usize, effort: Effort) {
    times.iter_mut().flatten().for_each(Times::start_round);
    for slice in round * effort.slices..(round + 1) * effort.slices {
        for (case, times) in cases.iter_mut().zip(times.iter_mut()) {
            let first = slice * effort.changes;
            let changes: Vec<C> = (first..first + effort.changes).map(&mut case.changes).collect();
            for turn in 0..3 {
                let seat = (slice + turn) % 3;
                let times = times[seat].round();
                match seat {
                    0 => {
                        if let Ok(engine) = &mut case.engine {
                            engine.play(&changes, times);
                        }
                    }
                    1 => case.peer.play(&changes, times),
                    _ => case.floor.play(&changes, times),
                }
            }
        }
    }
}

/// Nobody wins by not doing the work.
fn check<C>(workload: &str, case: &mut Case<C>) {
    let floor = case.floor.digest();
    assert_eq!(case.peer.digest(), floor, "{workload}, {}: the peer and the floor disagree", case.label);
    if let Ok(engine) = &mut case.engine {
        let engine = engine.digest();
        assert_eq!(engine.members, floor.members, "{workload}, {}: the engine and the floor disagree", case.label);
        if case.tells_children {
            assert_eq!(engine.children, floor.children, "{workload}, {}: the children differ", case.label);
        }
    }
}
