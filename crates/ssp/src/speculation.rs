//! Changes that were announced and are not visible yet.
//!
//! SurrealDB runs the event that pushes a change inside the writing transaction: the change may become visible a moment
//! later, or never, because the transaction is aborted or loses a conflict. The record is read again with growing
//! pauses until its version has been reached, by this transaction or by the one that won; what is read is committed,
//! whatever it is.

use std::time::Duration;

use circuit::{Change, RecordId};
use database::Database;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::command::{Command, EngineSender};

/// How long a transaction may take to commit after it announced a change. A later announcement of the same record
/// starts anew.
const PATIENCE: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A record that is to reach a version.
#[derive(Debug)]
pub(crate) struct Unsettled {
    id: RecordId,
    version: u64,
    /// Whether the record is to exist then.
    exists: bool,
    deadline: Instant,
}

impl Unsettled {
    pub(crate) fn new(change: &Change) -> Self {
        let exists = change.content.is_some();
        Unsettled { id: change.id.clone(), version: change.version, exists, deadline: Instant::now() + PATIENCE }
    }

    /// Whether the version has been reached. A record that does not exist counts as version 1, like one whose creation
    /// announced itself as version 1: the two are told apart by their content.
    pub(crate) fn is_settled_by(&self, visible: &Change) -> bool {
        let is_missing = self.exists && visible.content.is_none();
        visible.version > self.version || (visible.version == self.version && !is_missing)
    }
}

/// Reads unsettled records again until each has reached its version or its time is over. One request a round, whatever
/// their number.
pub(crate) async fn settle(database: Database, engine: EngineSender, mut arriving: mpsc::UnboundedReceiver<Unsettled>) {
    let mut open: Vec<Unsettled> = Vec::new();
    let mut pause = FIRST_PAUSE;
    let mut next_look = Instant::now();
    loop {
        // A new one is looked at soon, however long the others have been waiting.
        let arrived = if open.is_empty() {
            match arriving.recv().await {
                Some(unsettled) => Some(unsettled),
                None => return,
            }
        } else {
            tokio::time::timeout_at(next_look, arriving.recv()).await.ok().flatten()
        };
        if let Some(unsettled) = arrived {
            open.push(unsettled);
            pause = FIRST_PAUSE;
            next_look = next_look.min(Instant::now() + pause);
            continue;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        next_look = Instant::now() + pause;
        let ids: Vec<RecordId> = open.iter().map(|unsettled| unsettled.id.clone()).collect();
        let records = match database.records(&ids).await {
            Ok(records) => records,
            Err(error) => {
                tracing::warn!(%error, "announced changes could not be looked up, trying again");
                continue;
            }
        };
        let now = Instant::now();
        open.retain(|unsettled| {
            let visible = records.iter().find(|record| record.id.is_same_record(&unsettled.id));
            visible.is_none_or(|record| !unsettled.is_settled_by(record)) && now < unsettled.deadline
        });
        if engine.send(Command::Reread(records)).await.is_err() {
            return;
        }
    }
}
