//! From values to bytes.

use std::hash::Hash;
use std::ops::Bound;
use std::sync::Arc;

use hashbrown::HashMap;

use super::bytes::{put_bytes, put_number, put_signed};
use super::{MAX_DEPTH, bound, kind, tag};
use crate::value::{Geometry, Key, Object, Range, RecordId, Value};

/// A value is nested more deeply than can be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooDeep;

/// Writes values, one behind the other.
#[derive(Debug)]
pub(crate) struct Encoder {
    out: Vec<u8>,
    names: Dictionary<str>,
    shapes: Dictionary<[Arc<str>]>,
}

/// Numbers for what occurs again and again.
#[derive(Debug)]
struct Dictionary<T: ?Sized>(HashMap<Arc<T>, u64, foldhash::fast::FixedState>);

impl Encoder {
    /// Writes behind the given bytes.
    pub(crate) fn behind(out: Vec<u8>) -> Self {
        Encoder { out, names: Dictionary::default(), shapes: Dictionary::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    pub(crate) fn number(&mut self, number: u64) {
        put_number(&mut self.out, number);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        put_bytes(&mut self.out, bytes);
    }

    /// O(size of the key).
    pub(crate) fn record_id(&mut self, id: &RecordId) -> Result<(), TooDeep> {
        self.record_id_at(id, 0)
    }

    /// The fields of a row. O(size of the row).
    pub(crate) fn content(&mut self, content: &Object, id: &RecordId) -> Result<(), TooDeep> {
        self.shape(content.names());
        for (_, value) in content.iter() {
            match value {
                Value::RecordId(own) if own.is_same_record(id) => self.byte(tag::OWN_ID),
                other => self.value(other, 0)?,
            }
        }
        Ok(())
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<(), TooDeep> {
        if depth > MAX_DEPTH {
            return Err(TooDeep);
        }
        match value {
            Value::None => self.byte(tag::NONE),
            Value::Null => self.byte(tag::NULL),
            Value::Bool(false) => self.byte(tag::FALSE),
            Value::Bool(true) => self.byte(tag::TRUE),
            Value::Int(number) => {
                self.byte(tag::INT);
                put_signed(&mut self.out, *number);
            }
            Value::Float(number) => {
                self.byte(tag::FLOAT);
                self.out.extend_from_slice(&number.to_le_bytes());
            }
            Value::Decimal(number) => {
                self.byte(tag::DECIMAL);
                self.out.extend_from_slice(&number.serialize());
            }
            Value::String(text) => self.text(tag::STRING, text),
            Value::Regex(text) => self.text(tag::REGEX, text),
            Value::Duration(duration) => {
                self.byte(tag::DURATION);
                self.number(duration.as_secs());
                self.number(duration.subsec_nanos().into());
            }
            Value::Datetime(moment) => {
                self.byte(tag::DATETIME);
                put_signed(&mut self.out, moment.seconds);
                self.number(moment.nanos.into());
            }
            Value::Uuid(uuid) => {
                self.byte(tag::UUID);
                self.out.extend_from_slice(uuid.as_bytes());
            }
            Value::Array(items) => self.list(tag::ARRAY, items, depth)?,
            Value::Set(items) => self.list(tag::SET, items, depth)?,
            Value::Object(object) => self.object(object, depth)?,
            Value::Geometry(geometry) => {
                self.byte(tag::GEOMETRY);
                self.geometry(geometry, depth)?;
            }
            Value::Bytes(bytes) => {
                self.byte(tag::BYTES);
                self.bytes(bytes);
            }
            Value::Table(name) => {
                self.byte(tag::TABLE);
                self.name(name);
            }
            Value::RecordId(id) => {
                self.byte(tag::RECORD);
                self.record_id_at(id, depth)?;
            }
            Value::File(file) => {
                self.byte(tag::FILE);
                self.bytes(file.bucket.as_bytes());
                self.bytes(file.key.as_bytes());
            }
            Value::Range(range) => self.range(range, depth)?,
        }
        Ok(())
    }

    fn text(&mut self, tag: u8, text: &str) {
        self.byte(tag);
        self.bytes(text.as_bytes());
    }

    fn list(&mut self, tag: u8, items: &[Value], depth: usize) -> Result<(), TooDeep> {
        self.byte(tag);
        self.number(items.len() as u64);
        items.iter().try_for_each(|item| self.value(item, depth + 1))
    }

    fn object(&mut self, object: &Object, depth: usize) -> Result<(), TooDeep> {
        self.byte(tag::OBJECT);
        self.shape(object.names());
        object.iter().try_for_each(|(_, value)| self.value(value, depth + 1))
    }

    fn record_id_at(&mut self, id: &RecordId, depth: usize) -> Result<(), TooDeep> {
        self.name(&id.table);
        match &id.key {
            Key::Int(number) => {
                self.byte(tag::INT);
                put_signed(&mut self.out, *number);
            }
            Key::String(text) => self.text(tag::STRING, text),
            Key::Uuid(uuid) => {
                self.byte(tag::UUID);
                self.out.extend_from_slice(uuid.as_bytes());
            }
            Key::Array(items) => self.list(tag::ARRAY, items, depth)?,
            Key::Object(object) => self.object(object, depth)?,
            Key::Range(range) => self.range(range, depth)?,
        }
        Ok(())
    }

    fn range(&mut self, range: &Range, depth: usize) -> Result<(), TooDeep> {
        self.byte(tag::RANGE);
        self.bound(&range.start, depth)?;
        self.bound(&range.end, depth)
    }

    fn bound(&mut self, bound: &Bound<Value>, depth: usize) -> Result<(), TooDeep> {
        let (tag, value) = match bound {
            Bound::Unbounded => (bound::UNBOUNDED, None),
            Bound::Included(value) => (bound::INCLUDED, Some(value)),
            Bound::Excluded(value) => (bound::EXCLUDED, Some(value)),
        };
        self.byte(tag);
        value.map_or(Ok(()), |value| self.value(value, depth + 1))
    }

    fn geometry(&mut self, geometry: &Geometry, depth: usize) -> Result<(), TooDeep> {
        if depth > MAX_DEPTH {
            return Err(TooDeep);
        }
        match geometry {
            Geometry::Point(point) => {
                self.byte(kind::POINT);
                self.point(point);
            }
            Geometry::Line(line) => {
                self.byte(kind::LINE);
                self.line(line);
            }
            Geometry::MultiPoint(points) => {
                self.byte(kind::MULTI_POINT);
                self.line(points);
            }
            Geometry::Polygon(lines) => {
                self.byte(kind::POLYGON);
                self.lines(lines);
            }
            Geometry::MultiLine(lines) => {
                self.byte(kind::MULTI_LINE);
                self.lines(lines);
            }
            Geometry::MultiPolygon(polygons) => {
                self.byte(kind::MULTI_POLYGON);
                self.number(polygons.len() as u64);
                polygons.iter().for_each(|lines| self.lines(lines));
            }
            Geometry::Collection(parts) => {
                self.byte(kind::COLLECTION);
                self.number(parts.len() as u64);
                return parts.iter().try_for_each(|part| self.geometry(part, depth + 1));
            }
        }
        Ok(())
    }

    fn lines(&mut self, lines: &[Vec<[f64; 2]>]) {
        self.number(lines.len() as u64);
        lines.iter().for_each(|line| self.line(line));
    }

    fn line(&mut self, line: &[[f64; 2]]) {
        self.number(line.len() as u64);
        line.iter().for_each(|point| self.point(point));
    }

    fn point(&mut self, point: &[f64; 2]) {
        point.iter().for_each(|coordinate| self.out.extend_from_slice(&coordinate.to_le_bytes()));
    }

    fn name(&mut self, name: &Arc<str>) {
        let (number, is_new) = self.names.number(name);
        self.number(number);
        if is_new {
            self.bytes(name.as_bytes());
        }
    }

    fn shape(&mut self, names: &Arc<[Arc<str>]>) {
        let (number, is_new) = self.shapes.number(names);
        self.number(number);
        if is_new {
            self.number(names.len() as u64);
            names.iter().for_each(|name| self.name(name));
        }
    }
}

impl<T: ?Sized + Eq + Hash> Dictionary<T> {
    /// The number of an item, and whether it has not occurred before. Numbers follow each other.
    fn number(&mut self, item: &Arc<T>) -> (u64, bool) {
        if let Some(number) = self.0.get(&**item) {
            return (*number, false);
        }
        let number = self.0.len() as u64;
        self.0.insert(item.clone(), number);
        (number, true)
    }
}

impl<T: ?Sized> Default for Dictionary<T> {
    fn default() -> Self {
        Dictionary(HashMap::default())
    }
}
