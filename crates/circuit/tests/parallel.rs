//! A step on several threads against the same step on one.

mod support;

use circuit::{Change, Circuit, Executor};
use support::trees::*;
use support::*;

/// Runs each job on a thread of its own, the last one first.
struct Scattered;

impl Executor for Scattered {
    fn threads(&self) -> usize {
        3
    }

    fn run(&self, jobs: usize, job: &(dyn Fn(usize) + Sync)) {
        std::thread::scope(|scope| {
            (0..jobs).rev().for_each(|number| drop(scope.spawn(move || job(number))));
        });
    }
}

/// Catches anything that depends on who looks at a row, or when: what is found before the step begins, what rows are to
/// templates, and what is told of them.
#[test]
fn a_step_on_several_threads_equals_one_on_one() {
    for seed in 0..5 {
        let mut random = Random(seed);
        let (mut serial, mut parallel) = (Circuit::new(library()), Circuit::new(library()));
        let mut divided = 0;
        for version in 0..10_u64 {
            for (_, plan) in tree_plans(&mut random).into_iter().filter(|_| version < 3) {
                assert_eq!(serial.watch(&plan), parallel.watch(&plan));
            }
            let change = |number: u64| tree_change_among(&mut random, version * 1_000 + number, 400);
            let batch: Vec<Change> = (0..900).map(change).collect();
            let (expected, step) = (serial.step(batch.clone()), parallel.step_with(batch, &Scattered));
            divided += step.statistics.coalesced;
            assert_eq!(format!("{step:?}"), format!("{expected:?}"), "seed {seed}, version {version}");
        }
        assert!(divided > 2_000, "too little to be divided");
        assert_eq!(format!("{:?}", serial.work()), format!("{:?}", parallel.work()), "seed {seed}");
    }
}
