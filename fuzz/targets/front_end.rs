//! Any text is compiled or refused.

#![no_main]

#[path = "../../crates/query/tests/common/well_formed.rs"]
mod well_formed;

use std::sync::LazyLock;

use circuit::Object;
use libfuzzer_sys::fuzz_target;

static PARAMETERS: LazyLock<Object> = LazyLock::new(support::parameters);

fuzz_target!(init: support::judge_panics(), |bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    match query::compile(&text, &PARAMETERS) {
        Ok(query) => well_formed::assert_well_formed(&query.plan),
        Err(error) => {
            let line = text.split('\n').nth(error.line - 1).unwrap_or_else(|| panic!("no such line: {error}"));
            assert!((1..=line.chars().count() + 1).contains(&error.column), "no such column: {error}");
            assert!(!error.to_string().is_empty());
        }
    }
    // What these answer is judged by the tests of values; here they only must answer.
    let _ = query::parse_value(&text);
    let _ = query::parse_record_id(&text);
});
