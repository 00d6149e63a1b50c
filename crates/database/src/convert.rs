//! SurrealDB's values to the engine's values, and back, without loss.
//!
//! What has no counterpart is an error: a range of record ids that ends with something else than a key, a moment outside the
//! years that SurrealDB can hold, a text that is no regular expression, and a geometry with a polygon that has no
//! exterior. Closures never leave the server.
//!
//! Two things are normalised, as SurrealDB itself does on storing them: a polygon's rings are closed, and the key of a
//! file begins with a slash.

use std::ops::Bound;
use std::sync::Arc;

use circuit::{Datetime, File, Geometry, Key, Object, Range, RecordId, Value};
use geo_types::{Coord, LineString, MultiLineString, MultiPoint, MultiPolygon, Point, Polygon};
use surrealdb::types as sdk;

/// A value exists on one side only.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    #[error("{0} is no end of a range of record ids")]
    RangeEnd(&'static str),
    #[error("the moment {seconds} s + {nanos} ns is outside of what a datetime can hold")]
    Datetime { seconds: i64, nanos: u32 },
    #[error("invalid regular expression `{0}`")]
    Regex(String),
    #[error("a polygon has no exterior ring")]
    Polygon,
    #[error("expected {expected}, found {found}")]
    Unexpected { expected: &'static str, found: &'static str },
}

impl ConvertError {
    pub(crate) fn unexpected(expected: &'static str, found: &sdk::Value) -> Self {
        ConvertError::Unexpected { expected, found: type_name(found) }
    }
}

/// Converts a value that came from the database. O(size), moves what it can.
pub fn from_sdk(value: sdk::Value) -> Result<Value, ConvertError> {
    Ok(match value {
        sdk::Value::None => Value::None,
        sdk::Value::Null => Value::Null,
        sdk::Value::Bool(flag) => Value::Bool(flag),
        sdk::Value::Number(sdk::Number::Int(number)) => Value::Int(number),
        sdk::Value::Number(sdk::Number::Float(number)) => Value::Float(number),
        sdk::Value::Number(sdk::Number::Decimal(number)) => Value::Decimal(number),
        sdk::Value::String(text) => Value::String(text.into()),
        sdk::Value::Bytes(bytes) => Value::Bytes(Arc::from(&bytes[..])),
        sdk::Value::Duration(duration) => Value::Duration(duration.into_inner()),
        sdk::Value::Datetime(moment) => {
            Value::Datetime(Datetime { seconds: moment.timestamp(), nanos: moment.timestamp_subsec_nanos() })
        }
        sdk::Value::Uuid(uuid) => Value::Uuid(uuid.into_inner()),
        sdk::Value::Geometry(geometry) => Value::Geometry(Arc::new(geometry_from_sdk(geometry))),
        sdk::Value::Table(table) => Value::Table(table.into_string().into()),
        sdk::Value::RecordId(id) => Value::RecordId(Arc::new(record_id_from_sdk(id)?)),
        sdk::Value::File(file) => Value::File(Arc::new(File { bucket: file.bucket.into(), key: file.key.into() })),
        sdk::Value::Range(range) => {
            Value::Range(Arc::new(Range { start: try_map(range.start, from_sdk)?, end: try_map(range.end, from_sdk)? }))
        }
        sdk::Value::Regex(regex) => Value::Regex(regex.regex().as_str().into()),
        sdk::Value::Array(items) => Value::Array(list_from_sdk(items)?),
        sdk::Value::Object(object) => Value::Object(Arc::new(object_from_sdk(object)?)),
        sdk::Value::Set(items) => {
            let items: Result<Vec<Value>, _> = items.into_iter().map(from_sdk).collect();
            Value::set(items?)
        }
    })
}

/// Converts a record id that came from the database.
pub fn record_id_from_sdk(id: sdk::RecordId) -> Result<RecordId, ConvertError> {
    Ok(RecordId { key: key_from_sdk(id.key)?, table: id.table.into_string().into() })
}

fn key_from_sdk(key: sdk::RecordIdKey) -> Result<Key, ConvertError> {
    Ok(match key {
        sdk::RecordIdKey::Number(number) => Key::Int(number),
        sdk::RecordIdKey::String(text) => Key::String(text.into()),
        sdk::RecordIdKey::Uuid(uuid) => Key::Uuid(uuid.into_inner()),
        sdk::RecordIdKey::Array(items) => Key::Array(list_from_sdk(items)?),
        sdk::RecordIdKey::Object(object) => Key::Object(Arc::new(object_from_sdk(object)?)),
        sdk::RecordIdKey::Range(range) => {
            let end = |key| Ok(key_from_sdk(key)?.into());
            Key::Range(Arc::new(Range { start: try_map(range.start, end)?, end: try_map(range.end, end)? }))
        }
    })
}

