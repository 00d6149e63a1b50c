//! What a replica holds of records that are about to change.

use std::collections::{HashMap, HashSet};
use std::ops::Bound;

use circuit::{RecordId, SameRecord, Value};
use surrealdb::types as sdk;
use surrealdb::types::Variables;

use crate::convert::{record_id_from_sdk, record_id_to_sdk, to_sdk};
use crate::error::{Error, Result};
use crate::ident::escape;
use crate::pages::{array, converting, record_id, version_from};
use crate::replica::batch::{Batch, Span, end};
use crate::replica::{ACTION, Replica};
use crate::scan::{self, SOURCE};

/// How many records are looked up at once.
const AT_ONCE: usize = 5_000;

/// What [`Replica::take_counted`] reads of a version.
const COUNTED: &str = "[record::id(id)[0], version, hash, era]";

/// What the replica knows of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) version: u64,
    /// The hash of the row; nothing if it is gone, be it with its table.
    pub(super) hash: Option<u128>,
}

/// Records that are or were there.
pub(super) type CountedRecords = HashMap<SameRecord, Counted>;
/// The ends of edges. A record that is none has no entry.
pub(super) type Ends = HashMap<SameRecord, [SameRecord; 2]>;

impl Replica {
    /// What is known of all records that a batch concerns. O(records of the batch, and those that are in its parts of tables).
    pub(super) async fn counted(&self, batch: &Batch) -> Result<CountedRecords> {
        let mut counted = CountedRecords::new();
        for span in &batch.spans {
            self.counted_in(span, &mut counted).await?;
        }
        let is_open = |id: &SameRecord, is_loose: bool| {
            let table = self.state.tables.get(&*id.0.table);
            table.is_some_and(|table| (is_loose || table.has_gone) && !counted.contains_key(id))
        };
        let open = batch.records.iter().filter(|(id, target)| is_open(id, target.is_loose)).map(|(id, _)| &*id.0);
        let version_table = self.database.names().version();
        let counters = open.map(|id| {
            let id = record_id_to_sdk(id).map_err(converting(ACTION))?;
            Ok(sdk::Value::RecordId(counter(&version_table, id)))
        });
        let counters: Vec<sdk::Value> = counters.collect::<Result<_>>()?;
        for some in counters.chunks(AT_ONCE) {
            let mut variables = Variables::new();
            variables.insert("ids", sdk::Value::Array(some.to_vec().into()));
            let text = format!("SELECT VALUE {COUNTED} FROM $ids");
            let found = self.database.run(ACTION, text, variables).await?.take(0)?;
            self.take_counted(found, &mut counted)?;
        }
        Ok(counted)
    }

    /// What is known of the records of a part of a table.
    async fn counted_in(&self, span: &Span, counted: &mut CountedRecords) -> Result<()> {
        if self.state.table(&span.table).is_none_or(|table| table.content.rows == 0) {
            return Ok(());
        }
        let key = |id: &RecordId| to_sdk(&Value::from(id.key.clone())).map_err(converting(ACTION));
        let mut start = match &span.after {
            None => Bound::Unbounded,
            Some(id) => Bound::Excluded(key(id)?),
        };
        let end = match &span.last {
            None => Bound::Unbounded,
            Some(id) => Bound::Included(key(id)?),
        };
        let version = escape(&self.database.names().version());
        loop {
            let mut variables = Variables::new();
            scan::bind(&mut variables, &span.table, start, end.clone());
            variables.insert("limit", AT_ONCE as i64);
            let text = format!(
                "{{ LET $ids = SELECT VALUE id FROM {SOURCE} LIMIT $limit; \
                 LET $first = array::first($ids); LET $last = array::last($ids); \
                 RETURN [array::len($ids), $last, \
                 (SELECT VALUE {COUNTED} FROM {version}:[$first]..=[$last])]; }}"
            );
            let answer = self.database.run(ACTION, text, variables).await?.take_last()?;
            let [count, last, found] = <[sdk::Value; 3]>::try_from(array(ACTION, answer)?)
                .map_err(|_| Error::answer(ACTION, "expected a count, a record and versions"))?;
            self.take_counted(found, counted)?;
            if count != sdk::Value::Number((AT_ONCE as i64).into()) {
                return Ok(());
            }
            start = Bound::Excluded(key(&record_id(ACTION, last)?)?);
        }
    }

