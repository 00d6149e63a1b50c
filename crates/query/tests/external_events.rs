//! Record ids in the text of outside events: what the circuit understands without a parser, it must understand as
//! SurrealDB's parser does.

use circuit::{ExternalEvent, Value};

#[test]
fn ids_in_text_mean_what_they_mean_to_surrealql() {
    let letters = ["", "a", "Z", "e", "0", "7", "_", "-", "+", ".", " "];
    let mut keys = vec![String::new()];
    for _ in 0..4 {
        let longer = |key: &String| letters.iter().map(|letter| format!("{key}{letter}")).collect::<Vec<_>>();
        keys = keys.iter().flat_map(longer).collect();
        keys.sort();
        keys.dedup();
    }
    let words =
        ["rand", "ULID", "uuid", "NaN", "nan", "Infinity", "infinity", "none", "select", "true", "9223372036854775807"];
    let numbers = ["9223372036854775808", "-9223372036854775808", "-9223372036854775809", "00000000000000000000001"];
    keys.extend(words.iter().chain(&numbers).map(|word| (*word).to_owned()));
    let mut understood = 0;
    for key in keys {
        let text = format!("user:{key}");
        let event =
            ExternalEvent { op: "delete", table: "user", id: Value::from(&*text), content: None, version: None };
        let Ok(change) = event.into_change() else { continue };
        understood += 1;
        let parsed = query::parse_record_id(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(change.id.is_same_record(&parsed), "{text}: {:?} instead of {parsed:?}", change.id);
    }
    assert!(understood > 500, "only {understood} were understood");
}
