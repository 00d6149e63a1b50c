//! Values survive the way into the database and back, in every type. Catches: a type that turns into another one, a
//! lost digit.

mod support;

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use circuit::value::identity;
use circuit::{Datetime, File, Geometry, Key, Object, Range, RecordId, Value};
use database::convert;
use proptest::prelude::*;
use support::{Server, object, record};

fn samples() -> Vec<Value> {
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

fn assert_identical(stored: &Value, expected: &Value) {
    assert!(identity::are_identical(stored, expected), "{stored:?} is not {expected:?}");
}

#[tokio::test]
async fn every_type_is_stored_and_read_unchanged() {
    let server = Server::start();
    let client = server.client().await;
    let samples = samples();
    let bound = convert::to_sdk(&samples.iter().cloned().collect()).unwrap();
    let text = "CREATE ONLY t:1 SET values = $values; SELECT VALUE values FROM ONLY t:1; \
                RETURN $values.map(|$v| encoding::base64::encode(encoding::cbor::encode($v)));";
    let mut answer = client.query(text).bind(("values", bound)).await.unwrap().check().unwrap();
    let Value::Array(stored) = convert::from_sdk(answer.take(1).unwrap()).unwrap() else { panic!("no array") };
    assert_eq!(stored.len(), samples.len());
    for (stored, expected) in stored.iter().zip(&samples) {
        assert_identical(stored, expected);
    }
    // The same values in the encoding that events push.
    let Value::Array(encoded) = convert::from_sdk(answer.take(2).unwrap()).unwrap() else { panic!("no array") };
    for (encoded, expected) in encoded.iter().zip(&samples) {
        let Value::String(encoded) = encoded else { panic!("no text") };
        assert_identical(&database::cbor::decode_base64(encoded).unwrap(), expected);
    }
}

#[tokio::test]
async fn every_kind_of_key_addresses_its_record() {
    let server = Server::start();
    let client = server.client().await;
    for sample in samples() {
        let Value::RecordId(id) = &sample else { continue };
        let bound = convert::to_sdk(&sample).unwrap();
        let text = "CREATE ONLY $id SET n = 1 RETURN NONE; SELECT VALUE id FROM ONLY $id;";
        let mut answer = client.query(text).bind(("id", bound)).await.unwrap().check().unwrap();
        assert_identical(&convert::from_sdk(answer.take(1).unwrap()).unwrap(), &Value::RecordId(id.clone()));
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_filter("NaN is unlike itself", |number| !number.is_nan()).prop_map(Value::Float),
        (any::<i64>(), 0_u32..28).prop_map(|(digits, scale)| Value::Decimal(rust_decimal::Decimal::new(digits, scale))),
        any::<String>().prop_map(|text| Value::String(text.into())),
        (any::<u64>(), 0_u32..1_000_000_000).prop_map(|(secs, nanos)| Value::Duration(Duration::new(secs, nanos))),
        (-8_000_000_000_i64..8_000_000_000, 0_u32..1_000_000_000)
            .prop_map(|(seconds, nanos)| Value::Datetime(Datetime { seconds, nanos })),
        any::<u128>().prop_map(|bits| Value::Uuid(uuid::Uuid::from_u128(bits))),
        any::<Vec<u8>>().prop_map(|bytes| Value::Bytes(bytes.into())),
        any::<[i32; 2]>().prop_map(|[x, y]| Value::Geometry(Arc::new(Geometry::Point([x.into(), y.into()])))),
        any::<i64>().prop_map(|key| Value::from(record("t", key))),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let fields = proptest::collection::vec((any::<String>(), inner.clone()), 0..4);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(|items| items.into_iter().collect::<Value>()),
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::set),
            proptest::collection::vec(inner.clone(), 0..3)
                .prop_map(|items| Value::from(RecordId::new("t", Key::Array(items.into())))),
            (inner.clone(), inner).prop_map(|(start, end)| {
                Value::Range(Arc::new(Range { start: Bound::Included(start), end: Bound::Excluded(end) }))
            }),
            fields.prop_map(|fields| {
                let fields = fields.into_iter().map(|(name, value)| (Arc::from(name), value));
                Value::from(fields.collect::<Object>())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_converts_there_and_back(value in any_value()) {
        let back = convert::from_sdk(convert::to_sdk(&value).unwrap()).unwrap();
        prop_assert!(identity::are_identical(&back, &value), "{:?} is not {:?}", back, value);
    }
}

#[test]
fn what_has_no_counterpart_is_an_error() {
    let beyond = Value::Datetime(Datetime { seconds: i64::MAX, nanos: 0 });
    let broken = Value::Regex("(".into());
    let hollow = Value::Geometry(Arc::new(Geometry::Polygon(vec![])));
    for value in [beyond, broken, hollow] {
        assert!(convert::to_sdk(&value).is_err(), "{value:?}");
    }
}
