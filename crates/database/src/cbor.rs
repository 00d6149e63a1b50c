//! Decodes what SurrealDB's `encoding::cbor::encode` writes: CBOR with a tag for each type that JSON does not have.
//!
//! The tags are those of SurrealDB's wire format. A regular expression is the one storable value that it can't encode.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use ciborium::Value as Cbor;
use circuit::{Datetime, File, Geometry, Key, Object, Range, RecordId, Value};
use rust_decimal::Decimal;
use uuid::Uuid;

const NONE: u64 = 6;
const TABLE: u64 = 7;
const RECORD_ID: u64 = 8;
const UUID_TEXT: u64 = 9;
const DECIMAL: u64 = 10;
const DATETIME: u64 = 12;
const DURATION: u64 = 14;
const UUID: u64 = 37;
const RANGE: u64 = 49;
const INCLUDED: u64 = 50;
const EXCLUDED: u64 = 51;
const FILE: u64 = 55;
const SET: u64 = 56;
const POINT: u64 = 88;
const LINE: u64 = 89;
const POLYGON: u64 = 90;
const MULTI_POINT: u64 = 91;
const MULTI_LINE: u64 = 92;
const MULTI_POLYGON: u64 = 93;
const COLLECTION: u64 = 94;

/// How deep values may be nested: as deep as SurrealDB itself reads them.
const DEPTH: usize = 100;

/// Bytes are no value in SurrealDB's CBOR.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CborError {
    #[error("invalid CBOR: {0}")]
    Syntax(String),
    #[error("unknown CBOR tag {0}")]
    Tag(u64),
    #[error("invalid CBOR, expected {0}")]
    Expected(&'static str),
}

/// Decodes a value. O(size); refuses what is nested too deep.
pub fn decode(bytes: &[u8]) -> Result<Value, CborError> {
    let parsed = ciborium::de::from_reader_with_recursion_limit(bytes, DEPTH);
    value(parsed.map_err(|error: ciborium::de::Error<std::io::Error>| CborError::Syntax(error.to_string()))?)
}

/// Decodes a value from base64, as `encoding::base64::encode` writes it: with or without padding.
pub fn decode_base64(text: &str) -> Result<Value, CborError> {
    let text = text.trim_end_matches('=');
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD.decode(text);
    decode(&bytes.map_err(|error| CborError::Syntax(error.to_string()))?)
}

fn value(cbor: Cbor) -> Result<Value, CborError> {
    Ok(match cbor {
        Cbor::Null => Value::Null,
        Cbor::Bool(flag) => Value::Bool(flag),
        Cbor::Integer(number) => {
            Value::Int(i64::try_from(number).map_err(|_| CborError::Expected("a number of 64 bits"))?)
        }
        Cbor::Float(number) => Value::Float(number),
        Cbor::Bytes(bytes) => Value::Bytes(bytes.into()),
        Cbor::Text(text) => Value::String(text.into()),
        Cbor::Array(items) => Value::Array(list(items)?),
        Cbor::Map(fields) => Value::Object(Arc::new(object(fields)?)),
        Cbor::Tag(tag, content) => tagged(tag, *content)?,
        _ => return Err(CborError::Expected("a value")),
    })
}

fn tagged(tag: u64, content: Cbor) -> Result<Value, CborError> {
    Ok(match tag {
        NONE => Value::None,
        TABLE => Value::Table(text(content)?.into()),
        RECORD_ID => Value::RecordId(Arc::new(record_id(content)?)),
        UUID | UUID_TEXT => Value::Uuid(uuid(tag, content)?),
        DECIMAL => {
            let text = text(content)?;
            let parsed = Decimal::from_str_exact(&text).or_else(|_| Decimal::from_scientific(&text));
            Value::Decimal(parsed.map_err(|_| CborError::Expected("a decimal"))?)
        }
        DATETIME => {
            let [seconds, nanos] = pair(content)?;
            Value::Datetime(Datetime { seconds: integer(seconds)?, nanos: integer(nanos)? })
        }
        DURATION => {
            let mut parts = array(content)?.into_iter();
            let seconds = parts.next().map_or(Ok(0), integer)?;
            let nanos: u32 = parts.next().map_or(Ok(0), integer)?;
            let sum = Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanos.into()));
            Value::Duration(sum.ok_or(CborError::Expected("a duration"))?)
        }
        RANGE => {
            let [start, end] = pair(content)?;
            Value::Range(Arc::new(Range { start: bound(start)?, end: bound(end)? }))
        }
        FILE => {
            let [bucket, key] = pair(content)?;
            Value::File(Arc::new(File { bucket: text(bucket)?.into(), key: text(key)?.into() }))
        }
        SET => Value::set(list(array(content)?)?.iter().cloned()),
        POINT..=COLLECTION => Value::Geometry(Arc::new(geometry(tag, content)?)),
        other => return Err(CborError::Tag(other)),
    })
}

