//! Values survive the way into the database and back, in every type. Catches: a type that turns into another one, a
//! lost digit.

mod support;

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use circuit::value::identity;
use circuit::{Datetime, Geometry, Key, Object, Range, RecordId, Value};
use database::convert;
use proptest::prelude::*;
use support::samples::samples;
use support::{Server, record};

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
