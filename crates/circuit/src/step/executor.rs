//! Parallel work without threads of our own.
//!
//! The circuit starts no threads, so that it also runs where there are none, as in a browser. Where there are some,
//! whoever owns them hands the circuit an [`Executor`]; what is computed does not depend on it.

use std::ops::Range;
use std::sync::OnceLock;

/// Runs jobs, possibly at the same time.
pub trait Executor: Sync {
    /// How many jobs may run at the same time: at least 1. With 1 there is nothing to gain from dividing work.
    fn threads(&self) -> usize;

    /// Runs `job(0)` to `job(jobs - 1)`, each exactly once, in any order and on any thread; returns when all are done.
    /// Jobs must not wait for each other.
    ///
    /// If a job panics, others may not run at all, and this panics in turn when none is running any more.
    fn run(&self, jobs: usize, job: &(dyn Fn(usize) + Sync));
}

/// Runs one job after the other, on the thread of the caller.
#[derive(Clone, Copy, Debug, Default)]
pub struct Serial;

impl Executor for Serial {
    fn threads(&self) -> usize {
        1
    }

    fn run(&self, jobs: usize, job: &(dyn Fn(usize) + Sync)) {
        (0..jobs).for_each(job);
    }
}

/// The fewest items that are worth a job of their own.
const PARALLEL: usize = 64;

/// Whether work on so many items gains by being divided.
pub(crate) fn is_worth_dividing(items: usize, executor: &dyn Executor) -> bool {
    executor.threads() > 1 && items >= 2 * PARALLEL
}

/// Divides items into jobs, and answers what each job made of its range, in the order of the items.
pub(crate) fn in_parallel<T: Send + Sync>(
    items: usize,
    executor: &dyn Executor,
    job: impl Fn(Range<usize>) -> T + Sync,
) -> Vec<T> {
    let jobs = (items / PARALLEL).min(executor.threads() * 4).max(1);
    let chunk = items.div_ceil(jobs);
    let answers: Vec<OnceLock<T>> = (0..jobs).map(|_| OnceLock::new()).collect();
    executor.run(jobs, &|number| {
        let range = (number * chunk).min(items)..((number + 1) * chunk).min(items);
        // Each job runs once, so its place is free.
        let _ = answers[number].set(job(range));
    });
    answers.into_iter().filter_map(OnceLock::into_inner).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn every_job_runs_once_and_in_order() {
        for jobs in [0, 1, 5] {
            let ran = Mutex::new(Vec::new());
            Serial.run(jobs, &|number| ran.lock().unwrap().push(number));
            assert_eq!(ran.into_inner().unwrap(), Vec::from_iter(0..jobs));
        }
        assert_eq!(Serial.threads(), 1);
    }

    /// Catches items that are lost or come twice where they don't divide evenly.
    #[test]
    fn every_item_comes_once_and_in_order() {
        for items in [0, 1, PARALLEL, 3 * PARALLEL + 1, 100 * PARALLEL - 1] {
            let ranges = in_parallel(items, &Serial, |range| range.collect::<Vec<_>>());
            assert_eq!(ranges.concat(), Vec::from_iter(0..items));
        }
    }

    #[test]
    fn a_panic_is_not_swallowed() {
        let outcome = std::panic::catch_unwind(|| Serial.run(3, &|number| assert_ne!(number, 1, "told to fail")));
        assert!(outcome.is_err());
    }
}