/// Converts what is at an end of a range.
fn try_map<A, B>(
    bound: Bound<A>,
    convert: impl FnOnce(A) -> Result<B, ConvertError>,
) -> Result<Bound<B>, ConvertError> {
    Ok(match bound {
        Bound::Included(value) => Bound::Included(convert(value)?),
        Bound::Excluded(value) => Bound::Excluded(convert(value)?),
        Bound::Unbounded => Bound::Unbounded,
    })
}

/// Converts an object that came from the database.
pub fn object_from_sdk(object: sdk::Object) -> Result<Object, ConvertError> {
    let fields = object.into_iter().map(|(name, value)| Ok((Arc::from(name), from_sdk(value)?)));
    fields.collect()
}

fn list_from_sdk(items: sdk::Array) -> Result<Arc<[Value]>, ConvertError> {
    items.into_iter().map(from_sdk).collect()
}

/// Converts a value for the database. O(size).
pub fn to_sdk(value: &Value) -> Result<sdk::Value, ConvertError> {
    Ok(match value {
        Value::None => sdk::Value::None,
        Value::Null => sdk::Value::Null,
        Value::Bool(flag) => sdk::Value::Bool(*flag),
        Value::Int(number) => sdk::Value::Number(sdk::Number::Int(*number)),
        Value::Float(number) => sdk::Value::Number(sdk::Number::Float(*number)),
        Value::Decimal(number) => sdk::Value::Number(sdk::Number::Decimal(*number)),
        Value::String(text) => sdk::Value::String(text.to_string()),
        Value::Duration(duration) => sdk::Value::Duration(sdk::Duration::from_std(*duration)),
        Value::Datetime(moment) => sdk::Value::Datetime(datetime_to_sdk(*moment)?),
        Value::Uuid(uuid) => sdk::Value::Uuid((*uuid).into()),
        Value::Array(items) => sdk::Value::Array(list_to_sdk(items)?),
        Value::Set(items) => sdk::Value::Set(list_to_sdk(items)?.into_vec().into()),
        Value::Object(object) => sdk::Value::Object(object_to_sdk(object)?),
        Value::Geometry(geometry) => sdk::Value::Geometry(geometry_to_sdk(geometry)?),
        Value::Bytes(bytes) => sdk::Value::Bytes(bytes::Bytes::copy_from_slice(bytes).into()),
        Value::Table(table) => sdk::Value::Table(sdk::Table::new(&**table)),
        Value::RecordId(id) => sdk::Value::RecordId(record_id_to_sdk(id)?),
        Value::File(file) => sdk::Value::File(sdk::File::new(&*file.bucket, &*file.key)),
        Value::Regex(source) => {
            let regex = regex::Regex::new(source).map_err(|_| ConvertError::Regex(source.to_string()))?;
            sdk::Value::Regex(regex.into())
        }
        Value::Range(range) => sdk::Value::Range(Box::new(sdk::Range::new(
            try_map(range.start.as_ref(), to_sdk)?,
            try_map(range.end.as_ref(), to_sdk)?,
        ))),
    })
}

/// Converts a record id for the database.
pub fn record_id_to_sdk(id: &RecordId) -> Result<sdk::RecordId, ConvertError> {
    Ok(sdk::RecordId { table: sdk::Table::new(&*id.table), key: key_to_sdk(&id.key)? })
}

/// Converts the key of a record id for the database.
pub fn key_to_sdk(key: &Key) -> Result<sdk::RecordIdKey, ConvertError> {
    Ok(match key {
        Key::Int(number) => sdk::RecordIdKey::Number(*number),
        Key::String(text) => sdk::RecordIdKey::String(text.to_string()),
        Key::Uuid(uuid) => sdk::RecordIdKey::Uuid((*uuid).into()),
        Key::Array(items) => sdk::RecordIdKey::Array(list_to_sdk(items)?),
        Key::Object(object) => sdk::RecordIdKey::Object(object_to_sdk(object)?),
        Key::Range(range) => sdk::RecordIdKey::Range(Box::new(sdk::RecordIdKeyRange {
            start: try_map(range.start.as_ref(), end_to_sdk)?,
            end: try_map(range.end.as_ref(), end_to_sdk)?,
        })),
    })
}

/// The end of a range of record ids.
fn end_to_sdk(value: &Value) -> Result<sdk::RecordIdKey, ConvertError> {
    match Key::try_from(value) {
        Ok(key) => key_to_sdk(&key),
        Err(()) => Err(ConvertError::RangeEnd(type_name(&to_sdk(value)?))),
    }
}

/// Converts an object for the database.
pub fn object_to_sdk(object: &Object) -> Result<sdk::Object, ConvertError> {
    let mut converted = sdk::Object::new();
    for (name, value) in object.iter() {
        converted.insert(name.to_string(), to_sdk(value)?);
    }
    Ok(converted)
}

