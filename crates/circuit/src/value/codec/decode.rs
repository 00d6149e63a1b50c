//! From bytes to values.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;
use uuid::Uuid;

use super::bytes::ByteReader;
use super::{MAX_DEPTH, Malformed, bound, kind, tag};
use crate::value::{Datetime, File, Geometry, Key, Object, Range, RecordId, Value};

/// Room for so many items is made before they are read: lists may be nested, and each may lie about its length.
const RESERVED: usize = 64;

/// Reads what an [`Encoder`](super::Encoder) wrote. Of any other bytes it makes an error or other values: it never
/// panics, and it reserves memory in proportion to the bytes that are there.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    bytes: ByteReader<'a>,
    names: Vec<Arc<str>>,
    shapes: Vec<Arc<[Arc<str>]>>,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Decoder { bytes: ByteReader::new(bytes), names: Vec::new(), shapes: Vec::new() }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.bytes.is_at_end()
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        self.bytes.byte()
    }

    pub(crate) fn number(&mut self) -> Result<u64, Malformed> {
        self.bytes.number()
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        self.bytes.bytes()
    }

    pub(crate) fn record_id(&mut self) -> Result<RecordId, Malformed> {
        self.record_id_at(0)
    }

    /// The fields of a row with this id.
    pub(crate) fn content(&mut self, id: &RecordId) -> Result<Object, Malformed> {
        let names = self.shape()?;
        let mut values = Vec::with_capacity(names.len());
        for _ in 0..names.len() {
            values.push(match self.bytes.byte()? {
                tag::OWN_ID => id.clone().into(),
                tag => self.tagged(tag, 0)?,
            });
        }
        Ok(Object::of_shape(names, values))
    }

    fn value(&mut self, depth: usize) -> Result<Value, Malformed> {
        let tag = self.bytes.byte()?;
        self.tagged(tag, depth)
    }

    fn tagged(&mut self, tag: u8, depth: usize) -> Result<Value, Malformed> {
        if depth > MAX_DEPTH {
            return Err(Malformed("a value is nested too deeply"));
        }
        Ok(match tag {
            tag::NONE => Value::None,
            tag::NULL => Value::Null,
            tag::FALSE => Value::Bool(false),
            tag::TRUE => Value::Bool(true),
            tag::INT => Value::Int(self.bytes.signed()?),
            tag::FLOAT => Value::Float(f64::from_le_bytes(self.bytes.array()?)),
            tag::DECIMAL => Value::Decimal(self.decimal()?),
            tag::STRING => Value::String(self.bytes.text()?.into()),
            tag::REGEX => Value::Regex(self.bytes.text()?.into()),
            tag::DURATION => {
                let (seconds, nanos) = (self.bytes.number()?, self.bytes.small()?);
                if nanos >= 1_000_000_000 {
                    return Err(Malformed("a second has too many nanoseconds"));
                }
                Value::Duration(Duration::new(seconds, nanos))
            }
            tag::DATETIME => Value::Datetime(Datetime { seconds: self.bytes.signed()?, nanos: self.bytes.small()? }),
            tag::UUID => Value::Uuid(Uuid::from_bytes(self.bytes.array()?)),
            tag::ARRAY => Value::Array(self.list(depth)?.into()),
            tag::SET => Value::Set(self.list(depth)?.into()),
            tag::OBJECT => self.object(depth)?.into(),
            tag::GEOMETRY => Value::Geometry(self.geometry(depth)?.into()),
            tag::BYTES => Value::Bytes(self.bytes.bytes()?.into()),
            tag::TABLE => Value::Table(self.name()?),
            tag::RECORD => self.record_id_at(depth)?.into(),
            tag::FILE => {
                let (bucket, key) = (self.bytes.text()?.into(), self.bytes.text()?.into());
                Value::File(File { bucket, key }.into())
            }
            tag::RANGE => Value::Range(self.range(depth)?.into()),
            _ => return Err(Malformed("a value has an unknown tag")),
        })
    }

    fn decimal(&mut self) -> Result<Decimal, Malformed> {
        let bytes = self.bytes.array()?;
        let decimal = Decimal::deserialize(bytes);
        // Bits that mean nothing are dropped in reading.
        if decimal.serialize() == bytes { Ok(decimal) } else { Err(Malformed("a decimal has unknown bits")) }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Value>, Malformed> {
        let count = self.bytes.count()?;
        let mut items = Vec::with_capacity(count.min(RESERVED));
        for _ in 0..count {
            items.push(self.value(depth + 1)?);
        }
        Ok(items)
    }

    fn object(&mut self, depth: usize) -> Result<Object, Malformed> {
        let names = self.shape()?;
        let mut values = Vec::new();
        for _ in 0..names.len() {
            values.push(self.value(depth + 1)?);
        }
        Ok(Object::of_shape(names, values))
    }

    fn record_id_at(&mut self, depth: usize) -> Result<RecordId, Malformed> {
        let table = self.name()?;
        let key = match self.bytes.byte()? {
            tag::INT => Key::Int(self.bytes.signed()?),
            tag::STRING => Key::String(self.bytes.text()?.into()),
            tag::UUID => Key::Uuid(Uuid::from_bytes(self.bytes.array()?)),
            tag::ARRAY => Key::Array(self.list(depth)?.into()),
            tag::OBJECT => Key::Object(self.object(depth)?.into()),
            tag::RANGE => Key::Range(self.range(depth)?.into()),
            _ => return Err(Malformed("a record has an unknown kind of key")),
        };
        Ok(RecordId { table, key })
    }

    fn range(&mut self, depth: usize) -> Result<Range, Malformed> {
        Ok(Range { start: self.bound(depth)?, end: self.bound(depth)? })
    }

    fn bound(&mut self, depth: usize) -> Result<Bound<Value>, Malformed> {
        Ok(match self.bytes.byte()? {
            bound::UNBOUNDED => Bound::Unbounded,
            bound::INCLUDED => Bound::Included(self.value(depth + 1)?),
            bound::EXCLUDED => Bound::Excluded(self.value(depth + 1)?),
            _ => return Err(Malformed("a range has an unknown kind of end")),
        })
    }

    fn geometry(&mut self, depth: usize) -> Result<Geometry, Malformed> {
        if depth > MAX_DEPTH {
            return Err(Malformed("a geometry is nested too deeply"));
        }
        Ok(match self.bytes.byte()? {
            kind::POINT => Geometry::Point(self.point()?),
            kind::LINE => Geometry::Line(self.line()?),
            kind::MULTI_POINT => Geometry::MultiPoint(self.line()?),
            kind::POLYGON => Geometry::Polygon(self.lines()?),
            kind::MULTI_LINE => Geometry::MultiLine(self.lines()?),
            kind::MULTI_POLYGON => {
                let mut polygons = Vec::new();
                for _ in 0..self.bytes.count()? {
                    polygons.push(self.lines()?);
                }
                Geometry::MultiPolygon(polygons)
            }
            kind::COLLECTION => {
                let mut parts = Vec::new();
                for _ in 0..self.bytes.count()? {
                    parts.push(self.geometry(depth + 1)?);
                }
                Geometry::Collection(parts)
            }
            _ => return Err(Malformed("a geometry is of an unknown kind")),
        })
    }

    fn lines(&mut self) -> Result<Vec<Vec<[f64; 2]>>, Malformed> {
        let mut lines = Vec::new();
        for _ in 0..self.bytes.count()? {
            lines.push(self.line()?);
        }
        Ok(lines)
    }

    fn line(&mut self) -> Result<Vec<[f64; 2]>, Malformed> {
        let mut line = Vec::new();
        for _ in 0..self.bytes.count()? {
            line.push(self.point()?);
        }
        Ok(line)
    }

    fn point(&mut self) -> Result<[f64; 2], Malformed> {
        Ok([f64::from_le_bytes(self.bytes.array()?), f64::from_le_bytes(self.bytes.array()?)])
    }

    fn name(&mut self) -> Result<Arc<str>, Malformed> {
        let number = self.bytes.number()?;
        if let Some(known) = known(&self.names, number)? {
            return Ok(known);
        }
        let name: Arc<str> = self.bytes.text()?.into();
        self.names.push(name.clone());
        Ok(name)
    }

    fn shape(&mut self) -> Result<Arc<[Arc<str>]>, Malformed> {
        let number = self.bytes.number()?;
        if let Some(known) = known(&self.shapes, number)? {
            return Ok(known);
        }
        let mut names = Vec::new();
        for _ in 0..self.bytes.count()? {
            names.push(self.name()?);
        }
        if !names.is_sorted_by(|a, b| a < b) {
            return Err(Malformed("the names of fields are out of order"));
        }
        let shape: Arc<[Arc<str>]> = names.into();
        self.shapes.push(shape.clone());
        Ok(shape)
    }
}

/// What has this number; nothing if it is the next, whose definition follows.
fn known<T: Clone>(items: &[T], number: u64) -> Result<Option<T>, Malformed> {
    match usize::try_from(number) {
        Ok(number) if number < items.len() => Ok(Some(items[number].clone())),
        Ok(number) if number == items.len() => Ok(None),
        _ => Err(Malformed("a name or shape is used before it is defined")),
    }
}
