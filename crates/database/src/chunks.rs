//! Statements that write a batch, in as many messages as it takes.

use circuit::Value;
use surrealdb::types as sdk;
use surrealdb::types::Variables;

use crate::connect::Database;
use crate::convert::to_sdk;
use crate::edges::{query_record, records_of_query};
use crate::error::Result;
use crate::pages::converting;
use crate::write::{ACTION, ResultInfo, WriteBatch};

/// Statements and what they refer to.
pub(crate) struct Bound {
    pub(crate) text: String,
    pub(crate) variables: Variables,
}

/// What goes into one message: the rows of each part.
#[derive(Default)]
pub(crate) struct Chunk {
    parts: [Vec<sdk::Value>; PARTS.len()],
}

impl Chunk {
    /// How many rows it writes.
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(Vec::len).sum()
    }

    /// The statements that write it.
    pub(crate) fn bound(&self) -> Bound {
        let mut bound = Bound { text: String::new(), variables: Variables::new() };
        for part in PARTS {
            let rows = &self.parts[part as usize];
            if !rows.is_empty() {
                bound.text.push_str(part.statement());
                bound.variables.insert(part.name(), sdk::Value::Array(rows.clone().into()));
            }
        }
        bound
    }

    /// What comes first of it, and the rest.
    pub(crate) fn halves(mut self) -> (Chunk, Chunk) {
        let mut before = self.len() / 2;
        let mut rest = Chunk::default();
        for (part, after) in self.parts.iter_mut().zip(&mut rest.parts) {
            *after = part.split_off(before.min(part.len()));
            before -= part.len();
        }
        (self, rest)
    }
}

impl Database {
    /// A batch as messages, in the order in which they are to be written.
    pub(crate) fn chunks(&self, batch: &WriteBatch) -> Result<Vec<Chunk>> {
        let query_table = self.names().query();
        let convert = converting(ACTION);
        // Room for what the estimate of a value's size overlooks.
        let mut chunks = Chunks { limit: self.settings().max_message_bytes / 3, ..Chunks::default() };
        for place in &batch.clears {
            for table in [&*place.edge_table, &self.names().row()] {
                chunks.push(Part::Clears, sdk::Value::RecordId(records_of_query(table, &place.query)));
            }
        }
        for row in &batch.rows {
            chunks.push(Part::Rows, row.to_sdk(&query_table).map_err(&convert)?);
        }
        for edge in &batch.puts {
            chunks.push(Part::Puts, edge.to_sdk(&query_table).map_err(&convert)?);
        }
        for edge in &batch.updates {
            chunks.push(Part::Updates, edge.to_sdk(&query_table).map_err(&convert)?);
        }
        for id in &batch.removes {
            chunks.push(Part::Removes, sdk::Value::RecordId(id.to_sdk().map_err(&convert)?));
        }
        for id in &batch.gone {
            chunks.push(Part::Gone, sdk::Value::RecordId(id.to_sdk().map_err(&convert)?));
        }
        for info in &batch.results {
            chunks.push(Part::Results, note(info, &query_table, chunks.limit));
        }
        Ok(chunks.finish())
    }
}

/// What is noted on a view's record. A result that can't be stored is an error of this view, and of no other.
fn note(info: &ResultInfo, query_table: &str, limit: usize) -> sdk::Value {
    let mut note = sdk::Object::new();
    note.insert("id", query_record(query_table, &info.query));
    note.insert("rowCount", info.row_count as i64);
    let result = info.result.as_ref().map(|result| storable(result, limit)).transpose();
    let error = match &result {
        Ok(_) => info.error.clone(),
        Err(reason) => Some(reason.clone()),
    };
    if let (None, Some(hash)) = (&error, info.hash) {
        note.insert("hash", hash.to_string());
    }
    if let (None, Ok(Some(result))) = (&error, result) {
        note.insert("result", result);
    }
    if let Some(error) = error {
        note.insert("error", error);
    }
    sdk::Value::Object(note)
}

fn storable(result: &Value, limit: usize) -> std::result::Result<sdk::Value, String> {
    let result = to_sdk(result).map_err(|error| format!("the result can't be stored: {error}"))?;
    match size_of_value(&result) {
        bytes if bytes > limit => Err(format!("the result has about {bytes} bytes, and the limit is {limit}")),
        _ => Ok(result),
    }
}

