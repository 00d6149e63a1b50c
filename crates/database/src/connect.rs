//! One WebSocket for everything but live queries, and what keeps it alive.
//!
//! Measured with the SDK of SurrealDB 3.3.5: after the server restarts, the SDK connects again by itself (every
//! second), signs in and selects namespace and database again, and parks requests until it has. Requests that were
//! under way fail with a connection error, and live queries end. What it does not survive is a session that the server
//! refuses (expired, or rejected while it was replayed), and a peer that has silently gone; for these, [`Database`]
//! opens a new connection. What it parks it keeps, also when nobody waits for the answer any more: so a connection on which a
//! request was given up is given up with it, or the requests of a long outage would pile up in memory.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use protocol::Names;
use surrealdb::IndexedResults;
use surrealdb::types::{Value, Variables};
use tokio::sync::RwLock;

use crate::error::{Error, Result, Verdict, classify, is_consequence, of_statement};
use crate::members::FenceCell;
use crate::session::{CONNECTING, Connector, Session, WebSockets};
use crate::settings::Settings;

/// How often a transaction that lost a conflict is tried again before the caller learns of it.
pub(crate) const CONFLICT_ATTEMPTS: u32 = 8;

/// A connection to one database, shared by all its clones.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    connector: Arc<dyn Connector>,
    names: Names,
    link: RwLock<Link>,
    requests: AtomicU64,
    conflicts: AtomicU64,
    fence: FenceCell,
}

impl Inner {
    fn new(connector: Arc<dyn Connector>, settings: Settings, names: Names, session: Option<Arc<dyn Session>>) -> Self {
        let link = RwLock::new(Link { generation: 0, session, failures: 0, reason: String::new() });
        let (requests, conflicts) = (AtomicU64::new(0), AtomicU64::new(0));
        Inner { settings, connector, names, link, requests, conflicts, fence: FenceCell::default() }
    }
}

struct Link {
    /// Counts connections, so that of many requests that fail together only the first gives up the connection.
    generation: u64,
    /// Nothing after it was given up.
    session: Option<Arc<dyn Session>>,
    /// How often it could not be opened again, and why the last time.
    failures: u64,
    reason: String,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Database").field(&self.inner.settings).finish()
    }
}

impl Database {
    /// Connects, signs in, and selects namespace and database.
    ///
    /// # Errors
    /// [`Error::Connection`] or [`Error::Timeout`] if there is no server, [`Error::Auth`] if it refuses the user.
    pub async fn connect(settings: Settings, names: Names) -> Result<Self> {
        Database::connect_by(Arc::new(WebSockets), settings, names).await
    }

    /// As [`Database::connect`], by sessions of another kind.
    ///
    /// # Errors
    /// As [`Database::connect`].
    pub async fn connect_by(connector: Arc<dyn Connector>, settings: Settings, names: Names) -> Result<Self> {
        let session = connector.open(&settings).await?;
        Ok(Database { inner: Arc::new(Inner::new(connector, settings, names, Some(session))) })
    }

    /// The same place as another user, by a connection of its own.
    pub(crate) async fn connect_as(&self, username: &str, password: String) -> Result<Self> {
        let settings = Settings { username: username.to_owned(), password, ..self.inner.settings.clone() };
        Database::connect_by(self.inner.connector.clone(), settings, self.inner.names.clone()).await
    }

    /// The same database by a connection of its own, which is opened when it is needed.
    pub(crate) fn apart(&self) -> Database {
        let Inner { connector, settings, names, .. } = &*self.inner;
        Database { inner: Arc::new(Inner::new(connector.clone(), settings.clone(), names.clone(), None)) }
    }

    /// The names of the system tables.
    pub fn names(&self) -> &Names {
        &self.inner.names
    }

    pub(crate) fn fence_cell(&self) -> &FenceCell {
        &self.inner.fence
    }

    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// How many requests this connection has sent: round trips to the server, whatever they contained.
    pub fn requests(&self) -> u64 {
        self.inner.requests.load(Ordering::Relaxed)
    }

