//! What a replica says of itself: one record, which is written in the transactions that write its rows.

use std::collections::BTreeMap;

use cluster::{Known, Reading};
use protocol::{ContentHash, TableContent};
use surrealdb::types as sdk;
use uuid::Uuid;

use crate::convert::{record_id_from_sdk, record_id_to_sdk};
use crate::error::{Error, Result};
use crate::pages::converting;
use crate::replica::ACTION;

/// The state of a replica.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// Which log its events are of.
    pub(super) log: Uuid,
    /// The number of the last event that it has taken in.
    pub(super) position: u64,
    /// Counts transactions, so that one that was believed to be lost does not follow another one.
    pub(super) revision: u64,
    /// Whether a part of the next event has been taken in.
    pub(super) is_partial: bool,
    pub(super) known: Known,
    pub(super) tables: BTreeMap<String, Table>,
}

/// What is known of a table of the replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) content: TableContent,
    /// Whether there is a table of this name now.
    pub(super) is_there: bool,
    /// Tells the versions of its records from those of a table that had the name before.
    pub(super) era: u64,
    /// Whether there may be versions of records that are gone.
    pub(super) has_gone: bool,
    /// Whether it has had graph edges. Those are to be looked at twice before they are changed.
    pub(super) has_edges: bool,
    /// Whether some of them may not lead anywhere.
    pub(super) has_unhooked: bool,
}

/// The names of the flags of a table.
const FLAGS: [&str; 4] = ["is_there", "has_gone", "has_edges", "has_unhooked"];

impl State {
    /// A table that there is now.
    pub(super) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name).filter(|table| table.is_there)
    }

    pub(super) fn new(log: Uuid) -> State {
        let known = Known::default();
        State { log, position: 0, revision: 0, is_partial: false, known, tables: BTreeMap::new() }
    }

    pub(super) fn to_sdk(&self) -> Result<sdk::Object> {
        let mut state = sdk::Object::new();
        state.insert("log", sdk::Uuid::from(self.log));
        state.insert("position", self.position.cast_signed());
        state.insert("revision", self.revision.cast_signed());
        state.insert("is_partial", self.is_partial);
        state.insert("known", known_to_sdk(&self.known)?);
        let tables = self.tables.iter().map(|(name, table)| {
            let mut entry = sdk::Object::new();
            entry.insert("rows", table.content.rows.cast_signed());
            entry.insert("hash", table.content.hash.to_string());
            entry.insert("era", table.era.cast_signed());
            let flags = [table.is_there, table.has_gone, table.has_edges, table.has_unhooked];
            for (name, flag) in FLAGS.into_iter().zip(flags) {
                entry.insert(name, flag);
            }
            (name.clone(), sdk::Value::Object(entry))
        });
        state.insert("tables", tables.collect::<sdk::Object>());
        Ok(state)
    }

    pub(super) fn from_sdk(state: sdk::Object) -> Result<State> {
        let mut state = Fields(state);
        let mut tables = BTreeMap::new();
        for (name, entry) in state.object("tables")? {
            let mut entry = Fields::of(entry)?;
            let hash: ContentHash = entry.text("hash")?.parse().map_err(|_| unexpected("hash"))?;
            let content = TableContent { rows: entry.number("rows")?, hash };
            let era = entry.number("era")?;
            let [is_there, has_gone, has_edges, has_unhooked] = FLAGS.map(|name| entry.flag(name));
            let (is_there, has_gone, has_edges, has_unhooked) = (is_there?, has_gone?, has_edges?, has_unhooked?);
            tables.insert(name, Table { content, is_there, era, has_gone, has_edges, has_unhooked });
        }
        Ok(State {
            log: state.uuid("log")?.ok_or_else(|| unexpected("log"))?,
            position: state.number("position")?,
            revision: state.number("revision")?,
            is_partial: state.flag("is_partial")?,
            known: known_from_sdk(state.object("known")?)?,
            tables,
        })
    }
}

fn known_to_sdk(known: &Known) -> Result<sdk::Object> {
    let numbers = |tables: &BTreeMap<String, u64>| {
        tables.iter().map(|(name, id)| (name.clone(), id.cast_signed())).collect::<sdk::Object>()
    };
    let mut object = sdk::Object::new();
    if let Some(instance) = known.instance {
        object.insert("instance", sdk::Uuid::from(instance));
    }
    object.insert("cursor", known.cursor.cast_signed());
    object.insert("is_whole", known.is_whole);
    object.insert("tables", numbers(&known.tables));
    object.insert("doubtful", numbers(&known.doubtful));
    if let Some(Reading { table, id, last }) = &known.reading {
        let mut reading = sdk::Object::new();
        reading.insert("table", table.clone());
        reading.insert("id", id.cast_signed());
        reading.insert("last", record_id_to_sdk(last).map_err(converting(ACTION))?);
        object.insert("reading", reading);
    }
    Ok(object)
}