    /// The ends of those of the records that are edges.
    pub(super) async fn ends(&self, ids: &[sdk::RecordId]) -> Result<Ends> {
        let mut ends = Ends::new();
        for some in ids.chunks(AT_ONCE) {
            let found = self.select("SELECT VALUE [id, in, out] FROM $ids", some).await?;
            for entry in found {
                let [id, from, to] = <[sdk::Value; 3]>::try_from(array(ACTION, entry)?)
                    .map_err(|_| Error::answer(ACTION, "expected an id and two ends"))?;
                if let (Some(from), Some(to)) = (end(Some(&from)), end(Some(&to))) {
                    ends.insert(record_id(ACTION, id)?.into(), [same(from)?, same(to)?]);
                }
            }
        }
        Ok(ends)
    }

    /// The edges that would go with these records, and are not among them: each with what else would go with it behind it.
    ///
    /// The database deletes the edges of a record that it deletes. Here only what events say is gone may go: a table may
    /// have fields called `in` and `out` without holding edges, or the edges go by an event of their own.
    pub(super) async fn hanging(&self, ids: &[sdk::RecordId]) -> Result<Vec<sdk::Object>> {
        const NEIGHBOURS: &str = "SELECT VALUE array::concat(->?, <-?) FROM $ids";
        let mut seen: HashSet<SameRecord> = ids.iter().map(same).collect::<Result<_>>()?;
        let mut hanging = Vec::new();
        let mut frontier = ids.to_vec();
        while !frontier.is_empty() {
            let mut looked_at = HashSet::new();
            let mut neighbours = Vec::new();
            for some in frontier.chunks(AT_ONCE) {
                for list in self.select(NEIGHBOURS, some).await? {
                    for neighbour in array(ACTION, list)? {
                        let sdk::Value::RecordId(id) = neighbour else { continue };
                        // The neighbours of an edge are its ends, too, which stay.
                        let may_be_edge = self.state.table(id.table.as_str()).is_some_and(|table| table.has_edges);
                        let neighbour = same(&id)?;
                        if may_be_edge && !seen.contains(&neighbour) && looked_at.insert(neighbour) {
                            neighbours.push(id);
                        }
                    }
                }
            }
            let doomed: HashSet<SameRecord> = frontier.iter().map(same).collect::<Result<_>>()?;
            frontier.clear();
            for some in neighbours.chunks(AT_ONCE) {
                for row in self.select("SELECT * FROM $ids", some).await? {
                    let sdk::Value::Object(row) = row else { continue };
                    let (Some(from), Some(to)) = (end(row.get("in")), end(row.get("out"))) else { continue };
                    let is_doomed = doomed.contains(&same(from)?) || doomed.contains(&same(to)?);
                    if let (true, Some(sdk::Value::RecordId(id))) = (is_doomed, row.get("id")) {
                        seen.insert(same(id)?);
                        frontier.push(id.clone());
                        hanging.push(row);
                    }
                }
            }
        }
        Ok(hanging)
    }

    async fn select(&self, text: &'static str, ids: &[sdk::RecordId]) -> Result<Vec<sdk::Value>> {
        let mut variables = Variables::new();
        let ids: Vec<sdk::Value> = ids.iter().cloned().map(sdk::Value::RecordId).collect();
        variables.insert("ids", sdk::Value::Array(ids.into()));
        array(ACTION, self.database.run(ACTION, text, variables).await?.take(0)?)
    }

    fn take_counted(&self, found: sdk::Value, counted: &mut CountedRecords) -> Result<()> {
        for entry in array(ACTION, found)? {
            let [id, version, hash, era] = <[sdk::Value; 4]>::try_from(array(ACTION, entry)?)
                .map_err(|_| Error::answer(ACTION, "expected an id, a version, a hash and an era"))?;
            let (id, version) = (record_id(ACTION, id)?, version_from(ACTION, version)?);
            let now = self.state.table(&id.table).map(|table| sdk::Value::Number(table.era.cast_signed().into()));
            let hash = match &hash {
                sdk::Value::Bytes(bytes) if now == Some(era) => Some(
                    <[u8; 16]>::try_from(&bytes[..])
                        .map_err(|_| Error::answer(ACTION, "a hash that does not have 16 bytes"))?,
                ),
                _ => None,
            };
            counted.insert(id.into(), Counted { version, hash: hash.map(u128::from_be_bytes) });
        }
        Ok(())
    }
}

/// The record that counts the versions of another one.
pub(super) fn counter(version_table: &str, id: sdk::RecordId) -> sdk::RecordId {
    sdk::RecordId::new(version_table.to_owned(), sdk::Array::from(vec![sdk::Value::RecordId(id)]))
}

pub(super) fn same(id: &sdk::RecordId) -> Result<SameRecord> {
    record_id_from_sdk(id.clone()).map(SameRecord::from).map_err(converting(ACTION))
}
