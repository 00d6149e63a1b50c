//! Conversion between the circuit's values and those of SurrealDB's function library.
//!
//! Both directions keep type and bits of every value. They copy everything, so they stay away from hot paths.

use std::ops::Bound;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use circuit::{Datetime, File, Geometry, Key, Object, Range, RecordId, Value};
use geo_types::{Coord, LineString, MultiLineString, MultiPoint, MultiPolygon, Point, Polygon};
use surrealdb_expr::val::{self as surreal, Number, RecordIdKey, RecordIdKeyRange};

/// A value that exists on one side only.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConversionError {
    #[error("a closure is not data")]
    Closure,
    #[error("a range of record ids ends with something that is no key")]
    RecordRange,
    #[error("a datetime is out of range")]
    Datetime,
    #[error("a regular expression is invalid: {0}")]
    Regex(String),
}

/// The circuit's form of a value of SurrealDB. O(size of the value).
pub fn from_surreal(value: &surreal::Value) -> Result<Value, ConversionError> {
    Ok(match value {
        surreal::Value::None => Value::None,
        surreal::Value::Null => Value::Null,
        surreal::Value::Bool(flag) => Value::Bool(*flag),
        surreal::Value::Number(Number::Int(number)) => Value::Int(*number),
        surreal::Value::Number(Number::Float(number)) => Value::Float(*number),
        surreal::Value::Number(Number::Decimal(number)) => Value::Decimal(*number),
        surreal::Value::String(text) => Value::String(text.as_str().into()),
        surreal::Value::Duration(duration) => Value::Duration(duration.0),
        surreal::Value::Datetime(moment) => {
            Value::Datetime(Datetime { seconds: moment.0.timestamp(), nanos: moment.0.timestamp_subsec_nanos() })
        }
        surreal::Value::Uuid(uuid) => Value::Uuid(uuid.0),
        surreal::Value::Array(items) => Value::Array(list_from_surreal(items.iter())?),
        surreal::Value::Set(items) => Value::Set(list_from_surreal(items.iter())?),
        surreal::Value::Object(object) => Value::Object(Arc::new(object_from_surreal(object)?)),
        surreal::Value::Geometry(geometry) => Value::Geometry(Arc::new(geometry_from_surreal(geometry))),
        surreal::Value::Bytes(bytes) => Value::Bytes(bytes.0.as_ref().into()),
        surreal::Value::Table(name) => Value::Table(name.as_str().into()),
        surreal::Value::RecordId(id) => Value::from(RecordId::new(id.table.as_str(), key_from_surreal(&id.key)?)),
        surreal::Value::File(file) => {
            Value::File(Arc::new(File { bucket: file.bucket.as_str().into(), key: file.key.as_str().into() }))
        }
        surreal::Value::Regex(regex) => Value::Regex(regex.inner().as_str().into()),
        surreal::Value::Range(range) => Value::Range(Arc::new(Range {
            start: bound(range.start.as_ref(), from_surreal)?,
            end: bound(range.end.as_ref(), from_surreal)?,
        })),
        surreal::Value::Closure(_) => return Err(ConversionError::Closure),
    })
}

