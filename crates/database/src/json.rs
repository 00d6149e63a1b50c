//! Values of the circuit as JSON, and back.

use circuit::{RecordId, Value};
use serde_json::{Map, Number, Value as Json};

/// The JSON of a value. What JSON has no type for becomes SurrealQL's text of it: record ids, datetimes, durations,
/// decimals.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::None | Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(number) => Json::Number((*number).into()),
        // NaN and the infinities are no JSON numbers.
        Value::Float(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
        Value::String(text) => Json::String(text.to_string()),
        Value::Uuid(uuid) => Json::String(uuid.to_string()),
        Value::Array(items) | Value::Set(items) => items.iter().map(to_json).collect(),
        Value::Object(object) => Json::Object(to_map(object)),
        other => Json::String(crate::text::raw(other)),
    }
}

/// The fields of an object as JSON. A field that is `NONE` does not exist.
pub fn to_map(object: &circuit::Object) -> Map<String, Json> {
    let fields = object.iter().filter(|(_, value)| !matches!(value, Value::None));
    fields.map(|(name, value)| (name.to_string(), to_json(value))).collect()
}

/// A record id as SurrealQL writes it.
pub fn id_text(id: &RecordId) -> String {
    crate::text::record_id(id)
}

/// The value of some JSON: text stays text, whatever it looks like.
pub fn from_json(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(int), _) => Value::Int(int),
            (None, Some(float)) => Value::Float(float),
            (None, None) => Value::Null,
        },
        Json::String(text) => Value::String(text.into()),
        Json::Array(items) => items.into_iter().map(from_json).collect(),
        Json::Object(fields) => object_from_json(fields).into(),
    }
}

/// The object of some JSON.
pub fn object_from_json(fields: Map<String, Json>) -> circuit::Object {
    fields.into_iter().map(|(name, value)| (name.into(), from_json(value))).collect()
}
