//! Writing results: one request, one transaction, whatever the number of views and edges.

use protocol::{ContentHash, ViewKey};
use surrealdb::types as sdk;
use surrealdb::types::Variables;

use circuit::{Change, Value};

use crate::connect::Database;
use crate::convert::{object_to_sdk, record_id_to_sdk, to_sdk};
use crate::edges::{Edge, EdgeId, query_record};
use crate::error::{Error, Result};
use crate::pages::{CURRENT, array, converting, states};

/// What is to be written together.
#[derive(Clone, Debug, Default)]
pub struct WriteBatch {
    /// Edges to create or bring up to date.
    pub puts: Vec<Edge>,
    /// Edges to remove; it does not matter if they are gone.
    pub removes: Vec<EdgeId>,
    /// What to note on the views' own records; a view that is gone stays gone.
    pub results: Vec<ResultInfo>,
}

/// The state of a result.
#[derive(Clone, Debug)]
pub struct ResultInfo {
    pub query: ViewKey,
    pub hash: ContentHash,
    pub row_count: u64,
    /// The result itself, for views of the formats that keep it on their record.
    pub result: Option<Value>,
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
        self.puts.is_empty() && self.removes.is_empty() && self.results.is_empty()
    }

    /// How many rows are to be written.
    pub fn len(&self) -> usize {
        self.puts.len() + self.removes.len() + self.results.len()
    }
}

const ACTION: &str = "writing results";

impl Database {
    /// Writes a batch in one transaction and one request. Writing it twice is harmless. A conflict is retried.
    ///
    /// A batch that exceeds what fits into a message (some 100,000 edges) is written in several transactions, in order.
    pub async fn write(&self, batch: &WriteBatch) -> Result<()> {
        for bound in self.chunks(batch)? {
            let text = bound.text;
            self.run_retrying(ACTION, format!("BEGIN;\n{text}COMMIT;"), bound.variables).await?;
        }
        Ok(())
    }

    /// Writes a batch only if the database holds exactly what the batch was computed from. One request, one
    /// transaction.
    ///
    /// Answers what the database holds, so that a caller who expected something else can correct itself.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the batch does not fit into one message.
    pub async fn confirm(&self, expected: &[Change], batch: &WriteBatch) -> Result<Confirmed> {
        const ACTION: &str = "confirming a change";
        let mut chunks = self.chunks(batch)?;
        if chunks.len() > 1 {
            return Err(Error::TooLarge { action: ACTION, reason: format!("{} rows at once", batch.len()) });
        }
        let Bound { text, mut variables } = chunks.pop().unwrap_or_default();
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
        let text = format!(
            "BEGIN;\n\
             LET $current = {CURRENT};\n\
             LET $same = $current == $expected;\n\
             IF $same {{\n{text}}};\n\
             RETURN [$same, $current];\n\
             COMMIT;"
        );
        let mut answer = self.run_retrying(ACTION, text, variables).await?;
        let [same, current] = <[sdk::Value; 2]>::try_from(array(ACTION, answer.take(RETURNED)?)?)
            .map_err(|_| Error::answer(ACTION, "expected an outcome and the records"))?;
        let found = states(ACTION, current)?;
        Ok(Confirmed { is_written: same == sdk::Value::Bool(true), current: found })
    }

    /// The statements for a batch, in as many messages as it takes.
    fn chunks(&self, batch: &WriteBatch) -> Result<Vec<Bound>> {
        let query_table = self.names().query();
        // Room for what the estimate of a value's size overlooks.
        let mut chunks = Chunks { limit: self.settings().max_message_bytes / 3, ..Chunks::default() };
        for edge in &batch.puts {
            chunks.push(Part::Puts, edge.to_sdk(&query_table).map_err(converting(ACTION))?);
        }
        for id in &batch.removes {
            chunks.push(Part::Removes, sdk::Value::RecordId(id.to_sdk().map_err(converting(ACTION))?));
        }
        for info in &batch.results {
            let mut result = sdk::Object::new();
            result.insert("id", query_record(&query_table, &info.query));
            result.insert("hash", info.hash.to_string());
            result.insert("rowCount", info.row_count as i64);
            if let Some(value) = &info.result {
                result.insert("result", to_sdk(value).map_err(converting(ACTION))?);
            }
            chunks.push(Part::Results, sdk::Value::Object(result));
        }
        Ok(chunks.finish())
    }
}

