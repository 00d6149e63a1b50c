//! The answers of `SHOW CHANGES` and their neighbours.

use std::collections::HashMap;
use std::time::Duration;

use circuit::value::Interner;
use circuit::{Change, Key, Object, RecordId, SameRecord, Value};
use protocol::Names;
use surrealdb::types as sdk;

use crate::convert::object_from_sdk;
use crate::error::{Error, Result};
use crate::pages::{FIRST_VERSION, array, converting, id_of, record_id};

/// One change set.
pub(super) struct Decoded {
    pub(super) versionstamp: u64,
    pub(super) changes: Vec<Change>,
    pub(super) tables: Vec<String>,
    /// What [`super::Feed::probe`] has written in this transaction.
    pub(super) mark: Option<uuid::Uuid>,
    /// How many tables the set touched, system tables included: what `LIMIT` counts.
    pub(super) pairs: usize,
}

/// Reads an answer. The names in its changes are shared by `interner`.
pub(super) fn decode(
    action: &'static str,
    names: &Names,
    interner: &mut Interner,
    answer: sdk::Value,
) -> Result<Vec<Decoded>> {
    let mut sets: Vec<Decoded> =
        array(action, answer)?.into_iter().map(|set| decode_set(action, names, set)).collect::<Result<_>>()?;
    for set in &mut sets {
        set.changes = std::mem::take(&mut set.changes).into_iter().map(|change| interner.change(change)).collect();
    }
    Ok(sets)
}

fn decode_set(action: &'static str, names: &Names, set: sdk::Value) -> Result<Decoded> {
    let mut set = fields(action, set)?;
    let versionstamp = match set.remove("versionstamp") {
        Some(sdk::Value::Number(stamp)) => stamp.to_int().and_then(|stamp| u64::try_from(stamp).ok()),
        _ => None,
    };
    let versionstamp = versionstamp.ok_or_else(|| Error::answer(action, "a change set without a versionstamp"))?;
    let mutations = set.remove("changes").ok_or_else(|| Error::answer(action, "a change set without changes"))?;

    let mut touched: Vec<String> = Vec::new();
    let mut touch = |table: &str| {
        // Mutations come table by table, so looking from the end is O(1) for all but the first of a table.
        if !touched.iter().rev().any(|known| known == table) {
            touched.push(table.to_owned());
        }
    };
    let mut tables = Vec::new();
    let mut versions: HashMap<SameRecord, u64> = HashMap::new();
    let mut changes: Vec<Change> = Vec::new();
    let mut positions: HashMap<SameRecord, usize> = HashMap::new();
    let (version_table, probe_table) = (names.version(), names.probe());
    let mut mark = None;
    for mutation in array(action, mutations)? {
        match decode_mutation(action, mutation)? {
            Mutation::Define(table) => {
                touch(&table);
                if !names.is_system(&table) {
                    tables.push(table);
                }
            }
            Mutation::Record(id, content) => {
                touch(&id.table);
                if *id.table == *version_table {
                    if let Some((record, version)) = versioned(&id, content.as_ref()) {
                        versions.insert(SameRecord::from(record), version);
                    }
                } else if *id.table == *probe_table {
                    if let Some(Value::Uuid(written)) = content.as_ref().and_then(|content| content.get("mark")) {
                        mark = Some(*written);
                    }
                } else if !names.is_system(&id.table) {
                    // Only the last state of a record counts.
                    let position = *positions.entry(SameRecord::from(id.clone())).or_insert(changes.len());
                    let change = Change { id, version: FIRST_VERSION, content };
                    if position == changes.len() {
                        changes.push(change);
                    } else {
                        changes[position] = change;
                    }
                }
            }
        }
    }
    for (id, position) in positions {
        if let Some(version) = versions.get(&id) {
            changes[position].version = *version;
        }
    }
    Ok(Decoded { versionstamp, changes, tables, mark, pairs: touched.len() })
}

enum Mutation {
    Record(RecordId, Option<Object>),
    Define(String),
}

fn decode_mutation(action: &'static str, mutation: sdk::Value) -> Result<Mutation> {
    let mut mutation = fields(action, mutation)?;
    if let Some(deleted) = mutation.remove("delete") {
        let mut deleted = fields(action, deleted)?;
        let id = deleted.remove("id").ok_or_else(|| Error::answer(action, "a deletion without an id"))?;
        return Ok(Mutation::Record(record_id(action, id)?, None));
    }
    // With INCLUDE ORIGINAL, `current` is the record and `update` is a difference.
    let content =
        mutation.remove("current").or_else(|| mutation.remove("update")).or_else(|| mutation.remove("create"));
    if let Some(content) = content {
        let content = object_from_sdk(fields(action, content)?).map_err(converting(action))?;
        let id = id_of(&content).ok_or_else(|| Error::answer(action, "a change without an id"))?;
        return Ok(Mutation::Record(id, Some(content)));
    }
    if let Some(definition) = mutation.remove("define_table") {
        return match fields(action, definition)?.remove("name") {
            Some(sdk::Value::String(name)) => Ok(Mutation::Define(name)),
            Some(sdk::Value::Table(name)) => Ok(Mutation::Define(name.into_string())),
            _ => Err(Error::answer(action, "a table definition without a name")),
        };
    }
    Err(Error::answer(action, "a change of an unknown kind"))
}

/// The record that a version row is about, and its version.
fn versioned(id: &RecordId, content: Option<&Object>) -> Option<(RecordId, u64)> {
    let Key::Array(items) = &id.key else { return None };
    let [Value::RecordId(record)] = &items[..] else { return None };
    let Some(Value::Int(version)) = content?.get("version") else { return None };
    Some(((**record).clone(), u64::try_from(*version).ok()?))
}

/// The `instance` of the probe's record.
pub(super) fn instance(action: &'static str, record: sdk::Value) -> Result<uuid::Uuid> {
    match fields(action, record)?.remove("instance") {
        Some(sdk::Value::Uuid(instance)) => Ok(instance.into_inner()),
        _ => Err(Error::answer(action, "a probe without an instance")),
    }
}

/// A datetime as milliseconds since the epoch.
pub(super) fn milliseconds(action: &'static str, moment: sdk::Value) -> Result<u64> {
    match moment {
        sdk::Value::Datetime(moment) => Ok(moment.timestamp_millis().max(0) as u64),
        _ => Err(Error::answer(action, "expected a datetime")),
    }
}

/// How far the changefeed of a table reaches back, out of `INFO FOR DB STRUCTURE`.
pub(super) fn retention(action: &'static str, info: sdk::Value, table: &str) -> Result<Duration> {
    let found = crate::apply::tables_of(action, info)?.into_iter().find(|(info, _)| info.name == table);
    let retention = found.and_then(|(_, retention)| retention);
    retention.ok_or_else(|| Error::Changefeed { reason: format!("the table {table} has none, install it first") })
}

fn fields(action: &'static str, value: sdk::Value) -> Result<sdk::Object> {
    match value {
        sdk::Value::Object(fields) => Ok(fields),
        _ => Err(Error::answer(action, "expected an object")),
    }
}