/// SurrealDB's form of a value of the circuit. O(size of the value).
pub fn to_surreal(value: &Value) -> Result<surreal::Value, ConversionError> {
    Ok(match value {
        Value::None => surreal::Value::None,
        Value::Null => surreal::Value::Null,
        Value::Bool(flag) => surreal::Value::Bool(*flag),
        Value::Int(number) => surreal::Value::Number(Number::Int(*number)),
        Value::Float(number) => surreal::Value::Number(Number::Float(*number)),
        Value::Decimal(number) => surreal::Value::Number(Number::Decimal(*number)),
        Value::String(text) => surreal::Value::String((&**text).into()),
        Value::Duration(duration) => surreal::Value::Duration(surreal::Duration(*duration)),
        Value::Datetime(moment) => {
            let moment = DateTime::<Utc>::from_timestamp(moment.seconds, moment.nanos);
            surreal::Value::Datetime(surreal::Datetime(moment.ok_or(ConversionError::Datetime)?))
        }
        Value::Uuid(uuid) => surreal::Value::Uuid(surreal::Uuid(*uuid)),
        Value::Array(items) => surreal::Value::Array(array_to_surreal(items)?),
        Value::Set(items) => surreal::Value::Set(items.iter().map(to_surreal).collect::<Result<surreal::Set, _>>()?),
        Value::Object(object) => surreal::Value::Object(object_to_surreal(object)?),
        Value::Geometry(geometry) => surreal::Value::Geometry(geometry_to_surreal(geometry)),
        Value::Bytes(bytes) => surreal::Value::Bytes(surreal::Bytes::from(bytes.to_vec())),
        Value::Table(name) => surreal::Value::Table(surreal::TableName::new(name.to_string())),
        Value::RecordId(id) => surreal::Value::RecordId(surreal::RecordId {
            table: surreal::TableName::new(id.table.to_string()),
            key: key_to_surreal(&id.key)?,
        }),
        Value::File(file) => {
            surreal::Value::File(surreal::File { bucket: file.bucket.to_string(), key: file.key.to_string() })
        }
        Value::Regex(regex) => {
            let regex = surreal::regex::regex_new(regex).map_err(|error| ConversionError::Regex(error.to_string()))?;
            surreal::Value::Regex(surreal::Regex(regex))
        }
        Value::Range(range) => surreal::Value::Range(Box::new(surreal::Range {
            start: bound(range.start.as_ref(), to_surreal)?,
            end: bound(range.end.as_ref(), to_surreal)?,
        })),
    })
}

/// Converts what is at an end of a range.
pub(crate) fn bound<A, B, E>(bound: Bound<&A>, convert: impl FnOnce(&A) -> Result<B, E>) -> Result<Bound<B>, E> {
    Ok(match bound {
        Bound::Included(value) => Bound::Included(convert(value)?),
        Bound::Excluded(value) => Bound::Excluded(convert(value)?),
        Bound::Unbounded => Bound::Unbounded,
    })
}

fn list_from_surreal<'a>(items: impl Iterator<Item = &'a surreal::Value>) -> Result<Arc<[Value]>, ConversionError> {
    items.map(from_surreal).collect()
}

fn object_from_surreal(object: &surreal::Object) -> Result<Object, ConversionError> {
    object.0.iter().map(|(name, value)| Ok((Arc::from(name.as_str()), from_surreal(value)?))).collect()
}

fn key_from_surreal(key: &RecordIdKey) -> Result<Key, ConversionError> {
    Ok(match key {
        RecordIdKey::Number(number) => Key::Int(*number),
        RecordIdKey::String(text) => Key::String(text.as_str().into()),
        RecordIdKey::Uuid(uuid) => Key::Uuid(uuid.0),
        RecordIdKey::Array(items) => Key::Array(list_from_surreal(items.iter())?),
        RecordIdKey::Object(object) => Key::Object(Arc::new(object_from_surreal(object)?)),
        RecordIdKey::Range(range) => Key::Range(Arc::new(Range {
            start: bound(range.start.as_ref(), |key| Ok(key_from_surreal(key)?.into()))?,
            end: bound(range.end.as_ref(), |key| Ok(key_from_surreal(key)?.into()))?,
        })),
    })
}

fn array_to_surreal(items: &[Value]) -> Result<surreal::Array, ConversionError> {
    items.iter().map(to_surreal).collect()
}

fn object_to_surreal(object: &Object) -> Result<surreal::Object, ConversionError> {
    object.iter().map(|(name, value)| Ok((surreal::Strand::from(&**name), to_surreal(value)?))).collect()
}

