//! From an empty engine to one that agrees with the database.
//!
//! First the feed's position is taken, then the tables are read page by page while others write to them, then the feed
//! is followed from that position: what changed while reading comes again and ends in the committed state. Views that
//! an earlier process left are taken up last, and of their edges only those that differ are written.

use std::sync::Arc;

use circuit::{RecordId, SameRecord, Value};
use database::{Capture, Database, Feed, QueryRow, SchemaOptions};
use query::{ErrorKind, Query};
use std::collections::HashSet;
use tokio::sync::oneshot;

use crate::adoption::Tables;
use crate::command::{Command, EngineSender, Left};
use crate::error::Error;
use crate::settings::Settings;
use crate::view::View;

/// Reads what is in the database into the engine.
#[derive(Clone)]
pub(crate) struct Loader {
    database: Database,
    engine: EngineSender,
    settings: Arc<Settings>,
    known: Tables,
}

impl Loader {
    pub(crate) fn new(database: Database, engine: EngineSender, settings: Arc<Settings>, known: Tables) -> Self {
        Loader { database, engine, settings, known }
    }

    /// Loads all tables and takes up all views. Answers the feed to follow from here, where capture is by feed.
    pub(crate) async fn bootstrap(&self) -> Result<Option<Feed>, Error> {
        let mut feed = match self.settings.capture {
            Capture::Feed => Some(self.restart_feed().await?),
            Capture::Push => None,
        };
        self.load_all().await?;
        if let Some(feed) = &mut feed {
            self.catch_up(feed).await?;
        }
        self.restore_views().await?;
        Ok(feed)
    }

    /// Proves with a real write that the feed works, and answers it from the position of this write.
    pub(crate) async fn restart_feed(&self) -> Result<Feed, Error> {
        let probe = Feed::probe(&self.database).await?;
        Ok(Feed::open(self.database.clone(), probe).await?)
    }

    /// Reads all tables of the application. What by feed is not captured yet, is from now on.
    pub(crate) async fn load_all(&self) -> Result<(), Error> {
        let mut tables: Vec<String> = self.database.tables().await?.into_iter().map(|table| table.name).collect();
        tables.retain(|table| !self.settings.names.is_system(table));
        let fresh = self.capture(&tables.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        if !fresh.is_empty() {
            tracing::warn!(tables = ?fresh, "these tables had no changefeed, and have one now");
        }
        for table in tables {
            self.load(&table).await?;
        }
        Ok(())
    }

    /// Takes in those of these tables that are not captured yet.
    pub(crate) async fn adopt(&self, tables: &[&str]) -> Result<(), Error> {
        for table in self.capture(tables).await? {
            tracing::info!(table, "a table is new, reading it");
            self.load(&table).await?;
        }
        Ok(())
    }

    /// Takes in all tables that are not captured yet.
    pub(crate) async fn adopt_all(&self) -> Result<(), Error> {
        let tables = self.database.tables().await?;
        let fresh = tables.iter().filter(|table| !table.has_changefeed && !table.is_view);
        self.adopt(&fresh.map(|table| table.name.as_str()).collect::<Vec<_>>()).await
    }

    /// Installs the capture by feed on tables that lack it, and answers these. By push it takes an address and a secret
    /// that only whoever runs `spky apply` can name.
    async fn capture(&self, tables: &[&str]) -> Result<Vec<String>, Error> {
        let application: Vec<&str> =
            tables.iter().copied().filter(|table| !self.settings.names.is_system(table)).collect();
        if self.settings.capture == Capture::Push || application.is_empty() {
            return Ok(Vec::new());
        }
        let secret = self.settings.secret.as_deref().unwrap_or_default();
        let options = SchemaOptions::new(self.settings.names.clone(), "", secret);
        Ok(self.database.capture(&options, &application).await?)
    }

    /// Reads one table in pages by key, so that rows deleted meanwhile shift nothing.
    async fn load(&self, table: &str) -> Result<(), Error> {
        let mut rows = HashSet::new();
        let mut last: Option<RecordId> = None;
        loop {
            let page = self.database.page(table, last.as_ref(), self.settings.page_size).await?;
            let Some(end) = page.last() else { break };
            last = Some(end.id.clone());
            let is_last = page.len() < self.settings.page_size;
            rows.extend(page.iter().map(|row| SameRecord::from(row.id.clone())));
            self.send(Command::Commit(page)).await?;
            if is_last {
                break;
            }
        }
        tracing::debug!(table, rows = rows.len(), "table read");
        self.send(Command::Loaded { table: table.into(), rows }).await?;
        self.known.add(table);
        Ok(())
    }

    /// Follows the feed until it has nothing more to say about the time of loading.
    async fn catch_up(&self, feed: &mut Feed) -> Result<(), Error> {
        loop {
            let batch = feed.poll().await?;
            let changes = batch.sets.into_iter().flat_map(|set| set.changes).collect();
            self.send(Command::Commit(changes)).await?;
            if batch.is_caught_up {
                return Ok(());
            }
        }
    }

    /// Takes up the views that are in the database. One that can't be compiled any more is reported and left alone.
    async fn restore_views(&self) -> Result<(), Error> {
        for stored in self.database.queries().await? {
            let key = stored.row.key.clone();
            match self.restore(stored.row).await {
                Err(Error::Restore { key, reason }) => tracing::error!(view = key, reason, "a view can't be restored"),
                Err(error) => return Err(error),
                Ok(()) => tracing::debug!(view = %key, "view restored"),
            }
        }
        Ok(())
    }

    async fn restore(&self, row: QueryRow) -> Result<(), Error> {
        let query = recompile(&row)?;
        let view = Box::new(View::new(row, &self.database, &self.settings));
        let edges = self.database.edges_of(view.key(), &view.edge_table).await?;
        let edges = edges.into_iter().map(|edge| (edge.id, edge.version)).collect();
        let rows = self.database.rows_of(view.key()).await?;
        let (reply, done) = oneshot::channel();
        self.send(Command::Restore { view, query, left: Left { edges, rows }, reply }).await?;
        done.await.map_err(|_| Error::Stopped("the engine has ended".to_owned()))
    }

    async fn send(&self, command: Command) -> Result<(), Error> {
        self.engine.send(command).await.map_err(|_| Error::Stopped("the engine has ended".to_owned()))
    }
}

/// Compiles a stored query again. A parameter that was `NONE` is not stored, and the query compiled when it was
/// registered: so what is missing now was `NONE`.
fn recompile(row: &QueryRow) -> Result<Query, Error> {
    let mut params = row.params.clone();
    loop {
        match query::compile(&row.surql, &params) {
            Ok(query) => return Ok(query),
            Err(query::Error { kind: ErrorKind::UnknownParameter { name }, .. }) if params.get(&name).is_none() => {
                let given = params.iter().map(|(name, value)| (name.clone(), value.clone()));
                params = given.chain([(name.into(), Value::None)]).collect();
            }
            Err(error) => return Err(Error::Restore { key: row.key.to_string(), reason: error.to_string() }),
        }
    }
}
