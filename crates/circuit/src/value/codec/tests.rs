use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;
use uuid::Uuid;

use super::*;
use crate::value::{Datetime, File, Geometry, Key, Object, Range, RecordId, Value, identity};

fn object<const N: usize>(fields: [(&str, Value); N]) -> Object {
    fields.into_iter().map(|(name, value)| (Arc::from(name), value)).collect()
}

/// A value of every kind, with the extremes of each.
fn samples() -> Vec<Value> {
    let points = vec![[0.0, -0.0], [f64::NAN, f64::MAX]];
    let lines = vec![points.clone(), Vec::new()];
    let geometries = vec![
        Geometry::Point([1.5, -2.5]),
        Geometry::Line(points.clone()),
        Geometry::MultiPoint(points.clone()),
        Geometry::Polygon(lines.clone()),
        Geometry::MultiLine(lines.clone()),
        Geometry::MultiPolygon(vec![lines.clone(), Vec::new()]),
    ];
    let keys = [
        Key::Int(i64::MIN),
        Key::String("a key".into()),
        Key::Uuid(Uuid::from_u128(7)),
        Key::Array([Value::Int(1), Value::Float(1.0)].into()),
        Key::Object(object([("a", Value::Null)]).into()),
    ];
    let mut values = vec![Value::None, Value::Null, Value::Bool(false), Value::Bool(true)];
    values.extend([0, 1, -1, 63, 64, -65, i64::MAX, i64::MIN].map(Value::Int));
    values.extend([0.0, -0.0, 0.1, f64::NAN, -f64::NAN, f64::INFINITY, f64::MIN_POSITIVE].map(Value::Float));
    let decimals = [Decimal::ZERO, -Decimal::ZERO, Decimal::MAX, Decimal::MIN, Decimal::new(-10, 28)];
    values.extend(decimals.map(Value::Decimal));
    values.extend(["", "title", "ünïcödé \0 \u{10ffff}"].map(Value::from));
    values.extend([Duration::ZERO, Duration::MAX].map(Value::Duration));
    let moments = [(0, 0), (i64::MIN, u32::MAX), (i64::MAX, 999_999_999)];
    values.extend(moments.map(|(seconds, nanos)| Value::Datetime(Datetime { seconds, nanos })));
    values.push(Value::Uuid(Uuid::from_u128(u128::MAX)));
    values.extend(geometries.iter().map(|geometry| Value::Geometry(geometry.clone().into())));
    values.push(Value::Geometry(Geometry::Collection(geometries).into()));
    values.push(Value::Bytes([0, 255].into()));
    values.push(Value::Table("thread".into()));
    values.extend(keys.map(|key| RecordId::new("thread", key).into()));
    values.push(Value::File(File { bucket: "b".into(), key: "k".into() }.into()));
    values.push(Value::Regex("a.*b".into()));
    let bounds = [Bound::Unbounded, Bound::Included(Value::Int(1)), Bound::Excluded(Value::from("x"))];
    for (start, end) in bounds.iter().zip(bounds.iter().cycle().skip(1)) {
        values.push(Value::Range(Range { start: start.clone(), end: end.clone() }.into()));
    }
    let nested =
        object([("list", values.clone().into_iter().collect()), ("object", object([("x", true.into())]).into())]);
    values.push(Value::set([Value::Int(3), Value::Int(1)]));
    values.push(Object::from_iter([]).into());
    values.push(nested.into());
    values
}

fn rows() -> Vec<(RecordId, Object)> {
    let rows = samples().into_iter().zip(0..).map(|(value, number)| {
        let id = RecordId::new("thread", Key::Int(number));
        let other = RecordId::new("thread", Key::Int(number + 1));
        let content = object([("id", id.clone().into()), ("next", other.into()), ("value", value)]);
        (id, content)
    });
    rows.collect()
}

fn encoded(rows: &[(RecordId, Object)]) -> Vec<u8> {
    let mut encoder = Encoder::behind(Vec::new());
    for (id, content) in rows {
        encoder.record_id(id).expect("not too deep");
        encoder.content(content, id).expect("not too deep");
    }
    encoder.into_bytes()
}

fn decoded(bytes: &[u8]) -> Result<Vec<(RecordId, Object)>, Malformed> {
    let mut decoder = Decoder::new(bytes);
    let mut rows = Vec::new();
    while !decoder.is_at_end() {
        let id = decoder.record_id()?;
        let content = decoder.content(&id)?;
        rows.push((id, content));
    }
    Ok(rows)
}