fn record_id(content: Cbor) -> Result<RecordId, CborError> {
    let [table, key] = pair(content)?;
    let key = match key {
        Cbor::Integer(_) => Key::Int(integer(key)?),
        Cbor::Text(text) => Key::String(text.into()),
        Cbor::Array(items) => Key::Array(list(items)?),
        Cbor::Map(fields) => Key::Object(Arc::new(object(fields)?)),
        Cbor::Tag(tag @ (UUID | UUID_TEXT), content) => Key::Uuid(uuid(tag, *content)?),
        Cbor::Tag(RANGE, content) => {
            let [start, end] = pair(*content)?;
            Key::Range(Arc::new(Range { start: bound(start)?, end: bound(end)? }))
        }
        _ => return Err(CborError::Expected("the key of a record")),
    };
    Ok(RecordId { table: text(table)?.into(), key })
}

fn geometry(tag: u64, content: Cbor) -> Result<Geometry, CborError> {
    Ok(match tag {
        POINT => Geometry::Point(point(content)?),
        LINE => Geometry::Line(points(content)?),
        POLYGON => Geometry::Polygon(lines(content)?),
        MULTI_POINT => Geometry::MultiPoint(points(content)?),
        MULTI_LINE => Geometry::MultiLine(lines(content)?),
        MULTI_POLYGON => {
            let polygons = array(content)?.into_iter().map(|polygon| lines(untag(POLYGON, polygon)?));
            Geometry::MultiPolygon(polygons.collect::<Result<_, _>>()?)
        }
        _ => {
            let parts = array(content)?.into_iter().map(|part| match part {
                Cbor::Tag(tag @ POINT..=COLLECTION, content) => geometry(tag, *content),
                _ => Err(CborError::Expected("a geometry")),
            });
            Geometry::Collection(parts.collect::<Result<_, _>>()?)
        }
    })
}

fn lines(content: Cbor) -> Result<Vec<Vec<[f64; 2]>>, CborError> {
    array(content)?.into_iter().map(|line| points(untag(LINE, line)?)).collect()
}

fn points(content: Cbor) -> Result<Vec<[f64; 2]>, CborError> {
    array(content)?.into_iter().map(|at| point(untag(POINT, at)?)).collect()
}

fn point(content: Cbor) -> Result<[f64; 2], CborError> {
    let [x, y] = pair(content)?;
    match (x.as_float(), y.as_float()) {
        (Some(x), Some(y)) => Ok([x, y]),
        _ => Err(CborError::Expected("two coordinates")),
    }
}

fn untag(expected: u64, cbor: Cbor) -> Result<Cbor, CborError> {
    match cbor {
        Cbor::Tag(tag, content) if tag == expected => Ok(*content),
        _ => Err(CborError::Expected("another part of a geometry")),
    }
}

fn bound(cbor: Cbor) -> Result<Bound<Value>, CborError> {
    Ok(match cbor {
        Cbor::Null => Bound::Unbounded,
        Cbor::Tag(INCLUDED, content) => Bound::Included(value(*content)?),
        Cbor::Tag(EXCLUDED, content) => Bound::Excluded(value(*content)?),
        _ => return Err(CborError::Expected("a bound")),
    })
}

fn uuid(tag: u64, content: Cbor) -> Result<Uuid, CborError> {
    let parsed = match (tag, &content) {
        (UUID, Cbor::Bytes(bytes)) => Uuid::from_slice(bytes).ok(),
        (UUID_TEXT, Cbor::Text(text)) => Uuid::parse_str(text).ok(),
        _ => None,
    };
    parsed.ok_or(CborError::Expected("a uuid"))
}

fn object(fields: Vec<(Cbor, Cbor)>) -> Result<Object, CborError> {
    fields.into_iter().map(|(name, field)| Ok((Arc::from(text(name)?), value(field)?))).collect()
}

fn list(items: Vec<Cbor>) -> Result<Arc<[Value]>, CborError> {
    items.into_iter().map(value).collect()
}

fn pair(cbor: Cbor) -> Result<[Cbor; 2], CborError> {
    <[Cbor; 2]>::try_from(array(cbor)?).map_err(|_| CborError::Expected("an array of two"))
}

fn array(cbor: Cbor) -> Result<Vec<Cbor>, CborError> {
    cbor.into_array().map_err(|_| CborError::Expected("an array"))
}

fn text(cbor: Cbor) -> Result<String, CborError> {
    cbor.into_text().map_err(|_| CborError::Expected("text"))
}

fn integer<T: TryFrom<ciborium::value::Integer>>(cbor: Cbor) -> Result<T, CborError> {
    let number = cbor.into_integer().map_err(|_| CborError::Expected("an integer"))?;
    T::try_from(number).map_err(|_| CborError::Expected("a smaller integer"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_is_no_value() {
        for bytes in [&[][..], &[0xff], &[0xd8, 0x63, 0x00], &[0xc8, 0x80], &[0xd8, 0x58, 0x82, 0x01, 0x02]] {
            assert!(decode(bytes).is_err(), "{bytes:x?}");
        }
    }

    #[test]
    fn refuses_what_is_nested_too_deep() {
        let bytes = vec![0x81; 100_000];
        assert!(decode(&bytes).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