fn list_to_sdk(items: &[Value]) -> Result<sdk::Array, ConvertError> {
    let items: Result<Vec<sdk::Value>, _> = items.iter().map(to_sdk).collect();
    Ok(items?.into())
}

fn datetime_to_sdk(moment: Datetime) -> Result<sdk::Datetime, ConvertError> {
    let Datetime { seconds, nanos } = moment;
    sdk::Datetime::from_timestamp(seconds, nanos).ok_or(ConvertError::Datetime { seconds, nanos })
}

fn geometry_from_sdk(geometry: sdk::Geometry) -> Geometry {
    match geometry {
        sdk::Geometry::Point(point) => Geometry::Point([point.x(), point.y()]),
        sdk::Geometry::Line(line) => Geometry::Line(line_from_sdk(&line)),
        sdk::Geometry::Polygon(polygon) => Geometry::Polygon(polygon_from_sdk(&polygon)),
        sdk::Geometry::MultiPoint(points) => Geometry::MultiPoint(points.iter().map(|at| [at.x(), at.y()]).collect()),
        sdk::Geometry::MultiLine(lines) => Geometry::MultiLine(lines.iter().map(line_from_sdk).collect()),
        sdk::Geometry::MultiPolygon(polygons) => {
            Geometry::MultiPolygon(polygons.iter().map(polygon_from_sdk).collect())
        }
        sdk::Geometry::Collection(parts) => Geometry::Collection(parts.into_iter().map(geometry_from_sdk).collect()),
    }
}

fn line_from_sdk(line: &LineString) -> Vec<[f64; 2]> {
    line.0.iter().map(|at| [at.x, at.y]).collect()
}

fn polygon_from_sdk(polygon: &Polygon) -> Vec<Vec<[f64; 2]>> {
    std::iter::once(polygon.exterior()).chain(polygon.interiors()).map(line_from_sdk).collect()
}

fn geometry_to_sdk(geometry: &Geometry) -> Result<sdk::Geometry, ConvertError> {
    Ok(match geometry {
        Geometry::Point([x, y]) => sdk::Geometry::Point(Point::new(*x, *y)),
        Geometry::Line(line) => sdk::Geometry::Line(line_to_sdk(line)),
        Geometry::Polygon(rings) => sdk::Geometry::Polygon(polygon_to_sdk(rings)?),
        Geometry::MultiPoint(points) => {
            sdk::Geometry::MultiPoint(MultiPoint(points.iter().map(|[x, y]| Point::new(*x, *y)).collect()))
        }
        Geometry::MultiLine(lines) => {
            sdk::Geometry::MultiLine(MultiLineString(lines.iter().map(|line| line_to_sdk(line)).collect()))
        }
        Geometry::MultiPolygon(polygons) => {
            let polygons: Result<Vec<Polygon>, _> = polygons.iter().map(|rings| polygon_to_sdk(rings)).collect();
            sdk::Geometry::MultiPolygon(MultiPolygon(polygons?))
        }
        Geometry::Collection(parts) => {
            let parts: Result<Vec<sdk::Geometry>, _> = parts.iter().map(geometry_to_sdk).collect();
            sdk::Geometry::Collection(parts?)
        }
    })
}

fn line_to_sdk(line: &[[f64; 2]]) -> LineString {
    LineString(line.iter().map(|[x, y]| Coord { x: *x, y: *y }).collect())
}

fn polygon_to_sdk(rings: &[Vec<[f64; 2]>]) -> Result<Polygon, ConvertError> {
    let (exterior, interiors) = rings.split_first().ok_or(ConvertError::Polygon)?;
    Ok(Polygon::new(line_to_sdk(exterior), interiors.iter().map(|ring| line_to_sdk(ring)).collect()))
}

fn type_name(value: &sdk::Value) -> &'static str {
    match value {
        sdk::Value::None => "none",
        sdk::Value::Null => "null",
        sdk::Value::Bool(_) => "a bool",
        sdk::Value::Number(_) => "a number",
        sdk::Value::String(_) => "a string",
        sdk::Value::Bytes(_) => "bytes",
        sdk::Value::Duration(_) => "a duration",
        sdk::Value::Datetime(_) => "a datetime",
        sdk::Value::Uuid(_) => "a uuid",
        sdk::Value::Geometry(_) => "a geometry",
        sdk::Value::Table(_) => "a table",
        sdk::Value::RecordId(_) => "a record id",
        sdk::Value::File(_) => "a file",
        sdk::Value::Range(_) => "a range",
        sdk::Value::Regex(_) => "a regex",
        sdk::Value::Array(_) => "an array",
        sdk::Value::Object(_) => "an object",
        sdk::Value::Set(_) => "a set",
    }
}
