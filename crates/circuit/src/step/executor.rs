//! Parallel work without threads of our own.
//!
//! The circuit starts no threads, so that it also runs where there are none, as in a browser. Where there are some,
//! whoever owns them hands the circuit an [`Executor`]; what is computed does not depend on it.

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

    #[test]
    fn a_panic_is_not_swallowed() {
        let outcome = std::panic::catch_unwind(|| Serial.run(3, &|number| assert_ne!(number, 1, "told to fail")));
        assert!(outcome.is_err());
    }
}
