//! From the scheduler's snapshot to an engine with the same rows.

use std::collections::{BTreeMap, HashSet};

use circuit::SameRecord;
use protocol::{ContentHash, TableContent};

use super::client::{Client, Error};
use crate::adoption::Tables;
use crate::command::{Command, EngineSender};
use crate::comparison::ask;
use crate::holdings::Question;

/// Why the snapshot is not loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Scheduler(#[from] Error),
    /// What was loaded is not what the scheduler says there is.
    #[error("of the tables {0:?} other rows were loaded than the snapshot holds")]
    Mismatch(Vec<String>),
    #[error(transparent)]
    Stopped(#[from] crate::error::Error),
}

/// Loads all tables, and removes what is held of others. Then what is held is what the snapshot holds, told by the hashes of
/// the tables. O(rows).
pub(crate) async fn load(
    client: Client,
    engine: EngineSender,
    tables: Tables,
    snapshot: BTreeMap<String, TableContent>,
    page_size: usize,
) -> Result<(), LoadError> {
    let mut others = tables.all();
    others.retain(|table, _| !snapshot.contains_key(table));
    for table in others.into_keys() {
        tables.remove(&table);
        send(&engine, Command::Loaded { table: table.into(), after: None, rows: HashSet::new() }).await?;
    }
    for table in snapshot.keys() {
        let mut rows = HashSet::new();
        let mut page = Some(client.page(table, None, page_size).await?);
        while let Some(current) = page {
            let end = if current.is_last() { None } else { current.end().map_err(Error::from)? };
            let next = async {
                match &end {
                    None => Ok(None),
                    Some(end) => client.page(table, Some(end), page_size).await.map(Some),
                }
            };
            // The replica reads the next page while this one is worked on.
            let taken = async {
                let changes = current.changes().map_err(Error::from)?;
                rows.extend(changes.iter().map(|row| SameRecord::from(row.id.clone())));
                Ok::<_, LoadError>(send(&engine, Command::Commit(changes)).await?)
            };
            let (next, taken) = tokio::join!(next, taken);
            taken?;
            page = next?;
        }
        tracing::debug!(table, rows = rows.len(), "table loaded");
        send(&engine, Command::Loaded { table: table.as_str().into(), after: None, rows }).await?;
        tables.insert(table.clone(), 0);
    }
    compare(&engine, &snapshot).await
}

async fn send(engine: &EngineSender, command: Command) -> Result<(), crate::error::Error> {
    engine.send(command).await.map_err(|_| crate::error::Error::engine_ended())
}

/// Compares the hashes of all tables.
async fn compare(engine: &EngineSender, snapshot: &BTreeMap<String, TableContent>) -> Result<(), LoadError> {
    let held = ask(engine, Question::Holdings).await?.tables;
    let is_other = |(name, content): &(&String, &TableContent)| {
        let digest = held.get(name.as_str()).copied().unwrap_or_default();
        digest.rows != content.rows || ContentHash::from(digest.hash) != content.hash
    };
    let other: Vec<String> = snapshot.iter().filter(is_other).map(|(name, _)| name.clone()).collect();
    if other.is_empty() { Ok(()) } else { Err(LoadError::Mismatch(other)) }
}
