//! The way of the jobs of one table: find what is due, claim it, have it run, and look after what is under way.
//!
//! A lane is one task, so nothing of it overlaps: while it looks at what is under way, it claims nothing. It looks for
//! due jobs when the bell rings, when the next one is due, and when something has ended after a look that had found
//! more than there was room for. The bell may be silent, so it also looks from time to time.

use std::collections::HashSet;
use std::time::Duration;

use circuit::RecordId;
use database::Error;
use database::jobs::{Claim, Job, JobBell, JobTable, Phase, Ring, Which};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

use crate::backend::Mode;
use crate::dispatcher::{Answer, Request};
use crate::executor::Executor;
use crate::retry::Failure;
use crate::under_way::UnderWay;

/// How long a quiet lane waits before it looks by itself.
const POLL: Duration = Duration::from_secs(10);
/// The pause while nothing can be claimed.
const PAUSE: Duration = Duration::from_secs(1);
/// The pause after a claim that failed; each further failure doubles it, up to [`POLL`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// For how long jobs are claimed one by one after a failure that may be due to one of them.
const DOUBT: Duration = Duration::from_secs(60);
/// The pause after others were after the same jobs, at most.
const CONTENTION_PAUSE: Duration = Duration::from_millis(20);
/// How often a table that is not prepared is looked at.
const UNPREPARED_POLL: Duration = Duration::from_secs(5);
/// How many overdue callbacks are taken care of at once.
const OVERDUE_AT_ONCE: usize = 100;

/// One job table.
pub(crate) struct Lane {
    pub(crate) executor: Executor,
    /// The name of the runner.
    pub(crate) runner: String,
    /// How often what is under way is looked at.
    pub(crate) interval: Duration,
    /// How long attempts may go on when the runner stops.
    pub(crate) drain: Duration,
    /// Jobs that are to be run out of turn.
    pub(crate) requests: mpsc::Receiver<Request>,
    /// Whether the runner stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// What earlier claims have shown.
#[derive(Debug, Default)]
struct Experience {
    /// Others were after the same jobs.
    is_contended: bool,
    /// Until when jobs are claimed one by one: one that the schema of its table does not take any more can't be
    /// claimed, nor can others together with it.
    doubtful_until: Option<Instant>,
    /// Claims that have failed since one has succeeded.
    failures: u32,
}

/// When to look for due jobs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// As soon as there is room.
    Now,
    /// At this moment, unless the bell rings before.
    At(Instant),
}

impl Lane {
    /// Works until the runner stops.
    pub(crate) async fn run(mut self) {
        let Some(table) = self.prepared().await else { return };
        let mut under_way = UnderWay::default();
        let mut bell = JobBell::new(self.executor.ledger.database.clone(), &table.name);
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look = Look::Now;
        let mut experience = Experience::default();
        let mut stopping = self.stopping.clone();
        while !*stopping.borrow() {
            if bell.has_been_mended().await {
                look = Look::Now;
            }
            under_way.forget_ended();
            let room = self.executor.ledger.backend.concurrency.saturating_sub(under_way.len());
            if look == Look::Now && room > 0 {
                look = self.claim(&table, room, &mut experience, &mut under_way).await;
            }
            let until = match look {
                Look::Now if room > 0 => continue,
                // What ends makes room.
                Look::Now => Instant::now() + POLL,
                Look::At(moment) => moment,
            };
            tokio::select! {
                // Whoever could have told has gone: also a stop.
                _ = stopping.changed() => {}
                () = under_way.ended() => {}
                Some(request) = self.requests.recv() => self.run_out_of_turn(&table, request, &mut under_way).await,
                _ = ticks.tick() => self.look_after(&table, &mut under_way).await,
                ring = bell.next(until.saturating_duration_since(Instant::now())) => match ring {
                    Ring::Pending => look = Look::Now,
                    Ring::Gone(id) => cancel(&mut under_way, &id),
                    Ring::Silence => if Instant::now() >= until { look = Look::Now },
                },
            }
        }
        self.drain(under_way).await;
    }

