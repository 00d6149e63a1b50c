//! A value of every type.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use circuit::{Datetime, File, Geometry, Key, Range, RecordId, Value};

use super::{object, record};

pub fn samples() -> Vec<Value> {
    let uuid = "018f4e5a-7b3c-7def-8123-456789abcdef".parse().unwrap();
    let ring = vec![[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 0.0]];
    let hole = vec![[1.0, 0.5], [2.0, 0.5], [2.0, 1.0], [1.0, 0.5]];
    let keys = [
        Key::Int(-7),
        Key::String("a b`c⟩\\".into()),
        Key::String("123".into()),
        Key::Uuid(uuid),
        Key::Array([Value::from(1), Value::from(1.5), Value::from(record("user", 1))].into()),
        Key::Object(Arc::new(object([("a", Value::from(1)), ("b", Value::Null)]))),
    ];
    let geometries = [
        Geometry::Point([1.5, -2.25]),
        Geometry::Line(vec![[0.0, 0.0], [1.0, 1.0]]),
        Geometry::Polygon(vec![ring.clone(), hole.clone()]),
        Geometry::MultiPoint(vec![[0.0, 0.0], [1.0, 1.0]]),
        Geometry::MultiLine(vec![vec![[0.0, 0.0], [1.0, 1.0]], vec![[2.0, 2.0], [3.0, 3.0]]]),
        Geometry::MultiPolygon(vec![vec![ring.clone(), hole], vec![ring]]),
        Geometry::Collection(vec![Geometry::Point([1.0, 2.0]), Geometry::Line(vec![[0.0, 0.0], [1.0, 1.0]])]),
    ];
    let mut samples = vec![
        Value::Null,
        Value::Bool(true),
        Value::Int(i64::MIN),
        Value::Int(i64::MAX),
        Value::Int((1 << 53) + 1),
        Value::Float(0.1),
        Value::Float(f64::MAX),
        Value::Float(f64::INFINITY),
        Value::Decimal("12345678901234567890.123456789".parse().unwrap()),
        Value::Decimal("-0.5".parse().unwrap()),
        Value::from(""),
        Value::from("ünïcödé 🦀 \n\t'\"`"),
        Value::Duration(Duration::new(90_061, 1)),
        Value::Duration(Duration::ZERO),
        Value::Datetime(Datetime { seconds: 1_700_000_000, nanos: 123_456_789 }),
        Value::Datetime(Datetime { seconds: -1, nanos: 1 }),
        Value::Uuid(uuid),
        Value::Array([].into()),
        [Value::from(1), Value::Null, [Value::from("x")].into_iter().collect()].into_iter().collect(),
        Value::set([Value::from(3), Value::from(1), Value::from("a")]),
        Value::from(object([])),
        Value::from(object([("a", Value::from(object([("b c", Value::from(1))])))])),
        Value::Bytes([0_u8, 1, 254, 255][..].into()),
        Value::Table("a table".into()),
        Value::File(Arc::new(File { bucket: "bucket".into(), key: "/some/key".into() })),
        Value::Range(Arc::new(Range { start: Bound::Included(Value::from(1)), end: Bound::Excluded(Value::from(10)) })),
        Value::Range(Arc::new(Range { start: Bound::Excluded(Value::from("a")), end: Bound::Unbounded })),
    ];
    samples.extend(keys.into_iter().map(|key| Value::from(RecordId::new("some table", key))));
    samples.extend(geometries.into_iter().map(|geometry| Value::Geometry(Arc::new(geometry))));
    samples
}
