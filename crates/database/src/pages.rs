//! Reading: whole tables page by page, and single records.
//!
//! A page is one request. It answers the records and, beside them, their versions, both read in one transaction.

use std::collections::HashMap;
use std::time::Duration;

use circuit::value::Interner;
use circuit::{Change, Object, RecordId, SameRecord, Value};
use surrealdb::types as sdk;
use surrealdb::types::Variables;

use crate::connect::Database;
use crate::convert::{ConvertError, from_sdk, object_from_sdk, record_id_from_sdk, record_id_to_sdk};
use crate::error::{Error, Result};
use crate::ident::escape;
use crate::paging::Paging;
use crate::text;

/// The version of a record that has no version row: it is older than the event that counts.
pub const FIRST_VERSION: u64 = 1;

/// How long a table may be counted. Less than a request may take, so that the connection is not believed to be dead.
pub const COUNTING: Duration = Duration::from_secs(30);

pub(crate) const PAGE: &str = "reading a page of a table";
const RECORDS: &str = "reading records";

/// A page of a table as the database has answered it. What it means is worked out by [`Page::changes`], so that the next
/// page can be asked for before.
#[derive(Debug, Default)]
pub struct Page {
    pub(crate) rows: Vec<sdk::Value>,
    /// Of most of these rows, `[id, version]`.
    pub(crate) versions: Vec<sdk::Value>,
    /// Whether there is nothing behind it.
    pub(crate) is_last: bool,
}

impl Page {
    /// The record behind which the next page begins; nothing if this one has no rows.
    ///
    /// # Errors
    /// If the database has answered something else than records.
    pub fn end(&self) -> Result<Option<RecordId>> {
        match self.rows.last() {
            None => Ok(None),
            Some(sdk::Value::Object(row)) => match row.get("id") {
                Some(id) => record_id(PAGE, id.clone()).map(Some),
                None => Err(without_id()),
            },
            Some(_) => Err(without_id()),
        }
    }

    /// Whether there is nothing behind it.
    pub fn is_last(&self) -> bool {
        self.is_last
    }

    /// The rows with their versions, in the order of their keys. O(size).
    ///
    /// # Errors
    /// If the database has answered something else than records and versions, or holds what the circuit has no value for.
    pub fn changes(self) -> Result<Vec<Change>> {
        let mut known = HashMap::with_capacity(self.versions.len());
        for entry in self.versions {
            let [id, version] = <[sdk::Value; 2]>::try_from(array(PAGE, entry)?)
                .map_err(|_| Error::answer(PAGE, "expected an id and a version"))?;
            known.insert(SameRecord::from(record_id(PAGE, id)?), version_from(PAGE, version)?);
        }
        let mut names = Interner::default();
        let rows = self.rows.into_iter().map(|row| {
            let content = content(PAGE, row)?;
            let id = id_of(&content).ok_or_else(without_id)?;
            let version = known.get(&SameRecord::from(id.clone())).copied().unwrap_or(FIRST_VERSION);
            Ok(names.change(Change { id, version, content: Some(content) }))
        });
        rows.collect()
    }
}

fn without_id() -> Error {
    Error::answer(PAGE, "a record without an id")
}

impl Database {
    /// One page of a table: the records behind `after`, in the order of their keys, at most `limit` of them. One request.
    ///
    /// Resuming behind a key and not behind a count, so that records that are deleted meanwhile shift nothing.
    ///
    /// A page that does not fit into a message takes several requests.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if a single record does not fit into a message.
    pub async fn page(&self, table: &str, after: Option<&RecordId>, limit: usize) -> Result<Page> {
        let mut paging = Paging::new(self.names(), table, after, limit);
        while let Some((text, variables)) = paging.next()? {
            match self.run(PAGE, text, variables).await {
                Ok(mut answer) => paging.take(answer.take_last()?)?,
                Err(Error::NoSuchTable { .. }) => paging.end(),
                Err(error) if self.was_too_large(&error).await => match paging.too_large() {
                    Ok(()) => {}
                    Err(error) => return Err(self.named(&paging).await.unwrap_or(error)),
                },
                Err(error) => return Err(error),
            }
        }
        Ok(paging.finish())
    }

    /// That the next record of a page does not fit into a message; nothing if the database does not say which one that is.
    async fn named(&self, paging: &Paging) -> Option<Error> {
        let (text, variables) = paging.next_id().ok()?;
        let mut ids = array(PAGE, self.run(PAGE, text, variables).await.ok()?.take_last().ok()?).ok()?;
        let record = text::record_id(&record_id(PAGE, ids.pop()?).ok()?);
        Some(Error::TooLarge { action: PAGE, reason: format!("{record} exceeds the limit") })
    }