/// Catches a kind of value that comes back as another, or as one that only compares as equal.
#[test]
fn every_kind_of_value_comes_back_identical() {
    let rows = rows();
    let again = decoded(&encoded(&rows)).expect("what was written can be read");
    assert_eq!(rows.len(), again.len());
    for ((id, content), (same_id, same_content)) in rows.iter().zip(&again) {
        assert!(id.is_same_record(same_id));
        assert!(identity::are_identical_objects(content, same_content), "{content:?} became {same_content:?}");
    }
}

#[test]
fn names_and_the_own_id_are_written_once() {
    let row = |number| {
        let id = RecordId::new("a_long_name_of_a_table", Key::Int(number));
        (id.clone(), object([("a_long_name_of_a_field", Value::Int(1)), ("id", id.into())]))
    };
    let (one, two) = (encoded(&[row(1)]).len(), encoded(&[row(1), row(2)]).len());
    // Table, key (2), shape, value (2), own id.
    assert_eq!(two - one, 7);
}

/// Catches a panic, or an endless loop, on bytes that no encoder wrote.
#[test]
fn any_bytes_are_read_or_refused() {
    let good = encoded(&rows());
    let mut state = 1u64;
    let mut below = |bound: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % bound
    };
    let mut refused = 0;
    for _ in 0..50_000 {
        let mut bad = good[..=below(good.len())].to_vec();
        for _ in 0..below(4) {
            let at = below(bad.len());
            bad[at] = below(256) as u8;
        }
        refused += usize::from(decoded(&bad).is_err());
    }
    assert!(refused > 40_000, "only {refused} were noticed");
}

#[test]
fn a_length_that_lies_is_refused_before_memory_is_reserved() {
    let lie = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let few = Malformed("it has fewer items than it says");
    for start in [&[0][..], &[0, 1, b't', tag::STRING], &[0, 1, b't', tag::ARRAY], &[0, 1, b't', tag::INT, 0, 0]] {
        assert_eq!(decoded(&[start, &lie[..]].concat()).map(|_| ()), Err(few), "{start:?}");
    }
    // Each of many lists in each other says that it is as long as what is left.
    let mut nested = vec![0, 1, b't', tag::ARRAY];
    for _ in 0..100_000 {
        nested.extend([0x80, 0x20, tag::ARRAY]);
    }
    assert_eq!(decoded(&nested).map(|_| ()), Err(Malformed("a value is nested too deeply")));
}

/// Catches a state that can be saved and not restored.
#[test]
fn the_deepest_value_that_is_written_can_be_read() {
    let row = |depth| {
        let id = RecordId::new("t", Key::Int(1));
        let nest = |value: Value, level: usize| match level % 3 {
            0 => [value].into_iter().collect(),
            1 => object([("a", value)]).into(),
            _ => RecordId::new("u", Key::Array([value].into())).into(),
        };
        (id, object([("value", (0..depth).fold(Value::Null, nest))]))
    };
    let (id, deepest) = row(MAX_DEPTH);
    assert!(decoded(&encoded(&[(id, deepest)])).is_ok());
    let (id, deeper) = row(MAX_DEPTH + 1);
    assert_eq!(Encoder::behind(Vec::new()).content(&deeper, &id), Err(TooDeep));
    let parts = |depth| (0..depth).fold(Geometry::Point([0.0; 2]), |part, _| Geometry::Collection(vec![part]));
    let geometry = |depth| object([("value", Value::Geometry(parts(depth).into()))]);
    assert!(decoded(&encoded(&[(id.clone(), geometry(MAX_DEPTH))])).is_ok());
    assert_eq!(Encoder::behind(Vec::new()).content(&geometry(MAX_DEPTH + 1), &id), Err(TooDeep));
}

#[test]
fn what_is_out_of_form_is_named() {
    let id = [0, 1, b't', tag::INT, 0];
    for (content, problem) in [
        (&[0, 2, 1, 1, b'b', 2, 1, b'a'][..], "the names of fields are out of order"),
        (&[0, 2, 1, 1, b'b', 1], "the names of fields are out of order"),
        (&[0, 1, 1, 1, 0xff], "a text is no UTF-8"),
        (&[0, 1, 0, tag::DURATION, 0, 0x80, 0x94, 0xeb, 0xdc, 3], "a second has too many nanoseconds"),
        (&[0, 1, 0, 99], "a value has an unknown tag"),
        (&[7], "a name or shape is used before it is defined"),
        (&[0, 1, 0, tag::RECORD, 0, tag::FLOAT], "a record has an unknown kind of key"),
    ] {
        let bytes = [&id[..], content].concat();
        assert_eq!(decoded(&bytes).map(|_| ()), Err(Malformed(problem)), "{content:?}");
    }
}