    /// How many transactions have lost against a concurrent one.
    pub fn conflicts(&self) -> u64 {
        self.inner.conflicts.load(Ordering::Relaxed)
    }

    /// Asks the server for an answer that takes no work. One round trip.
    pub async fn ping(&self) -> Result<()> {
        self.run("pinging the database", "RETURN true", Variables::new()).await.map(drop)
    }

    /// The server's version, such as `3.3.5`.
    pub async fn server_version(&self) -> Result<String> {
        const ACTION: &str = "asking for the version of the database";
        let (_, session) = self.session().await?;
        self.inner.requests.fetch_add(1, Ordering::Relaxed);
        match tokio::time::timeout(self.inner.settings.request_timeout, session.version()).await {
            Err(_) => Err(Error::Timeout { action: ACTION }),
            Ok(answer) => answer.map_err(|error| of_statement(ACTION, &error)),
        }
    }

    /// Runs statements in one request and insists that all of them succeed.
    ///
    /// `action` says what it is for, in the words of an error text: "reading a page".
    pub(crate) async fn run(
        &self,
        action: &'static str,
        text: impl Into<Cow<'static, str>>,
        variables: Variables,
    ) -> Result<Answer> {
        let mut results = self.send(action, text, variables).await?;
        check(action, &mut results)?;
        Ok(Answer { action, results })
    }

    /// Runs a transaction until it no longer loses against a concurrent one, with growing pauses, for about a second.
    pub(crate) async fn run_retrying(
        &self,
        action: &'static str,
        text: impl Into<Cow<'static, str>>,
        variables: Variables,
    ) -> Result<Answer> {
        self.run_attempts(CONFLICT_ATTEMPTS, action, text, variables).await
    }

