//! Events from outside: from what another system says of a record to a [`Change`].

use std::str::FromStr;

use crate::store::table::Change;
use crate::value::{Key, Object, RecordId, Value};

/// What another system says that has happened to a record.
#[derive(Clone, Debug)]
pub struct ExternalEvent<'a> {
    /// `CREATE`, `UPDATE` or `DELETE`, in any case.
    pub op: &'a str,
    pub table: &'a str,
    /// The record: its id, as a value or as text (`user:123`, `user:alice`), or its key alone. Text with a key that
    /// SurrealQL would have to quote is not understood; an id or a key as a value always is.
    pub id: Value,
    /// The whole record after the event, with or without its `id`. Ignored for a deletion.
    pub content: Option<Value>,
    /// The version of the record, counted from 1, where the sender knows it. Without one the order of events decides,
    /// and the row has version 0.
    pub version: Option<u64>,
}

/// What happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    Create,
    Update,
    Delete,
}

/// Why an event is no change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    #[error("invalid field `op`: `{found}` is none of create, update and delete")]
    UnknownOperation { found: String },
    #[error("invalid field `table`: it is empty")]
    EmptyTable,
    #[error("invalid field `id`: {reason}")]
    InvalidId { reason: &'static str },
    #[error("invalid field `id`: it is of table {found}, not of {table}")]
    OtherTable { found: String, table: String },
    #[error("missing field `content`: a record that is created or updated has one")]
    MissingContent,
    #[error("invalid field `content`: it is no object")]
    NoObject,
    #[error("invalid field `content.id`: it names another record than the field `id`")]
    OtherRecord,
    #[error("invalid field `version`: versions count from 1")]
    InvalidVersion,
}

impl ExternalEvent<'_> {
    /// The change that this event means. O(size of the content).
    ///
    /// A creation and an update are the same change: the circuit knows whether it has the record.
    ///
    /// # Errors
    /// If a field is missing, is not what it should be, or contradicts another; the message names it.
    pub fn into_change(self) -> Result<Change, EventError> {
        let operation: Operation = self.op.parse()?;
        if self.table.is_empty() {
            return Err(EventError::EmptyTable);
        }
        if self.version == Some(0) {
            return Err(EventError::InvalidVersion);
        }
        let id = record_id(self.table, &self.id)?;
        let content = match operation {
            Operation::Delete => None,
            Operation::Create | Operation::Update => Some(content(&id, self.content)?),
        };
        Ok(Change { id, version: self.version.unwrap_or(0), content })
    }
}

impl FromStr for Operation {
    type Err = EventError;

    fn from_str(text: &str) -> Result<Self, EventError> {
        for (name, operation) in
            [("create", Operation::Create), ("update", Operation::Update), ("delete", Operation::Delete)]
        {
            if text.eq_ignore_ascii_case(name) {
                return Ok(operation);
            }
        }
        Err(EventError::UnknownOperation { found: text.to_owned() })
    }
}

/// The record as it is stored: with its id, which is checked where the sender gives it too.
fn content(id: &RecordId, content: Option<Value>) -> Result<Object, EventError> {
    let object = match content {
        None | Some(Value::None | Value::Null) => return Err(EventError::MissingContent),
        Some(Value::Object(object)) => object,
        Some(_) => return Err(EventError::NoObject),
    };
    match object.get("id") {
        None | Some(Value::None) => {}
        Some(Value::RecordId(own)) if own.is_same_record(id) => return Ok((*object).clone()),
        Some(own) => match record_id(&id.table, own) {
            Ok(own) if own.is_same_record(id) => {}
            _ => return Err(EventError::OtherRecord),
        },
    }
    let fields = object.iter().map(|(name, value)| (name.clone(), value.clone()));
    Ok(fields.chain([("id".into(), Value::from(id.clone()))]).collect())
}

fn record_id(table: &str, id: &Value) -> Result<RecordId, EventError> {
    let key = match id {
        Value::RecordId(id) if *id.table == *table => return Ok((**id).clone()),
        Value::RecordId(id) => return Err(other_table(&id.table, table)),
        Value::String(text) => return id_from_text(table, text),
        Value::Int(number) => Key::Int(*number),
        Value::Uuid(uuid) => Key::Uuid(*uuid),
        Value::Array(items) => Key::Array(items.clone()),
        Value::Object(object) => Key::Object(object.clone()),
        Value::None | Value::Null => return Err(EventError::InvalidId { reason: "it is missing" }),
        _ => return Err(EventError::InvalidId { reason: "a value of this type is no key of a record" }),
    };
    Ok(RecordId::new(table, key))
}

/// Reads `table:key`, or a key alone.
fn id_from_text(table: &str, text: &str) -> Result<RecordId, EventError> {
    if text.is_empty() {
        return Err(EventError::InvalidId { reason: "it is empty" });
    }
    let key = match text.split_once(':') {
        None => Key::String(text.into()),
        Some((found, _)) if found != table && is_word(found) => return Err(other_table(found, table)),
        Some((found, key)) if found == table => match plain_key(key) {
            Some(key) => key,
            None => return Err(EventError::InvalidId { reason: "the key of this text needs SurrealQL to be read" }),
        },
        Some(_) => return Err(EventError::InvalidId { reason: "this text needs SurrealQL to be read" }),
    };
    Ok(RecordId::new(table, key))
}

