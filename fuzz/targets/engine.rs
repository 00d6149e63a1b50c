//! Any plan that the front end accepts is kept up to date: what the engine has after some changes is what a new one has
//! that is given the final rows at once, the reported changes lead from one to the other, and nothing stays behind.
//!
//! An input is a query, a zero byte, and the bytes that changes are made of.

#![no_main]

#[path = "engine/rows.rs"]
mod rows;
#[path = "engine/view.rs"]
mod view;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use circuit::{Change, Circuit, Object};
use libfuzzer_sys::fuzz_target;
use query::SurrealLibrary;
use rows::Script;
use view::View;

static PARAMETERS: LazyLock<Object> = LazyLock::new(support::parameters);

/// The steps that are taken; half of them before the query is registered.
const STEPS: usize = 8;

fuzz_target!(init: support::judge_panics(), |bytes: &[u8]| {
    let (text, script) = match bytes.iter().position(|byte| *byte == 0) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[][..]),
    };
    let text = String::from_utf8_lossy(text);
    let Ok(query) = query::compile(&text, &PARAMETERS) else { return };
    let plan = query.plan;
    let mut script = Script::new(&text, script);
    let mut model: BTreeMap<String, Change> = BTreeMap::new();
    let mut circuit = new_circuit();
    let mut batch = |version: usize| {
        let batch = script.batch(version as u64);
        model.extend(batch.iter().map(|change| (format!("{:?}", change.id), change.clone())));
        (batch, model.values().filter(|change| change.content.is_some()).cloned().collect::<Vec<_>>())
    };
    for version in 0..STEPS / 2 {
        circuit.step(batch(version).0);
    }
    let mut view = View::new(&mut circuit, plan.clone());
    for version in STEPS / 2..STEPS {
        let (changes, rows) = batch(version);
        let step = circuit.step(changes);
        view.follow(&circuit, &step);
        let mut fresh = new_circuit();
        fresh.step(rows);
        view.assert_same(&circuit, &View::new(&mut fresh, plan.clone()), &fresh);
    }
    view.end(&mut circuit);
    let size = circuit.size();
    let left = [size.templates, size.bindings, size.results, size.arrangements, size.attachments];
    assert_eq!(left, [0; 5], "something stays behind: {size:?}");
    let left = [size.operators, size.sets, size.dependents, size.virtual_columns];
    assert_eq!(left, [0; 4], "something stays behind: {size:?}");
});

fn new_circuit() -> Circuit {
    Circuit::new(Arc::new(SurrealLibrary))
}