fn known_from_sdk(known: sdk::Object) -> Result<Known> {
    let mut known = Fields(known);
    let reading = match known.0.remove("reading") {
        None => None,
        Some(reading) => {
            let mut reading = Fields::of(reading)?;
            let Some(sdk::Value::RecordId(last)) = reading.0.remove("last") else { return Err(unexpected("last")) };
            let last = record_id_from_sdk(last).map_err(converting(ACTION))?;
            Some(Reading { table: reading.text("table")?, id: reading.number("id")?, last })
        }
    };
    Ok(Known {
        instance: known.uuid("instance")?,
        cursor: known.number("cursor")?,
        is_whole: known.flag("is_whole")?,
        tables: known.numbers("tables")?,
        doubtful: known.numbers("doubtful")?,
        reading,
        recent: BTreeMap::new(),
    })
}

/// The fields of an object, which must be there.
struct Fields(sdk::Object);

impl Fields {
    fn of(value: sdk::Value) -> Result<Fields> {
        match value {
            sdk::Value::Object(object) => Ok(Fields(object)),
            _ => Err(unexpected("object")),
        }
    }

    fn object(&mut self, name: &'static str) -> Result<sdk::Object> {
        match self.0.remove(name) {
            Some(sdk::Value::Object(object)) => Ok(object),
            _ => Err(unexpected(name)),
        }
    }

    fn number(&mut self, name: &'static str) -> Result<u64> {
        match self.0.remove(name) {
            Some(sdk::Value::Number(sdk::Number::Int(number))) => Ok(number.cast_unsigned()),
            _ => Err(unexpected(name)),
        }
    }

    fn numbers(&mut self, name: &'static str) -> Result<BTreeMap<String, u64>> {
        let numbers = self.object(name)?.into_iter().map(|(table, id)| match id {
            sdk::Value::Number(sdk::Number::Int(id)) => Ok((table, id.cast_unsigned())),
            _ => Err(unexpected(name)),
        });
        numbers.collect()
    }

    fn flag(&mut self, name: &'static str) -> Result<bool> {
        match self.0.remove(name) {
            Some(sdk::Value::Bool(flag)) => Ok(flag),
            _ => Err(unexpected(name)),
        }
    }

    fn text(&mut self, name: &'static str) -> Result<String> {
        match self.0.remove(name) {
            Some(sdk::Value::String(text)) => Ok(text),
            _ => Err(unexpected(name)),
        }
    }

    /// Nothing if there is no such field.
    fn uuid(&mut self, name: &'static str) -> Result<Option<Uuid>> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(sdk::Value::Uuid(uuid)) => Ok(Some(uuid.into_inner())),
            Some(_) => Err(unexpected(name)),
        }
    }
}

fn unexpected(field: &'static str) -> Error {
    Error::answer(ACTION, format!("the state of the replica has no {field} as expected"))
}

#[cfg(test)]
mod tests {
    use circuit::{Key, RecordId, Value};

    use super::*;

    #[test]
    fn a_state_comes_back() {
        let last = RecordId::new("b", Key::Array([Value::from(1), Value::from("x")].into()));
        let known = Known {
            instance: Some(Uuid::from_u128(3)),
            cursor: u64::MAX - 7,
            is_whole: true,
            tables: [("a`; c".to_owned(), u64::MAX)].into(),
            doubtful: [("b".to_owned(), 0)].into(),
            reading: Some(Reading { table: "b".to_owned(), id: 9, last }),
            recent: BTreeMap::new(),
        };
        let content = TableContent { rows: 12, hash: u128::MAX.into() };
        let table = Table { content, era: 4, has_edges: true, ..Table::default() };
        let tables = [("a`; c".to_owned(), table), ("b".to_owned(), Table { is_there: true, ..Table::default() })];
        let whole =
            State { is_partial: true, position: 1 << 60, known, tables: tables.into(), ..State::new(Uuid::max()) };
        for state in [whole, State::new(Uuid::nil())] {
            let back = State::from_sdk(state.to_sdk().unwrap()).unwrap();
            assert_eq!(format!("{back:?}"), format!("{state:?}"));
        }
        assert!(State::from_sdk(sdk::Object::new()).is_err());
    }
}