/// A key as SurrealQL reads it without quotes: an integer, or a word.
fn plain_key(text: &str) -> Option<Key> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        // What exceeds an integer is a string to SurrealQL.
        return Some(text.parse().map_or_else(|_| Key::String(text.into()), Key::Int));
    }
    // These two are numbers to SurrealQL, and no keys.
    let is_number = matches!(text, "NaN" | "Infinity");
    (is_word(text) && !is_number).then(|| Key::String(text.into()))
}

/// Whether the text is a letter or `_`, followed by letters, digits and `_`.
fn is_word(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.bytes().all(is_part) && text.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

fn other_table(found: &str, table: &str) -> EventError {
    EventError::OtherTable { found: found.to_owned(), table: table.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
        Value::from(fields.into_iter().map(|(name, value)| (name.into(), value)).collect::<Object>())
    }

    fn event(op: &str, id: impl Into<Value>) -> ExternalEvent<'_> {
        ExternalEvent {
            op,
            table: "user",
            id: id.into(),
            content: Some(object([("name", "Ada".into())])),
            version: None,
        }
    }

    fn alice() -> RecordId {
        RecordId::new("user", Key::String("alice".into()))
    }

    #[test]
    fn an_operation_may_be_spelled_in_any_case() {
        for (op, is_there) in [("CREATE", true), ("Update", true), ("delete", false), ("UPDATE", true)] {
            let change = event(op, "user:alice").into_change().unwrap();
            assert!(change.id.is_same_record(&alice()));
            assert_eq!(change.content.is_some(), is_there, "{op}");
            assert_eq!(change.version, 0);
        }
    }

    /// An id has many spellings; what is stored has one.
    #[test]
    fn the_content_gets_the_id_of_the_record() {
        for own in [None, Some(Value::None), Some("alice".into()), Some("user:alice".into()), Some(alice().into())] {
            let fields = [("name".into(), Value::from("Ada"))].into_iter();
            let content: Object = fields.chain(own.map(|own| ("id".into(), own))).collect();
            let event = ExternalEvent { content: Some(content.into()), version: Some(3), ..event("create", alice()) };
            let change = event.into_change().unwrap();
            assert_eq!(change.version, 3);
            let content = change.content.unwrap();
            assert!(matches!(content.get("id"), Some(Value::RecordId(id)) if id.is_same_record(&alice())));
            assert_eq!((content.len(), content.get("name")), (2, Some(&"Ada".into())));
        }
    }

    #[test]
    fn keys_of_every_type_are_understood() {
        let uuid = uuid::Uuid::from_u128(7);
        let fields: Object = [("a".into(), Value::Int(1))].into_iter().collect();
        for (id, key) in [
            (Value::Int(7), Key::Int(7)),
            ("user:7".into(), Key::Int(7)),
            ("user:007".into(), Key::Int(7)),
            ("user:-7".into(), Key::Int(-7)),
            ("user:9223372036854775808".into(), Key::String("9223372036854775808".into())),
            ("7".into(), Key::String("7".into())),
            ("user:_a1".into(), Key::String("_a1".into())),
            ("a b".into(), Key::String("a b".into())),
            (Value::Uuid(uuid), Key::Uuid(uuid)),
            ([Value::Int(1), "a".into()].into_iter().collect(), Key::Array([Value::Int(1), "a".into()].into())),
            (Value::from(fields.clone()), Key::Object(fields.into())),
        ] {
            let change = event("create", id.clone()).into_change().unwrap();
            assert!(change.id.key.is_identical(&key), "{id:?}: {:?}", change.id);
        }
    }

    /// Catches an event that is misread instead of refused, and a message that leaves open what is wrong.
    #[test]
    fn what_is_wrong_is_named() {
        let thread = || RecordId::new("thread", Key::Int(1));
        let with = |content| ExternalEvent { content, ..event("UPDATE", "alice") };
        let text_id = |text: &str| event("create", text).into_change().map(|change| change.id).unwrap_err().to_string();
        for (event, message) in [
            (event("upsert", "alice"), "invalid field `op`: `upsert` is none of create, update and delete"),
            (ExternalEvent { table: "", ..event("create", "alice") }, "invalid field `table`: it is empty"),
            (event("delete", thread()), "invalid field `id`: it is of table thread, not of user"),
            (event("delete", "thread:1"), "invalid field `id`: it is of table thread, not of user"),
            (event("delete", 1.5), "invalid field `id`: a value of this type is no key of a record"),
            (event("delete", Value::Null), "invalid field `id`: it is missing"),
            (event("delete", ""), "invalid field `id`: it is empty"),
            (with(None), "missing field `content`: a record that is created or updated has one"),
            (with(Some(Value::Null)), "missing field `content`: a record that is created or updated has one"),
            (with(Some("Ada".into())), "invalid field `content`: it is no object"),
            (
                with(Some(object([("id", "bob".into())]))),
                "invalid field `content.id`: it names another record than the field `id`",
            ),
            (
                with(Some(object([("id", thread().into())]))),
                "invalid field `content.id`: it names another record than the field `id`",
            ),
            (ExternalEvent { version: Some(0), ..with(None) }, "invalid field `version`: versions count from 1"),
        ] {
            assert_eq!(event.into_change().unwrap_err().to_string(), message);
        }
        for text in ["user:", "user:a b", "user:⟨a b⟩", "user:[1]", "user:1a", "user:-", "user:a:b", "user:NaN"] {
            assert_eq!(text_id(text), "invalid field `id`: the key of this text needs SurrealQL to be read", "{text}");
        }
        for text in ["`user`:a", ":a", "12:30"] {
            assert_eq!(text_id(text), "invalid field `id`: this text needs SurrealQL to be read", "{text}");
        }
    }
}
