//! What the targets have in common.

use std::collections::BTreeSet;
use std::panic::PanicHookInfo;
use std::sync::{Mutex, PoisonError};

use circuit::{Object, Value};

/// The parameters that queries may use; those of the deterministic tests.
pub fn parameters() -> Object {
    match query::parse_value("{ p: { x: 1 }, given: 1, link: t:1, ids: [t:1, t:2], n: 7, a: NONE }") {
        Ok(Value::Object(parameters)) => (*parameters).clone(),
        other => panic!("no parameters: {other:?}"),
    }
}

/// Makes panics of our own code findings, also where they would be caught.
///
/// SurrealDB's functions may panic: the front end and the engine catch that, and know no answer then. These are told
/// once for each place.
pub fn judge_panics() {
    let told: Mutex<BTreeSet<String>> = Mutex::default();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        if is_ours(panic) {
            eprintln!("{panic}\n{}", std::backtrace::Backtrace::force_capture());
            std::process::abort();
        }
        if told.lock().unwrap_or_else(PoisonError::into_inner).insert(place) {
            eprintln!("in a library: {panic}");
        }
    }));
}

fn is_ours(panic: &PanicHookInfo<'_>) -> bool {
    let ours = ["crates/circuit/", "crates/query/", "targets/"];
    panic.location().is_none_or(|place| ours.iter().any(|folder| place.file().contains(folder)))
}