    /// How many records a table has; nothing if there is no such table. One request, and in the database O(records), 0.3 to
    /// 1 µs each, or O(1) where the table has a `COUNT` index.
    ///
    /// # Errors
    /// Also if it takes longer than [`COUNTING`]: then the database gives up.
    pub async fn count(&self, table: &str) -> Result<Option<u64>> {
        const ACTION: &str = "counting records";
        let text = format!("SELECT count() FROM {} GROUP ALL TIMEOUT {}s", escape(table), COUNTING.as_secs());
        match self.run(ACTION, text, Variables::new()).await {
            Ok(mut answer) => counted(ACTION, answer.take(0)?).map(Some),
            Err(Error::NoSuchTable { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The committed state of some records, in the order asked for: without content where there is none. One request,
    /// more if the records do not fit into a message.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if a single record does not fit into a message.
    pub async fn records(&self, ids: &[RecordId]) -> Result<Vec<Change>> {
        let mut found = Vec::with_capacity(ids.len());
        let mut step = ids.len();
        while let Some(rest) = ids.get(found.len()..).filter(|rest| !rest.is_empty()) {
            let count = step.min(rest.len());
            match self.some_records(&rest[..count]).await {
                Ok(part) => found.extend(part),
                Err(error) if self.was_too_large(&error).await => {
                    if count == 1 {
                        let reason = "a record exceeds the limit".to_owned();
                        return Err(Error::TooLarge { action: RECORDS, reason });
                    }
                    step = (count / 4).max(1);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    async fn some_records(&self, ids: &[RecordId]) -> Result<Vec<Change>> {
        const ACTION: &str = RECORDS;
        let mut variables = Variables::new();
        variables.insert("lookups", self.lookups(ids.iter()).map_err(converting(ACTION))?);
        let answer = self.run(ACTION, format!("RETURN {CURRENT}"), variables).await?.take(0)?;
        let found = states(ACTION, answer)?;
        if found.len() != ids.len() {
            return Err(Error::answer(ACTION, "not as many records as asked for"));
        }
        Ok(found)
    }

    /// What [`CURRENT`] looks up.
    pub(crate) fn lookups<'a>(&self, ids: impl Iterator<Item = &'a RecordId>) -> Result<sdk::Value, ConvertError> {
        let version_table = self.names().version();
        let lookups: Result<Vec<sdk::Value>, ConvertError> = ids
            .map(|id| {
                let id = record_id_to_sdk(id)?;
                let key = sdk::Array::from(vec![sdk::Value::RecordId(id.clone())]);
                let mut lookup = sdk::Object::new();
                lookup.insert("record", id);
                lookup.insert("counter", sdk::RecordId::new(version_table.clone(), key));
                Ok(sdk::Value::Object(lookup))
            })
            .collect();
        Ok(sdk::Value::Array(lookups?.into()))
    }
}

/// SurrealQL for the committed state of `$lookups`: id, content (`NONE` also for a table that does not exist) and
/// version.
pub(crate) const CURRENT: &str = "(SELECT VALUE [record, record.*, counter.version ?? 1] FROM $lookups)";

const _: () = assert!(FIRST_VERSION == 1, "as in `CURRENT`");

/// Reads the answer to [`CURRENT`].
pub(crate) fn states(action: &'static str, answer: sdk::Value) -> Result<Vec<Change>> {
    let states = array(action, answer)?.into_iter().map(|state| {
        let [id, state, version] = <[sdk::Value; 3]>::try_from(array(action, state)?)
            .map_err(|_| Error::answer(action, "expected an id, a content and a version"))?;
        let content = match state {
            sdk::Value::None | sdk::Value::Null => None,
            state => Some(content(action, state)?),
        };
        Ok(Change { id: record_id(action, id)?, version: version_from(action, version)?, content })
    });
    states.collect()
}

/// Reads the answer to `SELECT count() .. GROUP ALL`.
fn counted(action: &'static str, answer: sdk::Value) -> Result<u64> {
    let mut groups = array(action, answer)?;
    let group = groups.pop().map(|group| content(action, group)).transpose()?;
    match group.as_ref().and_then(|group| group.get("count")) {
        Some(Value::Int(count)) => u64::try_from(*count).map_err(|_| Error::answer(action, "a negative count")),
        // Of nothing there may be no group.
        None => Ok(0),
        Some(_) => Err(Error::answer(action, "a count that is no number")),
    }
}

fn content(action: &'static str, row: sdk::Value) -> Result<Object> {
    match row {
        sdk::Value::Object(row) => object_from_sdk(row).map_err(converting(action)),
        other => Err(converting(action)(ConvertError::unexpected("an object", &other))),
    }
}

/// The id that a record's content holds.
pub(crate) fn id_of(content: &Object) -> Option<RecordId> {
    match content.get("id") {
        Some(Value::RecordId(id)) => Some((**id).clone()),
        _ => None,
    }
}

pub(crate) fn version_from(action: &'static str, version: sdk::Value) -> Result<u64> {
    match from_sdk(version).map_err(converting(action))? {
        Value::None | Value::Null => Ok(FIRST_VERSION),
        Value::Int(version) => u64::try_from(version).map_err(|_| Error::answer(action, "a negative version")),
        _ => Err(Error::answer(action, "a version that is no number")),
    }
}

pub(crate) fn array(action: &'static str, value: sdk::Value) -> Result<Vec<sdk::Value>> {
    match value {
        sdk::Value::Array(items) => Ok(items.into_vec()),
        other => Err(converting(action)(ConvertError::unexpected("an array", &other))),
    }
}

pub(crate) fn record_id(action: &'static str, value: sdk::Value) -> Result<RecordId> {
    match value {
        sdk::Value::RecordId(id) => record_id_from_sdk(id).map_err(converting(action)),
        other => Err(converting(action)(ConvertError::unexpected("a record id", &other))),
    }
}

pub(crate) fn converting(action: &'static str) -> impl Fn(ConvertError) -> Error {
    move |source| Error::Convert { action, source }
}
