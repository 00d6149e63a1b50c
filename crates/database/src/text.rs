//! Values as SurrealQL writes them, for answers and logs.

use circuit::{RecordId, Value};
use surrealdb::types as sdk;
use surrealdb::types::ToSql;

use crate::convert::{record_id_to_sdk, to_sdk};

/// A record id as SurrealQL writes it: `user:1`, ``user:`a b` ``.
pub fn record_id(id: &RecordId) -> String {
    match record_id_to_sdk(id) {
        Ok(id) => id.to_sql(),
        // Not a record id that SurrealDB could store; the text still tells it apart.
        Err(_) => format!("{id:?}"),
    }
}

/// A value as SurrealQL converts it to a string: text, datetimes and uuids without quotes, the rest as SurrealQL writes
/// it.
pub fn raw(value: &Value) -> String {
    match to_sdk(value) {
        Ok(sdk::Value::String(text)) => text,
        Ok(sdk::Value::Datetime(moment)) => moment.to_string(),
        Ok(sdk::Value::Uuid(uuid)) => uuid.to_string(),
        Ok(value) => value.to_sql(),
        Err(_) => format!("{value:?}"),
    }
}
