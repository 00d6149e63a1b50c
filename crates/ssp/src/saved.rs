//! The saved state: the rows of all tables in a file, with the place in the feed that they belong to, if there is a feed.
//!
//! The file is a sequence of the circuit's chunks, each with a checksum. It is written beside its place, synced and then
//! renamed, so that at any moment there is a whole one or none. Views are not in it: they are in the database.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use circuit::{CHUNK_HEADER, Change, ChunkError, Circuit, RestoreError, chunk_length};
use query::SurrealLibrary;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Changes with what is in a [`Mark`] or what it means.
const FORMAT: u32 = 2;

/// What the rows of a saved state are of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    format: u32,
    /// Namespace and database.
    database: String,
    #[serde(flatten)]
    pub(crate) position: Position,
    /// The tables that have been read, as the database counts them.
    pub(crate) tables: BTreeMap<String, u64>,
}

/// What the engine's rows are in line with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The content of the database: another one after it was emptied or replaced.
    pub(crate) instance: Uuid,
    /// Where to go on in the feed; nothing where changes are pushed.
    pub(crate) cursor: Option<u64>,
}

/// A saved state, read back.
#[derive(Debug)]
pub(crate) struct SavedState {
    pub(crate) circuit: Box<Circuit>,
    pub(crate) mark: Mark,
}

/// Why a saved state can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("it can't be opened: {0}")]
    Open(#[source] io::Error),
    #[error("{}", with_causes(.0))]
    Rows(#[source] RestoreError<ReadError>),
    #[error("what it says of itself can't be read: {0}")]
    Mark(#[source] serde_json::Error),
    #[error("it has format {0}, and this version knows {FORMAT}")]
    Format(u32),
    #[error("it is of the database {0}")]
    Database(String),
}

/// Why a chunk can't be read from the file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Header(#[from] ChunkError),
}

/// An error with all its causes: the circuit's says which chunk, its source says what is wrong with it.
fn with_causes(error: &RestoreError<ReadError>) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}

impl Mark {
    pub(crate) fn new(database: &str, position: Position, tables: BTreeMap<String, u64>) -> Mark {
        Mark { format: FORMAT, database: database.to_owned(), position, tables }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // Numbers, texts and a map of these: there is nothing in it that JSON has no form for.
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn from_bytes(bytes: &[u8], database: &str) -> Result<Mark, Unusable> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Version { format } = serde_json::from_slice(bytes).map_err(Unusable::Mark)?;
        if format != FORMAT {
            return Err(Unusable::Format(format));
        }
        let mark: Mark = serde_json::from_slice(bytes).map_err(Unusable::Mark)?;
        if mark.database != database { Err(Unusable::Database(mark.database)) } else { Ok(mark) }
    }
}

/// How a saved state names the database that it is of.
pub(crate) fn name_of(settings: &database::Settings) -> String {
    format!("{}/{}", settings.namespace, settings.database)
}

/// Reads the saved state of a database; nothing if there is no file. O(rows).
pub(crate) fn read(path: &Path, database: &str) -> Result<Option<SavedState>, Unusable> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Unusable::Open(error)),
    };
    let chunks = Chunks { file: BufReader::with_capacity(1 << 20, file) };
    let (mut circuit, metadata) = Circuit::restore(Arc::new(SurrealLibrary), chunks).map_err(Unusable::Rows)?;
    let mark = Mark::from_bytes(&metadata, database)?;
    forget_unknown(&mut circuit, &mark);
    circuit.hash_tables();
    Ok(Some(SavedState { circuit: Box::new(circuit), mark }))
}

/// Removes the rows of tables that had been dropped, or were being read, when the state was saved.
fn forget_unknown(circuit: &mut Circuit, mark: &Mark) {
    let is_unknown = |name: &&Arc<str>| !mark.tables.contains_key(&***name);
    let unknown: Vec<Arc<str>> = circuit.tables().map(|(name, _)| name).filter(is_unknown).cloned().collect();
    for table in unknown {
        let gone = circuit.ids(&table).map(|id| Change { id: (**id).clone(), version: 0, content: None });
        let gone = gone.collect();
        circuit.step(gone);
    }
}

/// The chunks in a file.
struct Chunks {
    file: BufReader<File>,
}

impl Iterator for Chunks {
    type Item = Result<Vec<u8>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

impl Chunks {
    fn read(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        let mut header = [0; CHUNK_HEADER];
        match self.file.read(&mut header[..1])? {
            0 => return Ok(None),
            _ => self.file.read_exact(&mut header[1..])?,
        }
        let length = chunk_length(&header)?;
        let mut chunk = header.to_vec();
        // Not allocated ahead: the length is only believed as far as the file reaches.
        let found = (&mut self.file).take(length).read_to_end(&mut chunk)? as u64;
        if found < length {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(Some(chunk))
    }
}