fn key_to_surreal(key: &Key) -> Result<RecordIdKey, ConversionError> {
    Ok(match key {
        Key::Int(number) => RecordIdKey::Number(*number),
        Key::String(text) => RecordIdKey::String((&**text).into()),
        Key::Uuid(uuid) => RecordIdKey::Uuid(surreal::Uuid(*uuid)),
        Key::Array(items) => RecordIdKey::Array(array_to_surreal(items)?),
        Key::Object(object) => RecordIdKey::Object(object_to_surreal(object)?),
        Key::Range(range) => {
            let end = |value: &Value| {
                let key = Key::try_from(value).map_err(|()| ConversionError::RecordRange)?;
                key_to_surreal(&key)
            };
            RecordIdKey::Range(Box::new(RecordIdKeyRange {
                start: bound(range.start.as_ref(), end)?,
                end: bound(range.end.as_ref(), end)?,
            }))
        }
    })
}

/// A pair of longitude and latitude.
type Pair = [f64; 2];

fn geometry_from_surreal(geometry: &surreal::Geometry) -> Geometry {
    match geometry {
        surreal::Geometry::Point(point) => Geometry::Point(point_from(point)),
        surreal::Geometry::Line(line) => Geometry::Line(line_from(line)),
        surreal::Geometry::Polygon(polygon) => Geometry::Polygon(polygon_from(polygon)),
        surreal::Geometry::MultiPoint(points) => Geometry::MultiPoint(points.iter().map(point_from).collect()),
        surreal::Geometry::MultiLine(lines) => Geometry::MultiLine(lines.iter().map(line_from).collect()),
        surreal::Geometry::MultiPolygon(polygons) => {
            Geometry::MultiPolygon(polygons.iter().map(polygon_from).collect())
        }
        surreal::Geometry::Collection(parts) => Geometry::Collection(parts.iter().map(geometry_from_surreal).collect()),
    }
}

/// SurrealDB's form of a geometry. The rings of a polygon are closed, as SurrealDB closes them.
pub(crate) fn geometry_to_surreal(geometry: &Geometry) -> surreal::Geometry {
    match geometry {
        Geometry::Point(pair) => surreal::Geometry::Point(point_to(pair)),
        Geometry::Line(pairs) => surreal::Geometry::Line(line_to(pairs)),
        Geometry::Polygon(rings) => surreal::Geometry::Polygon(polygon_to(rings)),
        Geometry::MultiPoint(pairs) => {
            surreal::Geometry::MultiPoint(MultiPoint::new(pairs.iter().map(point_to).collect()))
        }
        Geometry::MultiLine(lines) => {
            let lines = lines.iter().map(|line| line_to(line)).collect();
            surreal::Geometry::MultiLine(MultiLineString::new(lines))
        }
        Geometry::MultiPolygon(polygons) => {
            let polygons = polygons.iter().map(|rings| polygon_to(rings)).collect();
            surreal::Geometry::MultiPolygon(MultiPolygon::new(polygons))
        }
        Geometry::Collection(parts) => surreal::Geometry::Collection(parts.iter().map(geometry_to_surreal).collect()),
    }
}

fn point_from(point: &Point<f64>) -> Pair {
    [point.x(), point.y()]
}

fn line_from(line: &LineString<f64>) -> Vec<Pair> {
    line.0.iter().map(|at| [at.x, at.y]).collect()
}

fn polygon_from(polygon: &Polygon<f64>) -> Vec<Vec<Pair>> {
    std::iter::once(polygon.exterior()).chain(polygon.interiors()).map(line_from).collect()
}

fn point_to([x, y]: &Pair) -> Point<f64> {
    Point::new(*x, *y)
}

fn line_to(pairs: &[Pair]) -> LineString<f64> {
    LineString::new(pairs.iter().map(|[x, y]| Coord { x: *x, y: *y }).collect())
}

fn polygon_to(rings: &[Vec<Pair>]) -> Polygon<f64> {
    let (exterior, interiors) = rings.split_first().map_or((&[][..], &[][..]), |(first, rest)| (&first[..], rest));
    Polygon::new(line_to(exterior), interiors.iter().map(|ring| line_to(ring)).collect())
}
