//! Saving the rows of all tables, a chunk at a time, while steps go on.
//!
//! Everything else that the circuit holds follows from the rows and the plans, and the plans are their owner's. So a saved
//! state is a list of changes, which a restored circuit takes in as it takes in any others.
//!
//! Rows are written in the order of their places. One that changes behind the place where writing has arrived is noted,
//! and written again at the end: as it is then, or that it is gone. So the last chunk makes the whole exactly the state
//! at that moment, however many steps there were since the first. (This is how a live migration copies memory: Clark et
//! al., "Live Migration of Virtual Machines", NSDI 2005.)

use std::sync::Arc;

use hashbrown::HashSet;

use crate::circuit::Circuit;
use crate::saved::chunk::{CHUNK_HEADER, seal};
use crate::store::Store;
use crate::store::table::{Row, TableId};
use crate::value::codec::{Encoder, TooDeep};
use crate::value::{RecordId, SameRecord};

/// Why the state can't be saved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaveError {
    #[error("a value of a record in table {table} is nested too deeply")]
    TooDeep { table: Arc<str> },
}

/// What stands in front of each part of a chunk's content. The numbers are part of the format.
pub(crate) mod part {
    /// A record and its fields follow.
    pub(crate) const ROW: u8 = 1;
    /// A record follows that is gone.
    pub(crate) const GONE: u8 = 2;
    /// The chunk ends, and others follow.
    pub(crate) const CONTINUED: u8 = 3;
    /// The save ends with the number of all rows and the metadata.
    pub(crate) const END: u8 = 4;
}

/// Going past a free place costs time too: as much as writing this many bytes.
const PLACE: usize = 8;

/// How far a save has come.
#[derive(Debug, Default)]
pub(crate) struct Saving {
    /// The relation and the row where writing goes on. All before it are written.
    next: (TableId, u32),
    /// Records that have changed since they were written.
    changed: Vec<SameRecord>,
    is_changed: HashSet<SameRecord, foldhash::fast::FixedState>,
    chunks: u64,
    checksum: u64,
}

/// Behind all places.
const EVERYTHING: (TableId, u32) = (TableId::MAX, u32::MAX);

impl Circuit {
    /// Starts to save the rows of all tables, with [`Circuit::save_chunk`]. A save that is under way is abandoned.
    pub fn begin_save(&mut self) {
        self.saving = Some(Box::default());
    }

    /// Ends a save without completing it.
    pub fn abandon_save(&mut self) {
        self.saving = None;
    }

    /// Whether a save is under way.
    pub fn is_saving(&self) -> bool {
        self.saving.is_some()
    }

    /// The next chunk of the save that is under way; `None` if there is none. With its last chunk the save is complete,
    /// and not under way any more.
    ///
    /// The chunks together are the state at the moment of the last one. `metadata` belongs to the same moment: of all that
    /// is passed, only that of the last chunk is kept, for [`Circuit::restore`] to answer.
    ///
    /// O(`max_bytes`): a chunk is as long as that and one row more. Steps may run before the next. What they change is
    /// written again, so a save ends once they change less between two chunks than one chunk holds.
    pub fn save_chunk(&mut self, max_bytes: usize, metadata: &[u8]) -> Result<Option<Vec<u8>>, SaveError> {
        let Some(mut saving) = self.saving.take() else { return Ok(None) };
        let mut encoder = Encoder::behind(vec![0; CHUNK_HEADER]);
        let (is_complete, places) = saving.write(&self.store, &mut encoder, max_bytes)?;
        self.work.rows_saved += places as u64;
        if is_complete {
            let rows: usize = self.store.tables().map(|(_, table)| table.len()).sum();
            encoder.byte(part::END);
            encoder.number(rows as u64);
            encoder.bytes(metadata);
        } else {
            encoder.byte(part::CONTINUED);
        }
        let mut chunk = encoder.into_bytes();
        saving.checksum = seal(&mut chunk, saving.chunks, saving.checksum);
        saving.chunks += 1;
        if !is_complete {
            self.saving = Some(saving);
        }
        Ok(Some(chunk))
    }
}

impl Saving {
    /// Notes that a row has changed. O(1).
    pub(crate) fn note(&mut self, table: TableId, row: u32, id: &Arc<RecordId>) {
        if (table, row) < self.next && self.is_changed.insert(SameRecord(id.clone())) {
            self.changed.push(SameRecord(id.clone()));
        }
    }

    /// Writes what fits, and at least one row. Answers whether nothing is left, and the number of places gone past.
    fn write(&mut self, store: &Store, encoder: &mut Encoder, max_bytes: usize) -> Result<(bool, usize), SaveError> {
        let mut places = 0;
        let is_full =
            |encoder: &Encoder, places: usize| places > 0 && encoder.len() - CHUNK_HEADER + places * PLACE >= max_bytes;
        while let Some((id, table)) = store.table_from(self.next.0) {
            let first = if id == self.next.0 { self.next.1 } else { 0 };
            for place in first..table.places() {
                if is_full(encoder, places) {
                    self.next = (id, place);
                    return Ok((false, places));
                }
                places += 1;
                if let Some(row) = table.row(place) {
                    write_row(row, encoder)?;
                }
            }
            self.next = (id + 1, 0);
        }
        self.next = EVERYTHING;
        while let Some(record) = self.changed.pop_if(|_| !is_full(encoder, places)) {
            places += 1;
            self.is_changed.remove(&record);
            match store.find(&record.0) {
                Some(row) => write_row(row, encoder)?,
                None => {
                    encoder.byte(part::GONE);
                    encoder.record_id(&record.0).map_err(|TooDeep| too_deep(&record.0))?;
                }
            }
        }
        Ok((self.changed.is_empty(), places))
    }
}

fn write_row(row: &Row, encoder: &mut Encoder) -> Result<(), SaveError> {
    encoder.byte(part::ROW);
    encoder.number(row.version);
    let written = encoder.record_id(&row.id).and_then(|()| encoder.content(&row.content, &row.id));
    written.map_err(|TooDeep| too_deep(&row.id))
}

pub(crate) fn too_deep(id: &RecordId) -> SaveError {
    SaveError::TooDeep { table: id.table.clone() }
}