    /// As [`Database::run_retrying`], with a number of attempts.
    pub(crate) async fn run_attempts(
        &self,
        attempts: u32,
        action: &'static str,
        text: impl Into<Cow<'static, str>>,
        variables: Variables,
    ) -> Result<Answer> {
        let text = text.into();
        let mut attempt = 1;
        loop {
            let outcome = self.run(action, text.clone(), variables.clone()).await;
            if let Err(Error::Conflict { .. }) = outcome {
                self.inner.conflicts.fetch_add(1, Ordering::Relaxed);
            }
            match outcome {
                Err(Error::Conflict { .. }) if attempt < attempts => {
                    let ceiling = 4_u64 << attempt;
                    let pause = rand::random_range(ceiling / 2..=ceiling);
                    tracing::debug!(action, attempt, pause, "lost against a concurrent transaction");
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Runs statements in one request, and leaves it to the caller to look at what each of them answered.
    pub(crate) async fn send(
        &self,
        action: &'static str,
        text: impl Into<Cow<'static, str>>,
        variables: Variables,
    ) -> Result<IndexedResults> {
        let text = text.into();
        let (generation, session) = self.session().await?;
        match self.attempt(action, &*session, text.clone(), variables.clone()).await {
            Attempt::Answered(results) => Ok(results),
            Attempt::Failed(error) => Err(error),
            Attempt::Silent => {
                // The SDK would wait on a dead connection for as long as the kernel believes in it.
                self.give_up(generation).await;
                Err(Error::Timeout { action })
            }
            Attempt::SessionLost(reason) => {
                tracing::warn!(reason, "the database has closed our session, opening a new one");
                self.give_up(generation).await;
                let (_, session) = self.session().await?;
                match self.attempt(action, &*session, text, variables).await {
                    Attempt::Answered(results) => Ok(results),
                    Attempt::Failed(error) => Err(error),
                    Attempt::Silent => Err(Error::Timeout { action }),
                    Attempt::SessionLost(reason) => Err(Error::Auth { action, reason }),
                }
            }
        }
    }

    async fn attempt(
        &self,
        action: &'static str,
        session: &dyn Session,
        text: Cow<'static, str>,
        variables: Variables,
    ) -> Attempt {
        self.inner.requests.fetch_add(1, Ordering::Relaxed);
        let request = session.query(text, variables);
        match tokio::time::timeout(self.inner.settings.request_timeout, request).await {
            Err(_) => Attempt::Silent,
            Ok(Ok(results)) => Attempt::Answered(results),
            Ok(Err(error)) => match classify(action, &error) {
                Verdict::Failed(error) => Attempt::Failed(error),
                Verdict::SessionLost(reason) => Attempt::SessionLost(reason),
            },
        }
    }

    /// After a request that failed as if the connection had broken: whether the server is there all the same. Then it
    /// was the answer that broke it, by being larger than a message may be.
    pub(crate) async fn was_too_large(&self, error: &Error) -> bool {
        error.is_outage() && self.ping().await.is_ok()
    }

    /// Which connection is used, of all that were opened.
    pub(crate) async fn generation(&self) -> u64 {
        self.inner.link.read().await.generation
    }

    /// The connection, opened again if it was given up. Those who wait for that together share the failure, too.
    async fn session(&self) -> Result<(u64, Arc<dyn Session>)> {
        let failures = {
            let link = self.inner.link.read().await;
            if let Some(session) = &link.session {
                // A clone of the SDK's handle would be a session of its own; one of the pointer is not.
                return Ok((link.generation, Arc::clone(session)));
            }
            link.failures
        };
        let mut link = self.inner.link.write().await;
        if let Some(session) = &link.session {
            return Ok((link.generation, Arc::clone(session)));
        }
        if link.failures != failures {
            return Err(Error::Connection { action: CONNECTING, reason: link.reason.clone() });
        }
        match self.inner.connector.open(&self.inner.settings).await {
            Ok(session) => {
                link.session = Some(Arc::clone(&session));
                Ok((link.generation, session))
            }
            Err(error) => {
                link.failures += 1;
                link.reason = error.to_string();
                Err(error)
            }
        }
    }

    /// Gives up a connection, unless somebody else already has. The next request opens another one.
    async fn give_up(&self, failed: u64) {
        let mut link = self.inner.link.write().await;
        if link.generation == failed {
            link.generation += 1;
            link.session = None;
        }
    }
}

enum Attempt {
    Answered(IndexedResults),
    Failed(Error),
    /// No answer within the time limit.
    Silent,
    SessionLost(String),
}

/// The answers to the statements of one request, all of which succeeded.
pub(crate) struct Answer {
    action: &'static str,
    results: IndexedResults,
}

impl Answer {
    /// Takes what a statement answered; the first is 0, and `BEGIN` counts too.
    pub(crate) fn take(&mut self, statement: usize) -> Result<Value> {
        let action = self.action;
        self.results.take(statement).map_err(|error| of_statement(action, &error))
    }

    /// Takes what the last statement answered.
    pub(crate) fn take_last(&mut self) -> Result<Value> {
        let last = self.results.num_statements().checked_sub(1);
        let last = last.ok_or_else(|| Error::answer(self.action, "no statement answered"))?;
        self.take(last)
    }
}

/// The error that explains why a request failed, if one of its statements did.
fn check(action: &'static str, results: &mut IndexedResults) -> Result<()> {
    let mut errors: Vec<_> = results.take_errors().into_iter().collect();
    if errors.is_empty() {
        return Ok(());
    }
    errors.sort_by_key(|(statement, _)| *statement);
    let conflict = errors
        .iter()
        .map(|(_, error)| of_statement(action, error))
        .find(|error| matches!(error, Error::Conflict { .. }));
    if let Some(conflict) = conflict {
        return Err(conflict);
    }
    let cause = errors.iter().find(|(_, error)| !is_consequence(error)).or(errors.first());
    match cause {
        Some((statement, error)) => Err(match of_statement(action, error) {
            Error::Query { action, reason } => {
                Error::Query { action, reason: format!("statement {}: {reason}", statement + 1) }
            }
            other => other,
        }),
        None => Ok(()),
    }
}
