//! Following the changes: from the first look at the database, through outages and gaps, until the service ends.

use std::time::Duration;

use circuit::Change;
use database::{ChangeSet, Feed, FeedBatch};
use serving::Status;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Interval, MissedTickBehavior};

use crate::bootstrap::Loader;
use crate::command::{Command, EngineSender};
use crate::errand::Errand;
use crate::error::Error;
use crate::metrics::Metrics;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often the tables of the database are compared with those that are known.
const LOOK: Duration = Duration::from_secs(5);

/// The state of whoever follows the changes. [`Follower::run`] is its task.
pub(crate) struct Follower {
    loader: Loader,
    engine: EngineSender,
    errands: mpsc::Receiver<Errand>,
    status: Status,
    metrics: Metrics,
    /// Nothing while the tables are still to be read.
    source: Option<Source>,
    /// Whether the views are taken up as well.
    has_begun: bool,
    /// Whether everything is to be forgotten before the tables are read.
    is_reset: bool,
    /// Who waits for all tables to be read.
    resets: Vec<oneshot::Sender<()>>,
    looks: Interval,
}

/// Where changes come from.
enum Source {
    Feed(Box<Feed>),
    /// By `/ingest`, which speaks to the engine itself.
    Push,
}

impl Follower {
    pub(crate) fn new(
        loader: Loader,
        engine: EngineSender,
        errands: mpsc::Receiver<Errand>,
        status: Status,
        metrics: Metrics,
    ) -> Self {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Follower {
            loader,
            engine,
            errands,
            status,
            metrics,
            source: None,
            has_begun: false,
            is_reset: false,
            resets: Vec::new(),
            looks,
        }
    }

    /// Follows until the engine is gone. An outage of the database is waited out; where changes are lost for good, the
    /// tables are read again, and until that is done the service is not ready.
    ///
    /// # Errors
    /// If something fails in a way that waiting does not mend.
    pub(crate) async fn run(mut self) -> Result<(), Error> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.go_on().await {
                Ok(()) => pause = FIRST_PAUSE,
                Err(Error::Database(error)) if error.is_retryable() => {
                    tracing::warn!(%error, "capture is interrupted, trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(Error::Database(error)) if error.is_gap() => {
                    tracing::warn!(%error, "changes are lost, reading the tables again");
                    self.start_over();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// One thing after the other: reads the tables if that is still to be done, else waits for what comes next.
    async fn go_on(&mut self) -> Result<(), Error> {
        if !self.has_begun {
            return self.begin().await;
        }
        let errand = match &mut self.source {
            None | Some(Source::Push) => tokio::select! {
                biased;
                errand = self.errands.recv() => errand,
                // There is no changefeed that a table could lack; what users may see can change all the same.
                _ = self.looks.tick() => return self.loader.survey().await.map(drop),
            },
            Some(Source::Feed(feed)) => tokio::select! {
                biased;
                Some(errand) = self.errands.recv() => Some(errand),
                _ = self.looks.tick() => return look(feed, &self.loader).await,
                () = feed.wait() => {
                    // Not raced against anything: on a slow database every look would cut off a request under way.
                    let batch = feed.read().await?;
                    if batch.sets.is_empty() {
                        return Ok(());
                    }
                    let defines = deliver(batch, &self.engine, &self.metrics).await?;
                    return if defines { look(feed, &self.loader).await } else { Ok(()) };
                }
            },
        };
        match errand {
            Some(Errand::Adopt { table, done }) => {
                self.loader.adopt(&table).await?;
                // Whoever asked may have gone away.
                let _ = done.send(());
            }
            Some(Errand::CatchUp(done)) => {
                if let Some(Source::Feed(feed)) = &mut self.source {
                    self.loader.catch_up(feed).await?;
                }
                let _ = done.send(());
            }
            Some(Errand::Reread { tables, done }) => match &mut self.source {
                Some(Source::Feed(feed)) => {
                    let survey = self.loader.survey_again(&tables).await?;
                    // What the feed has to say of the time before an import must not come after it.
                    self.loader.catch_up(feed).await?;
                    self.loader.read(survey).await?;
                    let _ = done.send(());
                }
                // While a table is read, pushed changes of it could be overtaken: so none is taken.
                None | Some(Source::Push) => {
                    self.start_over();
                    self.resets.push(done);
                }
            },
            Some(Errand::Reset(done)) => {
                self.start_over();
                self.is_reset = true;
                self.resets.push(done);
            }
            // Nobody can ask any more: the service is stopping, and this task with it.
            None => std::future::pending().await,
        }
        Ok(())
    }

    fn start_over(&mut self) {
        self.status.set_bootstrapping();
        self.source = None;
        self.has_begun = false;
    }

    async fn begin(&mut self) -> Result<(), Error> {
        if self.is_reset {
            self.loader.clear().await?;
            self.is_reset = false;
        }
        if self.source.is_none() {
            self.source = Some(match self.loader.load_and_follow().await? {
                Some(feed) => Source::Feed(Box::new(feed)),
                None => Source::Push,
            });
        }
        self.loader.restore_views().await?;
        self.has_begun = true;
        self.status.set_ready();
        for done in self.resets.drain(..) {
            let _ = done.send(());
        }
        Ok(())
    }
}

/// Hands changes to the engine. Answers whether tables were defined with them.
async fn deliver(batch: FeedBatch, engine: &EngineSender, metrics: &Metrics) -> Result<bool, Error> {
    let committed = batch.sets.iter().filter_map(ChangeSet::committed_at).min();
    let defines = batch.sets.iter().any(|set| !set.tables.is_empty());
    let changes: Vec<Change> = batch.sets.into_iter().flat_map(|set| set.changes).collect();
    metrics.captured("feed", changes.len(), committed);
    let command = Command::Captured { changes, cursor: batch.cursor };
    engine.send(command).await.map_err(|_| Error::engine_ended())?;
    Ok(defines)
}

/// Looks whether the tables are still those that were read, and reads those that are not.
async fn look(feed: &mut Feed, loader: &Loader) -> Result<(), Error> {
    let survey = loader.survey().await?;
    if survey.is_empty() {
        return Ok(());
    }
    // What the feed has to say of a table that is gone must not come after the rows of the one in its place.
    loader.catch_up(feed).await?;
    loader.read(survey).await
}