/// The statement of [`Database::confirm`] that answers.
const RETURNED: usize = 4;

/// Statements and what they refer to.
#[derive(Default)]
struct Bound {
    text: String,
    variables: Variables,
}

#[derive(Clone, Copy)]
enum Part {
    Puts,
    Removes,
    Results,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Puts => "puts",
            Part::Removes => "removes",
            Part::Results => "results",
        }
    }

    fn statement(self) -> &'static str {
        match self {
            Part::Puts => PUT,
            Part::Removes => REMOVE,
            Part::Results => NOTE,
        }
    }
}

/// `RELATE OR UPDATE` makes a real graph edge, whether or not there has been one: the record at its end may have been
/// deleted meanwhile, and has taken the edge with it. `INSERT RELATION … ON DUPLICATE KEY UPDATE` and closures take
/// quadratic time.
const PUT: &str = "FOR $put IN $puts { RELATE OR UPDATE ($put.in)->($put.id)->($put.out) SET version = $put.version, \
    clientId = $put.clientId, auth_id = $put.auth_id, parent = $put.parent, parent_rel = $put.parent_rel, \
    updatedAt = time::now() RETURN NONE; };\n";
const REMOVE: &str = "DELETE $removes RETURN NONE;\n";
const NOTE: &str = "FOR $note IN $results { \
    UPDATE $note.id SET hash = $note.hash, rowCount = $note.rowCount, result = $note.result RETURN NONE; };\n";

/// Collects rows until a message is full.
#[derive(Default)]
struct Chunks {
    /// How many bytes a message may hold.
    limit: usize,
    finished: Vec<Bound>,
    parts: [Vec<sdk::Value>; 3],
    bytes: usize,
}

impl Chunks {
    fn push(&mut self, part: Part, row: sdk::Value) {
        let bytes = size_of_value(&row);
        if self.bytes > 0 && self.bytes + bytes > self.limit {
            self.flush();
        }
        self.bytes += bytes;
        self.parts[part as usize].push(row);
    }

    fn flush(&mut self) {
        let mut bound = Bound::default();
        for part in [Part::Puts, Part::Removes, Part::Results] {
            let rows = std::mem::take(&mut self.parts[part as usize]);
            if !rows.is_empty() {
                bound.text.push_str(part.statement());
                bound.variables.insert(part.name(), sdk::Value::Array(rows.into()));
            }
        }
        self.bytes = 0;
        if !bound.text.is_empty() {
            self.finished.push(bound);
        }
    }

    fn finish(mut self) -> Vec<Bound> {
        self.flush();
        self.finished
    }
}

/// About how many bytes a value takes in a message.
fn size_of_value(value: &sdk::Value) -> usize {
    const OVERHEAD: usize = 32;
    OVERHEAD
        + match value {
            sdk::Value::String(text) => text.len(),
            sdk::Value::Bytes(bytes) => bytes.len(),
            sdk::Value::Array(items) => items.iter().map(size_of_value).sum(),
            sdk::Value::Set(items) => items.iter().map(size_of_value).sum(),
            sdk::Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + size_of_value(value)).sum(),
            sdk::Value::RecordId(id) => id.table.as_str().len() + size_of_key(&id.key),
            _ => 0,
        }
}

fn size_of_key(key: &sdk::RecordIdKey) -> usize {
    const OVERHEAD: usize = 16;
    OVERHEAD
        + match key {
            sdk::RecordIdKey::String(text) => text.len(),
            sdk::RecordIdKey::Array(items) => items.iter().map(size_of_value).sum(),
            sdk::RecordIdKey::Object(fields) => {
                fields.iter().map(|(name, value)| name.len() + size_of_value(value)).sum()
            }
            _ => 0,
        }
}
