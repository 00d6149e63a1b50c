//! A registered query, and what whoever follows it knows.

use std::collections::BTreeMap;

use circuit::{ChangeKind, Circuit, Plan, ResultId, RowChange, Step, WatchId};

pub struct View {
    plan: Plan,
    result: ResultId,
    watch: WatchId,
    shown: Shown,
    answer: String,
}

/// The versions of each row, by the way to it: the same record may be several rows.
type Shown = BTreeMap<String, Vec<u64>>;

impl View {
    pub fn new(circuit: &mut Circuit, plan: Plan) -> View {
        let (result, watch) = circuit.watch(&plan);
        let shown = listed(circuit, result);
        let answer = answer(circuit, result, &plan);
        View { plan, result, watch, shown, answer }
    }

    /// Applies what a step has reported. An answer that was not reported must be as before.
    pub fn follow(&mut self, circuit: &Circuit, step: &Step) {
        for delta in step.deltas.iter().filter(|delta| delta.result == self.result) {
            apply(&mut self.shown, &delta.changes, "");
        }
        assert_eq!(self.shown, listed(circuit, self.result), "reported, and listed");
        let answer = answer(circuit, self.result, &self.plan);
        if !step.watched.contains(&self.watch) {
            assert_eq!(self.answer, answer, "a watched answer has changed, and nothing was said");
        }
        self.answer = answer;
    }

    pub fn assert_same(&self, circuit: &Circuit, other: &View, fresh: &Circuit) {
        assert_eq!(self.shown, other.shown, "kept up to date, and computed anew");
        assert_eq!(self.answer, other.answer, "kept up to date, and computed anew");
        assert_eq!(circuit.digest(self.result), fresh.digest(other.result));
    }

    pub fn end(self, circuit: &mut Circuit) {
        circuit.unwatch(self.watch);
    }
}

fn answer(circuit: &Circuit, result: ResultId, plan: &Plan) -> String {
    match circuit.answer(result, &plan.output) {
        Ok(answer) => format!("{answer:?}"),
        // Which of several rows fails first is not promised.
        Err(_) => "no answer".into(),
    }
}

fn listed(circuit: &Circuit, result: ResultId) -> Shown {
    let mut shown = Shown::new();
    apply(&mut shown, &circuit.listing(result), "");
    shown
}

fn apply(shown: &mut Shown, changes: &[RowChange], under: &str) {
    for change in changes {
        let path = format!("{under}/{:?}", change.id);
        let versions = shown.entry(path.clone()).or_default();
        if change.kind != ChangeKind::Enter {
            let position = versions.iter().position(|version| *version == change.former);
            versions.remove(position.unwrap_or_else(|| panic!("{change:?}, which is shown with {versions:?}")));
        }
        if change.kind != ChangeKind::Leave {
            versions.push(change.version);
            versions.sort_unstable();
        }
        if versions.is_empty() {
            shown.remove(&path);
        }
        for nested in &change.nested {
            apply(shown, &nested.changes, &format!("{path}.{}", nested.child));
        }
    }
}
