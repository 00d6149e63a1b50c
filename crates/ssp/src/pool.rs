//! The threads that the circuit is handed: it starts none itself.

use std::num::NonZeroUsize;

use circuit::Executor;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use crate::error::Error;

/// More threads than this do not make a step faster: its jobs are small.
const MOST_THREADS: usize = 8;

/// A pool of threads for the jobs of a step. Its threads end with it.
#[derive(Debug)]
pub struct Pool {
    threads: rayon::ThreadPool,
}

impl Pool {
    /// Starts the threads: as many as asked for, or as there are cores; at most 8.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn new(threads: Option<NonZeroUsize>) -> Result<Pool, Error> {
        let threads = threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let builder = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.min(MOST_THREADS))
            .thread_name(|number| format!("circuit-{number}"));
        Ok(Pool { threads: builder.build().map_err(Error::Pool)? })
    }
}

impl Executor for Pool {
    fn threads(&self) -> usize {
        self.threads.current_num_threads()
    }

    fn run(&self, jobs: usize, job: &(dyn Fn(usize) + Sync)) {
        // Each job may be taken by another thread: they are few, and differ in size.
        self.threads.install(|| (0..jobs).into_par_iter().with_max_len(1).for_each(job));
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn pool(threads: usize) -> Pool {
        Pool::new(NonZeroUsize::new(threads)).unwrap()
    }

    #[test]
    fn every_job_runs_exactly_once() {
        let pool = pool(3);
        for jobs in [0, 1, 2, 1_000] {
            let runs: Vec<AtomicUsize> = (0..jobs).map(|_| AtomicUsize::new(0)).collect();
            pool.run(jobs, &|number| {
                runs[number].fetch_add(1, Ordering::Relaxed);
            });
            assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1), "{jobs} jobs");
        }
    }

    /// Catches a pool whose jobs run one after the other: each of these waits for the other.
    #[test]
    fn jobs_run_at_the_same_time() {
        let barrier = Barrier::new(2);
        pool(2).run(2, &|_| {
            barrier.wait();
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let pool = pool(2);
        let outcome = catch_unwind(AssertUnwindSafe(|| pool.run(10, &|number| assert_ne!(number, 7, "told to fail"))));
        assert!(outcome.is_err());
        let runs = AtomicUsize::new(0);
        pool.run(10, &|_| {
            runs.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(runs.into_inner(), 10);
    }

    #[test]
    fn the_number_of_threads_is_capped() {
        assert_eq!(pool(3).threads(), 3);
        assert_eq!(pool(100).threads(), MOST_THREADS);
        let default = Pool::new(None).unwrap().threads();
        assert!((1..=MOST_THREADS).contains(&default), "{default}");
    }
}