/// What a chunk is made of, in the order in which it is written.
#[derive(Clone, Copy)]
enum Part {
    Clears,
    Rows,
    Puts,
    Updates,
    Removes,
    Gone,
    Results,
}

const PARTS: [Part; 7] =
    [Part::Clears, Part::Rows, Part::Puts, Part::Updates, Part::Removes, Part::Gone, Part::Results];

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Clears => "clears",
            Part::Rows => "rows",
            Part::Puts => "puts",
            Part::Updates => "updates",
            Part::Removes => "removes",
            Part::Gone => "gone",
            Part::Results => "results",
        }
    }

    fn statement(self) -> &'static str {
        match self {
            Part::Clears => CLEAR,
            Part::Rows => ROW,
            Part::Puts => PUT,
            Part::Updates => UPDATE,
            Part::Removes => REMOVE,
            Part::Gone => GONE,
            Part::Results => NOTE,
        }
    }
}

const CLEAR: &str = "FOR $clear IN $clears { DELETE $clear RETURN NONE; };\n";

/// UPDATE and then CREATE: an UPSERT tries to create first and rolls back to a save point, which takes quadratic time
/// where the rows are there.
const ROW: &str = "FOR $row IN $rows { \
    LET $known = (UPDATE $row.id SET query = $row.query, version = $row.version, content = $row.content, \
    auth_id = $row.auth_id, updatedAt = time::now() RETURN VALUE true); \
    IF array::is_empty($known) { CREATE $row.id SET query = $row.query, version = $row.version, \
    content = $row.content, auth_id = $row.auth_id, updatedAt = time::now() RETURN NONE; }; };\n";

/// `RELATE OR UPDATE` makes a real graph edge, whether or not there has been one: the record at its end may have been
/// deleted meanwhile, and has taken the edge with it. `INSERT RELATION … ON DUPLICATE KEY UPDATE` and closures take
/// quadratic time.
const PUT: &str = "FOR $put IN $puts { RELATE OR UPDATE ($put.in)->($put.id)->($put.out) SET version = $put.version, \
    clientId = $put.clientId, auth_id = $put.auth_id, parent = $put.parent, parent_rel = $put.parent_rel, \
    updatedAt = time::now() RETURN NONE; };\n";
/// As [`PUT`] does, and in half the time where the edge is there, of which only these fields change.
const UPDATE: &str = "FOR $put IN $updates { \
    LET $known = (UPDATE $put.id SET version = $put.version, updatedAt = time::now() RETURN VALUE true); \
    IF array::is_empty($known) { \
    RELATE OR UPDATE ($put.in)->($put.id)->($put.out) SET version = $put.version, clientId = $put.clientId, \
    auth_id = $put.auth_id, parent = $put.parent, parent_rel = $put.parent_rel, updatedAt = time::now() RETURN NONE; \
    }; };\n";
const REMOVE: &str = "DELETE $removes RETURN NONE;\n";
const GONE: &str = "DELETE $gone RETURN NONE;\n";
const NOTE: &str = "FOR $note IN $results { UPDATE $note.id SET hash = $note.hash, rowCount = $note.rowCount, \
    result = $note.result, error = $note.error RETURN NONE; };\n";

/// Collects rows until a message is full.
#[derive(Default)]
struct Chunks {
    /// How many bytes a message may hold.
    limit: usize,
    finished: Vec<Chunk>,
    current: Chunk,
    bytes: usize,
}

impl Chunks {
    fn push(&mut self, part: Part, row: sdk::Value) {
        let bytes = size_of_value(&row);
        if self.bytes > 0 && self.bytes + bytes > self.limit {
            self.flush();
        }
        self.bytes += bytes;
        self.current.parts[part as usize].push(row);
    }

    fn flush(&mut self) {
        let chunk = std::mem::take(&mut self.current);
        self.bytes = 0;
        if chunk.len() > 0 {
            self.finished.push(chunk);
        }
    }

    fn finish(mut self) -> Vec<Chunk> {
        self.flush();
        self.finished
    }
}

/// About how many bytes a value takes in a message.
pub(crate) fn size_of_value(value: &sdk::Value) -> usize {
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
