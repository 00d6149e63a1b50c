//! What is pushed: the body of `POST /ingest`, as a sidecar and a scheduler take it.
//!
//! Nothing of it is believed here, or refused because of what a service knows: only what can't be meant is.

use circuit::{Key, Object, RecordId, Value};
use database::{cbor, json};
use protocol::{ErrorCode, IngestRequest, Names, Operation};
use serving::Failure;

/// A change that may or may not be committed.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The record.
    pub id: RecordId,
    /// The version that it will have, where the sender knows it.
    pub version: Option<u64>,
    /// The whole record after the change; `None` if it is deleted.
    pub content: Option<Object>,
}

impl Pushed {
    /// Reads a body. O(size).
    ///
    /// # Errors
    /// `INVALID_REQUEST`, with the part that makes no sense, and for records of Sp00ky's own tables.
    pub fn read(names: &Names, request: IngestRequest) -> Result<Pushed, Failure> {
        if names.is_system(&request.table) {
            return Err(invalid(format!("the table {} belongs to Sp00ky itself", request.table)));
        }
        let id = record_id(&request.table, &request.id)?;
        let record = match &request.content {
            Some(content) => typed_record(content)?,
            None => json::object_from_json(request.record),
        };
        let version_field = names.version_field();
        let version = match record.get(&version_field) {
            None | Some(Value::None | Value::Null) => None,
            Some(Value::Int(version)) if *version > 0 => Some(version.unsigned_abs()),
            Some(_) => {
                return Err(invalid(format!("the field `{version_field}` of the record must be a positive integer")));
            }
        };
        let content = match request.op {
            Operation::Delete => None,
            Operation::Create | Operation::Update => Some(content(&id, &record, &version_field)),
        };
        Ok(Pushed { id, version, content })
    }
}

fn invalid(message: String) -> Failure {
    Failure::new(ErrorCode::InvalidRequest, message)
}

/// The record with all its types: CBOR in base64.
fn typed_record(content: &str) -> Result<Object, Failure> {
    let invalid = |reason: String| invalid(format!("invalid field `content`: {reason}"));
    match cbor::decode_base64(content).map_err(|error| invalid(error.to_string()))? {
        Value::Object(object) => Ok((*object).clone()),
        _ => Err(invalid("it is no object".to_owned())),
    }
}

/// The record as it is stored: with its id and without its version.
fn content(id: &RecordId, record: &Object, version_field: &str) -> Object {
    let fields = record.iter().filter(|(name, _)| ***name != *version_field && &***name != "id");
    let fields = fields.map(|(name, value)| (name.clone(), value.clone()));
    fields.chain([("id".into(), Value::from(id.clone()))]).collect()
}

/// The id of a record: `user:123`, or the key alone.
fn record_id(table: &str, text: &str) -> Result<RecordId, Failure> {
    match query::parse_record_id(text) {
        Ok(RecordId { key: Key::Range(_), .. }) => Err(invalid(format!("the id `{text}` is a range of records"))),
        Ok(id) if *id.table == *table => Ok(id),
        Ok(id) => Err(invalid(format!("the id `{text}` is of table {}, not of {table}", id.table))),
        Err(_) if !text.is_empty() && !text.contains(':') => Ok(RecordId::new(table, Key::String(text.into()))),
        Err(error) => Err(invalid(format!("invalid field `id`: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: serde_json::Value) -> Result<Pushed, Failure> {
        Pushed::read(&Names::default(), serde_json::from_value(body).unwrap())
    }

    #[test]
    fn a_body_is_a_record_with_its_version() {
        let record = json!({ "id": "thread:9", "n": 1, "_00_rv": 4 });
        let pushed = read(json!({ "table": "thread", "op": "UPDATE", "id": "thread:1", "record": record })).unwrap();
        assert!(pushed.id.is_same_record(&RecordId::new("thread", Key::Int(1))));
        assert_eq!(pushed.version, Some(4));
        let content = pushed.content.unwrap();
        assert_eq!(content.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["id", "n"]);
        assert_eq!(format!("{:?}", content.get("id")), format!("{:?}", Some(Value::from(pushed.id))));
        let gone = read(json!({ "table": "thread", "op": "DELETE", "id": "one", "record": null })).unwrap();
        assert!(gone.id.is_same_record(&RecordId::new("thread", Key::String("one".into()))));
        assert!(gone.version.is_none() && gone.content.is_none());
    }

    #[test]
    fn what_can_not_be_meant_is_refused() {
        let body = |table: &str, id: &str| json!({ "table": table, "op": "CREATE", "id": id, "record": {} });
        for (table, id) in [
            ("_00_query", "_00_query:1"),
            ("thread", "user:1"),
            ("thread", "thread:1..4"),
            ("thread", ""),
            ("thread", "a:"),
        ] {
            let failure = read(body(table, id)).unwrap_err();
            assert_eq!(failure.code(), ErrorCode::InvalidRequest, "{table} {id}");
        }
        let versions = [json!(0), json!(-1), json!("1")];
        for version in versions {
            let record = json!({ "_00_rv": version });
            read(json!({ "table": "thread", "op": "CREATE", "id": "thread:1", "record": record })).unwrap_err();
        }
        read(json!({ "table": "thread", "op": "CREATE", "id": "thread:1", "content": "!" })).unwrap_err();
    }
}
