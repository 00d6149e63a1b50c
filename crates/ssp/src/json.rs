//! Values of the circuit as JSON, for answers.

pub(crate) use database::json::{from_json, id_text, object_from_json, to_json};