    /// Waits until the table is there, as `spky apply` makes it; `None` if the runner stops before.
    async fn prepared(&mut self) -> Option<JobTable> {
        let backend = self.executor.ledger.backend.clone();
        let mut is_reported = false;
        loop {
            let pause = match self.executor.ledger.table().await {
                Ok(Some(table)) => return Some(table.clone()),
                Ok(None) => {
                    if !is_reported {
                        let table = &backend.table;
                        tracing::error!(table, "the job table is not prepared, run `spky apply`; its jobs wait");
                        is_reported = true;
                    }
                    UNPREPARED_POLL
                }
                Err(error) => {
                    tracing::warn!(table = backend.table, %error, "can't look at the job table");
                    PAUSE
                }
            };
            tokio::select! {
                _ = self.stopping.wait_for(|is_stopping| *is_stopping) => return None,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Claims what is due and has it run. Answers when to look again.
    async fn claim(
        &self,
        table: &JobTable,
        room: usize,
        experience: &mut Experience,
        under_way: &mut UnderWay,
    ) -> Look {
        let is_doubtful = experience.doubtful_until.is_some_and(|until| Instant::now() < until);
        let limit = if is_doubtful { 1 } else { room };
        let at_random = experience.is_contended || is_doubtful;
        match self
            .executor
            .ledger
            .database
            .claim_jobs(table, Claim { runner: &self.runner, which: Which::Due { limit, at_random } })
            .await
        {
            Ok(claimed) if !claimed.is_alive => {
                tracing::warn!(table = table.name, "this runner does not count as alive, and claims nothing for now");
                Look::At(Instant::now() + PAUSE)
            }
            Ok(claimed) => {
                experience.is_contended = false;
                experience.failures = 0;
                self.begin(table, claimed.jobs, under_way);
                match claimed.next_due {
                    Some(Duration::ZERO) => Look::Now,
                    Some(delay) => Look::At(Instant::now() + delay.min(POLL)),
                    None => Look::At(Instant::now() + POLL),
                }
            }
            Err(Error::Conflict { .. }) => {
                experience.is_contended = true;
                tokio::time::sleep(CONTENTION_PAUSE.mul_f64(rand::random_range(0.0..=1.0))).await;
                Look::Now
            }
            Err(error) => {
                if !error.is_outage() {
                    experience.doubtful_until = Some(Instant::now() + DOUBT);
                }
                let pause = FIRST_PAUSE.saturating_mul(1 << experience.failures.min(16)).min(POLL);
                experience.failures += 1;
                tracing::warn!(table = table.name, %error, ?pause, "can't claim jobs");
                Look::At(Instant::now() + pause)
            }
        }
    }

    /// Has jobs run that have been claimed.
    fn begin(&self, table: &JobTable, jobs: Vec<Job>, under_way: &mut UnderWay) {
        for job in jobs {
            let (executor, table) = (self.executor.clone(), table.clone());
            under_way.spawn(job.attempt.clone(), async move { executor.run(&table, job).await });
        }
    }

    /// Claims one job, if there is room, and has it run.
    async fn run_out_of_turn(&self, table: &JobTable, Request { job, reply }: Request, under_way: &mut UnderWay) {
        if reply.is_closed() {
            // Whoever asked has been told that nobody knows, and may have asked somebody else.
            return;
        }
        under_way.forget_ended();
        let answer = if under_way.len() < self.executor.ledger.backend.concurrency {
            let claim = Claim { runner: &self.runner, which: Which::One(&job) };
            match self.executor.ledger.database.claim_jobs(table, claim).await {
                Ok(claimed) if !claimed.is_alive => {
                    Answer::Unavailable("this runner does not count as alive".to_owned())
                }
                Ok(claimed) if claimed.jobs.is_empty() => Answer::NotPending,
                Ok(claimed) => {
                    self.begin(table, claimed.jobs, under_way);
                    Answer::Claimed
                }
                Err(Error::Conflict { .. }) => Answer::Unavailable("somebody else is writing this job".to_owned()),
                Err(error) => Answer::Unavailable(error.to_string()),
            }
        } else {
            Answer::Full
        };
        // A job that has been claimed is run, whether or not somebody still wants to know.
        let _ = reply.send(answer);
    }

    /// Stops attempts that are not ours any more, and ends those that nobody makes.
    async fn look_after(&self, table: &JobTable, under_way: &mut UnderWay) {
        let executor = &self.executor;
        match executor.ledger.database.processing_jobs(table, &self.runner).await {
            Ok(jobs) => {
                let known: HashSet<&str> = jobs.iter().map(|job| job.attempt.process_uuid.as_str()).collect();
                let stopped = under_way.stop(|process_uuid, _| !known.contains(process_uuid));
                if stopped > 0 {
                    tracing::info!(table = table.name, stopped, "attempts were superseded, or their jobs deleted");
                }
                for job in jobs.iter().filter(|job| !under_way.contains(&job.attempt.process_uuid)) {
                    let reason = "the service that made this attempt has ended, or lost its connection";
                    // Its runner may have come back meanwhile, and have had it accepted.
                    executor.fail(table, job, Phase::Made, Failure::retryable("LOST", reason)).await;
                }
            }
            Err(error) => tracing::warn!(table = table.name, %error, "can't look at jobs under way"),
        }
        if executor.ledger.backend.mode == Mode::Request {
            return;
        }
        match executor.ledger.database.overdue_jobs(table, OVERDUE_AT_ONCE).await {
            Ok(jobs) => {
                for job in &jobs {
                    let reason = format!("no callback within {:?}", executor.ledger.backend.timeout(job));
                    executor.fail(table, job, Phase::Accepted, Failure::retryable("CALLBACK_TIMEOUT", reason)).await;
                }
            }
            Err(error) => tracing::warn!(table = table.name, %error, "can't look for overdue callbacks"),
        }
    }

    /// Gives what is under way some time to end.
    async fn drain(&self, mut under_way: UnderWay) {
        let drained = async {
            while !under_way.is_empty() {
                under_way.ended().await;
            }
        };
        if tokio::time::timeout(self.drain, drained).await.is_err() {
            let (table, jobs) = (&self.executor.ledger.backend.table, under_way.len());
            tracing::warn!(table, jobs, "jobs take too long to be finished, they are left to be tried again");
        }
    }
}

/// Stops the attempt at a job that has been deleted.
fn cancel(under_way: &mut UnderWay, id: &RecordId) {
    if under_way.stop(|_, of| of == id) > 0 {
        tracing::info!(job = database::text::record_id(id), "a job was deleted, its attempt is given up");
    }
}
