//! From an empty engine to one that agrees with the database.
//!
//! With a saved state, its rows are taken over and the feed is followed from where they were saved; where no feed reaches
//! back to that, the versions tell which rows have changed since. Without a saved state, first the feed's position is taken,
//! then the tables are read page by page while others write to them, then the feed is followed from that position: what
//! changed while reading comes again and ends in the committed state. Views that an earlier process left are taken up last,
//! and of their edges only those that differ are written.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use circuit::{RecordId, SameRecord};
use database::{Capture, Database, Feed, Probe, SchemaOptions, Survey, TableInfo};
use tokio::sync::oneshot;

use crate::adoption::Tables;
use crate::catalog::Permissions;
use crate::cluster::Ticket;
use crate::command::{Command, EngineSender, Outdated};
use crate::computed::Computed;
use crate::error::Error;
use crate::restorer::Restorer;
use crate::saved::{self, Position, SavedState};
use crate::settings::Settings;

/// How often the feed is read, under a steady stream of changes, while edges wait for the throttle; and at least how often.
const READS_A_WINDOW: u32 = 4;
const LONGEST_PACE: Duration = Duration::from_millis(50);
/// How many versions are read with one request.
const VERSIONS: usize = 10_000;
/// Reads what is in the database into the engine.
pub(crate) struct Loader {
    database: Database,
    engine: EngineSender,
    settings: Arc<Settings>,
    tables: Tables,
    permissions: Permissions,
    /// Whether it is known what an earlier process has saved.
    has_looked: bool,
    saved: Option<SavedState>,
    /// Whether the views that an earlier process left are taken up.
    has_views: bool,
}

impl Loader {
    pub(crate) fn new(
        database: Database,
        engine: EngineSender,
        settings: Arc<Settings>,
        tables: Tables,
        permissions: Permissions,
    ) -> Self {
        Loader { database, engine, settings, tables, permissions, has_looked: false, saved: None, has_views: false }
    }

    /// Fills the engine, from the saved state if that is possible, and answers the feed to follow from there; none where
    /// changes are pushed.
    pub(crate) async fn load_and_follow(&mut self) -> Result<Option<Feed>, Error> {
        self.look_for_saved().await;
        if let Some(feed) = self.resume().await? {
            return Ok(Some(feed));
        }
        self.send(Command::Follows(None)).await?;
        let (position, mut feed) = match self.settings.capture {
            Capture::Feed => {
                let probe = Feed::probe(&self.database).await?;
                let Probe { instance, cursor } = probe;
                let feed = self.open(probe).await?;
                (Position { instance, cursor: Some(cursor) }, Some(feed))
            }
            Capture::Push => (Position { instance: self.database.instance().await?, cursor: None }, None),
        };
        if !self.renew(position).await? {
            self.load_all().await?;
        }
        self.send(Command::Follows(Some(position))).await?;
        if let Some(feed) = &mut feed {
            self.catch_up(feed).await?;
        }
        Ok(feed)
    }

    /// A feed that is read a few times while edges are collected to be written together, and not more often.
    async fn open(&self, start: Probe) -> Result<Feed, database::Error> {
        let feed = Feed::open(self.database.clone(), start).await?;
        Ok(feed.paced((self.settings.throttle / READS_A_WINDOW).min(LONGEST_PACE)))
    }

