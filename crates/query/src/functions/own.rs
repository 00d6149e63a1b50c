//! Functions that SurrealDB does not count among its pure ones, although they answer from their arguments alone.

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD, STANDARD_NO_PAD};
use base64::engine::{DecodePaddingMode, Engine};
use circuit::Failure;
use serde_json::Value as Json;
use surrealdb_expr::expr::Operation;
use surrealdb_expr::val::{Array, Bytes, RecordId, Set, Value as Surreal, convert_value_to_public_value};
use surrealdb_runtime::args::{Any, Optional};

use super::native::{Native, any_arity, arity_of, call, failure};
use crate::convert::to_surreal;

type Answer = Result<Surreal, Failure>;

macro_rules! own {
    ($($name:literal = $function:path),* $(,)?) => {
        &[$(Native {
            name: $name,
            arity: || arity_of($function),
            function: |arguments| call($name, arguments, $function),
        }),*]
    };
}

pub(super) const OWN: &[Native] = own![
    "array::all" = array_all,
    "array::any" = array_any,
    "array::every" = array_all,
    "array::filter" = array_filter,
    "array::filter_index" = array_filter_index,
    "array::find" = array_find,
    "array::find_index" = array_find_index,
    "array::includes" = array_any,
    "array::index_of" = array_find_index,
    "array::some" = array_any,
    "encoding::base64::decode" = base64_decode,
    "encoding::base64::encode" = base64_encode,
    "encoding::json::decode" = json_decode,
    "encoding::json::encode" = json_encode,
    "meta::id" = record_key,
    "meta::tb" = record_table,
    "record::id" = record_key,
    "record::tb" = record_table,
    "record::table" = record_table,
    "set::all" = set_all,
    "set::any" = set_any,
    "set::filter" = set_filter,
    "set::find" = set_find,
    "value::diff" = diff,
    "value::patch" = patch,
];

/// Functions that check the number of their arguments themselves.
pub(super) const VARIADIC: &[Native] = &[
    Native {
        name: "string::concat",
        arity: any_arity,
        function: |arguments| surrealdb_runtime::string::concat(Any(arguments)).map_err(failure),
    },
    Native {
        name: "string::join",
        arity: any_arity,
        function: |arguments| surrealdb_runtime::string::join(Any(arguments)).map_err(failure),
    },
];

// The functions of lists take a closure or a value. Here they are called with a value.

fn array_all((items, Optional(check)): (Array, Optional<Surreal>)) -> Answer {
    Ok(Surreal::Bool(items.iter().all(|item| is_meant(item, check.as_ref()))))
}

fn array_any((items, Optional(check)): (Array, Optional<Surreal>)) -> Answer {
    Ok(Surreal::Bool(items.iter().any(|item| is_meant(item, check.as_ref()))))
}

fn array_filter((items, check): (Array, Surreal)) -> Answer {
    Ok(Surreal::Array(items.into_iter().filter(|item| *item == check).collect()))
}

fn array_filter_index((items, check): (Array, Surreal)) -> Answer {
    let positions = items.iter().enumerate().filter(|(_, item)| **item == check);
    Ok(Surreal::Array(positions.map(|(position, _)| Surreal::from(position)).collect()))
}

fn array_find((items, check): (Array, Surreal)) -> Answer {
    Ok(items.into_iter().find(|item| *item == check).unwrap_or_default())
}

fn array_find_index((items, check): (Array, Surreal)) -> Answer {
    Ok(items.iter().position(|item| *item == check).map(Surreal::from).unwrap_or_default())
}

fn set_all((items, Optional(check)): (Set, Optional<Surreal>)) -> Answer {
    Ok(Surreal::Bool(items.iter().all(|item| is_meant(item, check.as_ref()))))
}

fn set_any((items, Optional(check)): (Set, Optional<Surreal>)) -> Answer {
    let any = match &check {
        Some(check) => items.contains(check),
        None => items.iter().any(Surreal::is_truthy),
    };
    Ok(Surreal::Bool(any))
}

fn set_filter((items, check): (Set, Surreal)) -> Answer {
    Ok(Surreal::Set(items.into_iter().filter(|item| *item == check).collect()))
}

fn set_find((items, check): (Set, Surreal)) -> Answer {
    Ok(items.into_iter().find(|item| *item == check).unwrap_or_default())
}

fn is_meant(item: &Surreal, check: Option<&Surreal>) -> bool {
    check.map_or_else(|| item.is_truthy(), |check| item == check)
}

fn record_key((id,): (RecordId,)) -> Answer {
    Ok(id.key.into_value())
}

fn record_table((id,): (RecordId,)) -> Answer {
    Ok(Surreal::String(id.table.as_str().into()))
}

fn diff((before, after): (Surreal, Surreal)) -> Answer {
    Ok(Operation::operations_to_value(before.diff(&after)))
}

fn patch((mut value, operations): (Surreal, Surreal)) -> Answer {
    value.patch(operations).map_err(failure)?;
    Ok(value)
}

fn base64_encode((bytes, Optional(is_padded)): (Bytes, Optional<bool>)) -> Answer {
    let engine = if is_padded.unwrap_or_default() { STANDARD } else { STANDARD_NO_PAD };
    Ok(Surreal::from(engine.encode(bytes.0.as_ref())))
}

fn base64_decode((text,): (String,)) -> Answer {
    const EITHER: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    EITHER.decode(text).map(|bytes| Surreal::Bytes(Bytes::from(bytes))).map_err(failure)
}

fn json_encode((value,): (Surreal,)) -> Answer {
    let value = convert_value_to_public_value(value).map_err(failure)?;
    Ok(Surreal::from(value.into_json_value().to_string()))
}

fn json_decode((text,): (String,)) -> Answer {
    let json: Json = serde_json::from_str(&text).map_err(failure)?;
    to_surreal(&from_json(json)).map_err(failure)
}

/// The value that a JSON text stands for. Integers beyond 64 bits are decimals.
fn from_json(json: Json) -> circuit::Value {
    use circuit::Value;
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => Value::Int(number),
            (None, Some(number), _) => Value::Decimal(number.into()),
            (None, None, Some(number)) => Value::Float(number),
            (None, None, None) => Value::Null,
        },
        Json::String(text) => Value::String(text.into()),
        Json::Array(items) => items.into_iter().map(from_json).collect(),
        Json::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name.into(), from_json(value)));
            Value::from(fields.collect::<circuit::Object>())
        }
    }
}
