//! Writing results: one request, one transaction, whatever the number of views and edges.

use std::sync::Arc;

use circuit::{Change, Value};
use protocol::{ContentHash, ViewKey};
use surrealdb::types as sdk;

use crate::chunks::{Bound, Chunk};
use crate::connect::{CONFLICT_ATTEMPTS, Database};
use crate::convert::{object_to_sdk, record_id_to_sdk};
use crate::edges::{Edge, EdgeId};
use crate::error::{Error, Result};
use crate::pages::{CURRENT, array, converting, states};
use crate::rows::{RowId, RowRecord};

/// What is to be written together, in this order.
#[derive(Clone, Debug, Default)]
pub struct WriteBatch {
    /// Views of which everything that is there goes first.
    pub clears: Vec<Place>,
    /// Row records to create or bring up to date.
    pub rows: Vec<RowRecord>,
    /// Edges to create or bring up to date.
    pub puts: Vec<Edge>,
    /// Edges that are there, to be given a version; one that has gone meanwhile is created again.
    pub updates: Vec<Edge>,
    /// Edges to remove; it does not matter if they are gone.
    pub removes: Vec<EdgeId>,
    /// Row records to remove.
    pub gone: Vec<RowId>,
    /// What to note on the views' own records; a view that is gone stays gone.
    pub results: Vec<ResultInfo>,
}

/// Where a view has its edges.
#[derive(Clone, Debug)]
pub struct Place {
    pub edge_table: Arc<str>,
    pub query: ViewKey,
}

/// The state of a result.
#[derive(Clone, Debug)]
pub struct ResultInfo {
    pub query: ViewKey,
    /// The hash of what the view shows; none if the query can't be answered now.
    pub hash: Option<ContentHash>,
    pub row_count: u64,
    /// The result itself, for views of the formats that keep it on their record.
    ///
    /// One that is larger than a third of the largest message is not stored, and an error takes its place.
    pub result: Option<Value>,
    /// Why the result is not what it should be.
    pub error: Option<String>,
}

/// The outcome of [`Database::confirm`].
#[derive(Clone, Debug)]
pub struct Confirmed {
    /// Whether all records were as expected, and the batch has been written.
    pub is_written: bool,
    /// The committed state of the records, in the order asked for.
    pub current: Vec<Change>,
}

impl WriteBatch {
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many rows are to be written.
    pub fn len(&self) -> usize {
        let edges = self.puts.len() + self.updates.len() + self.removes.len();
        self.clears.len() + self.rows.len() + edges + self.gone.len() + self.results.len()
    }
}

pub(crate) const ACTION: &str = "writing results";
const CONFIRMING: &str = "confirming a change";

/// How often a transaction may lose before it is divided. Of a large one the next attempt is as likely to lose, and takes as
/// long.
fn attempts(chunk: &Chunk) -> u32 {
    match chunk.len() {
        0..=1 => CONFLICT_ATTEMPTS,
        2..=100 => 3,
        _ => 1,
    }
}

impl Database {
    /// Writes a batch in one transaction and one request. Writing it twice is harmless. A conflict is retried.
    ///
    /// A batch that exceeds what fits into a message (some 100,000 edges) is written in several transactions, in order; and
    /// so is one that keeps losing conflicts: an edge conflicts with a write of the record at its end, so a large
    /// transaction would lose for as long as somebody else writes any of its records.
    pub async fn write(&self, batch: &WriteBatch) -> Result<()> {
        for chunk in self.chunks(batch)? {
            self.write_chunk(chunk).await?;
        }
        Ok(())
    }

    async fn write_chunk(&self, chunk: Chunk) -> Result<()> {
        let mut waiting = vec![chunk];
        while let Some(chunk) = waiting.pop() {
            let Bound { text, mut variables } = chunk.bound();
            let guard = self.guard_in_order(&mut variables).text;
            let text = format!("BEGIN;\n{guard}{text}COMMIT;");
            match self.run_attempts(attempts(&chunk), ACTION, text, variables).await {
                Err(Error::Conflict { .. }) if chunk.len() > 1 => {
                    tracing::debug!(rows = chunk.len(), "writing results in smaller transactions");
                    let (first, rest) = chunk.halves();
                    waiting.extend([rest, first]);
                }
                outcome => drop(outcome?),
            }
        }
        Ok(())
    }

    /// Writes a batch only if the database holds exactly what the batch was computed from. One request, one
    /// transaction.
    ///
    /// Answers what the database holds, so that a caller who expected something else can correct itself. A batch that keeps
    /// losing conflicts is written as [`Database::write`] does, after what it was computed from was found to be committed.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the batch does not fit into one message.
    pub async fn confirm(&self, expected: &[Change], batch: &WriteBatch) -> Result<Confirmed> {
        let mut chunks = self.chunks(batch)?;
        if chunks.len() > 1 {
            return Err(Error::TooLarge { action: CONFIRMING, reason: format!("{} rows at once", batch.len()) });
        }
        let chunk = chunks.pop().unwrap_or_default();
        match self.confirm_chunk(expected, &chunk, attempts(&chunk)).await {
            Err(Error::Conflict { .. }) if chunk.len() > 1 => {
                let confirmed = self.confirm_chunk(expected, &Chunk::default(), CONFLICT_ATTEMPTS).await?;
                if confirmed.is_written {
                    self.write_chunk(chunk).await?;
                }
                Ok(confirmed)
            }
            outcome => outcome,
        }
    }

    async fn confirm_chunk(&self, expected: &[Change], chunk: &Chunk, attempts: u32) -> Result<Confirmed> {
        const ACTION: &str = CONFIRMING;
        let Bound { text, mut variables } = chunk.bound();
        let mut wanted = Vec::with_capacity(expected.len());
        for change in expected {
            let content = match &change.content {
                Some(content) => sdk::Value::Object(object_to_sdk(content).map_err(converting(ACTION))?),
                None => sdk::Value::None,
            };
            let id = sdk::Value::RecordId(record_id_to_sdk(&change.id).map_err(converting(ACTION))?);
            let version = sdk::Value::Number((change.version as i64).into());
            wanted.push(sdk::Value::Array(vec![id, content, version].into()));
        }
        variables.insert("expected", sdk::Value::Array(wanted.into()));
        variables
            .insert("lookups", self.lookups(expected.iter().map(|change| &change.id)).map_err(converting(ACTION))?);
        let guard = self.guard_in_order(&mut variables);
        let text = format!(
            "BEGIN;\n{}\
             LET $current = {CURRENT};\n\
             LET $same = $current == $expected;\n\
             IF $same {{\n{text}}};\n\
             RETURN [$same, $current];\n\
             COMMIT;",
            guard.text
        );
        let mut answer = self.run_attempts(attempts, ACTION, text, variables).await?;
        let [same, current] = <[sdk::Value; 2]>::try_from(array(ACTION, answer.take(RETURNED + guard.statements())?)?)
            .map_err(|_| Error::answer(ACTION, "expected an outcome and the records"))?;
        let found = states(ACTION, current)?;
        Ok(Confirmed { is_written: same == sdk::Value::Bool(true), current: found })
    }
}

/// The statement of [`Database::confirm`] that answers.
const RETURNED: usize = 4;