    /// Takes over what an earlier process has saved, if there is a feed that reaches back to it.
    async fn resume(&mut self) -> Result<Option<Feed>, Error> {
        let Some(SavedState { mark, .. }) = &self.saved else { return Ok(None) };
        let (Capture::Feed, position @ Position { instance, cursor: Some(cursor) }) =
            (self.settings.capture, mark.position)
        else {
            return Ok(None);
        };
        let mut feed = match self.open(Probe { instance, cursor }).await {
            Ok(feed) => feed,
            Err(error @ database::Error::Gap { .. }) => {
                tracing::warn!(%error, "the feed does not reach back to the saved state");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        if !self.take_over().await? {
            return Ok(None);
        }
        self.send(Command::Follows(Some(position))).await?;
        self.catch_up(&mut feed).await?;
        let survey = self.survey().await?;
        self.read(survey).await?;
        Ok(Some(feed))
    }

    /// Takes over what an earlier process has saved of the database as it is now, and brings it in line by the versions that
    /// the database counts. Answers whether there was such a state. O(records), of which only those are read that have
    /// changed.
    async fn renew(&mut self, position: Position) -> Result<bool, Error> {
        if let Some(SavedState { mark, .. }) = &self.saved
            && mark.position.instance != position.instance
        {
            tracing::warn!("the saved state is of a database that is no more, reading the tables");
            self.saved = None;
        }
        if !self.take_over().await? {
            return Ok(false);
        }
        let survey = self.survey().await?;
        let known = self.tables.all();
        let mut last: Option<RecordId> = None;
        let mut read = 0;
        loop {
            let mut counted = self.database.counted(last.as_ref(), VERSIONS).await?;
            let is_last = counted.len() < VERSIONS;
            last = counted.last().map(|counted| counted.id.clone());
            counted.retain(|counted| known.contains_key(&*counted.id.table));
            let (reply, outdated) = oneshot::channel();
            self.send(Command::Outdated { counted, reply }).await?;
            let Outdated { changed, gone } = outdated.await.map_err(|_| Error::engine_ended())?;
            self.send(Command::Commit(gone)).await?;
            for ids in changed.chunks(self.settings.page_size) {
                self.send(Command::Commit(self.database.records(ids).await?)).await?;
            }
            read += changed.len();
            if is_last {
                break;
            }
        }
        tracing::info!(read, "the saved state is in line with what the database counts");
        self.read(survey).await?;
        Ok(true)
    }

    async fn take_over(&mut self) -> Result<bool, Error> {
        let Some(SavedState { circuit, mark }) = self.saved.take() else { return Ok(false) };
        tracing::info!(tables = mark.tables.len(), "going on from the saved state");
        self.tables.set(mark.tables);
        self.send(Command::Adopt(circuit)).await?;
        Ok(true)
    }

    /// Reads the saved state, once. One that can't be used is reported, and as good as none.
    async fn look_for_saved(&mut self) {
        let Some(path) = self.settings.state_file.clone().filter(|_| !self.has_looked) else { return };
        self.has_looked = true;
        let database = saved::name_of(&self.settings.database);
        let read = tokio::task::spawn_blocking(move || (saved::read(&path, &database), path)).await;
        match read {
            Ok((Ok(saved), _)) => self.saved = saved,
            Ok((Err(error), path)) => {
                tracing::error!(%error, path = %path.display(), "the saved state can't be used, reading the tables")
            }
            Err(panic) => tracing::error!(%panic, "the saved state can't be used, reading the tables"),
        }
    }

    /// Reads all tables of the application. What by feed is not captured yet, is from now on.
    async fn load_all(&self) -> Result<(), Error> {
        let unread = self.learn().await?;
        let Survey { gone, .. } = self.tables.survey(&unread, self.settings.capture);
        self.read(Survey { unread, gone }).await
    }

    /// Forgets everything and removes all views from the database.
    pub(crate) async fn clear(&mut self) -> Result<(), Error> {
        (self.has_looked, self.saved, self.has_views) = (true, None, true);
        self.tables.set(Default::default());
        let (reply, cleared) = oneshot::channel();
        self.send(Command::Clear(reply)).await?;
        let written = cleared.await.map_err(|_| Error::engine_ended())?;
        Ok(written.await.map_err(|_| Error::engine_ended())??)
    }

    /// What has happened to the tables of the application since they were read; what users may see has been taken over then.
    /// Two requests.
    pub(crate) async fn survey(&self) -> Result<Survey, Error> {
        Ok(self.tables.survey(&self.learn().await?, self.settings.capture))
    }

    /// As [`Loader::survey`], and these tables are to be read again in any case.
    pub(crate) async fn survey_again(&self, tables: &[String]) -> Result<Survey, Error> {
        tables.iter().for_each(|table| self.tables.doubt(table));
        self.survey().await
    }

    /// Takes over what users may see and which tables the database computes, and answers the other tables of the application.
    pub(crate) async fn learn(&self) -> Result<Vec<TableInfo>, Error> {
        let structure = self.database.structure().await?;
        match self.permissions.read(&structure) {
            Ok(None) => {}
            Ok(Some(catalog)) => self.send(Command::Permissions(catalog)).await?,
            Err(error) => {
                tracing::error!(%error, "what users may see is not known, so they see nothing");
                self.send(Command::Permissions(Arc::default())).await?;
            }
        }
        if let Some(computed) = self.tables.set_computed(Computed::read(&structure)) {
            self.send(Command::Computed(computed)).await?;
        }
        Ok(structure.tables.into_iter().filter(|table| !table.is_view).collect())
    }

    /// Takes in one table, which need not exist yet, if it is not known.
    pub(crate) async fn adopt(&self, table: &str) -> Result<(), Error> {
        if !self.settings.names.is_system(table) {
            self.capture(&[table]).await?;
            let mut survey = self.survey().await?;
            survey.unread.retain(|unread| unread.name == table);
            self.read(Survey { gone: Vec::new(), ..survey }).await?;
        }
        Ok(())
    }

    /// Brings the engine in line with tables that are not as they were read.
    pub(crate) async fn read(&self, survey: Survey) -> Result<(), Error> {
        for table in survey.gone {
            tracing::info!(table, "a table is gone");
            self.tables.remove(&table);
            self.send(Command::Loaded { table: table.into(), after: None, rows: HashSet::new() }).await?;
        }
        let uncaptured = survey.unread.iter().filter(|table| !table.is_captured(self.settings.capture));
        let uncaptured = uncaptured.map(|table| table.name.as_str());
        self.capture(&uncaptured.collect::<Vec<_>>()).await?;
        for table in survey.unread {
            self.load(&table).await?;
        }
        Ok(())
    }

    /// Installs the capture by feed on tables. By push it takes an address and a secret that only whoever runs `spky apply`
    /// can name.
    async fn capture(&self, tables: &[&str]) -> Result<(), Error> {
        if self.settings.capture == Capture::Push || tables.is_empty() {
            return Ok(());
        }
        let secret = self.settings.secret.as_deref().unwrap_or_default();
        let ref_mode = self.settings.ref_mode;
        let options = SchemaOptions { ref_mode, ..SchemaOptions::new(self.settings.names.clone(), "", secret) };
        let fresh = self.database.capture(&options, tables).await?;
        if !fresh.is_empty() {
            tracing::warn!(tables = ?fresh, "these tables were not captured, and are now");
        }
        Ok(())
    }

    /// Reads one table in pages by key, so that rows deleted meanwhile shift nothing.
    async fn load(&self, table: &TableInfo) -> Result<(), Error> {
        let mut rows = HashSet::new();
        let size = self.settings.page_size;
        let mut page = Some(self.database.page(&table.name, None, size).await?);
        while let Some(current) = page {
            let end = if current.is_last() { None } else { current.end()? };
            let next = async {
                let Some(end) = end else { return Ok(None) };
                Ok(Some(self.database.page(&table.name, Some(&end), size).await?))
            };
            // The database reads the next page while this one is worked on.
            let taken = async {
                let changes = current.changes()?;
                rows.extend(changes.iter().map(|row| SameRecord::from(row.id.clone())));
                self.send(Command::Commit(changes)).await
            };
            (page, ()) = tokio::try_join!(next, taken)?;
        }
        tracing::debug!(table = table.name, rows = rows.len(), "table read");
        self.send(Command::Loaded { table: table.name.as_str().into(), after: None, rows }).await?;
        self.tables.add(table);
        Ok(())
    }

    /// Follows the feed until it has nothing more to say about what has been.
    pub(crate) async fn catch_up(&self, feed: &mut Feed) -> Result<(), Error> {
        loop {
            let batch = feed.poll().await?;
            tracing::debug!(
                sets = batch.sets.len(),
                cursor = batch.cursor,
                is_caught_up = batch.is_caught_up,
                "catching up"
            );
            let changes = batch.sets.into_iter().flat_map(|set| set.changes).collect();
            self.send(Command::Captured { changes, cursor: batch.cursor }).await?;
            if batch.is_caught_up {
                return Ok(());
            }
        }
    }

    /// Takes up the views that are in the database, once. One that can't be compiled any more is reported and left alone.
    pub(crate) async fn restore_views(&mut self) -> Result<(), Error> {
        if self.has_views {
            return Ok(());
        }
        let mut stored = self.database.queries().await?;
        tracing::debug!(views = stored.len(), "taking up views");
        stored.sort_by(|one, other| one.row.key.as_str().cmp(other.row.key.as_str()));
        self.restorer().restore(stored).await?;
        self.has_views = true;
        Ok(())
    }

    fn restorer(&self) -> Restorer {
        Restorer {
            database: self.database.clone(),
            engine: self.engine.clone(),
            settings: self.settings.clone(),
            permissions: self.permissions.clone(),
            ticket: Ticket::default(),
        }
    }

    async fn send(&self, command: Command) -> Result<(), Error> {
        self.engine.send(command).await.map_err(|_| Error::engine_ended())
    }
}
