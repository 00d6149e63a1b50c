//! The circuit against a model that recomputes everything: after every batch of random changes, every result must be
//! what filtering, sorting and cutting all rows gives, and the reported changes must lead from the former result to the
//! present one.
//!
//! What SurrealDB itself would answer is the oracle test's business; this one needs no database and tries far more
//! steps.

mod support;

use std::collections::BTreeMap;

use circuit::{Change, ChangeKind, Circuit, Digest, Operator, Plan, ResultId, Slots, Step, Template, Value, Window};
use support::*;

/// A result as a client would hold it: built from the first rows and the reported changes only.
struct Client {
    plan: Plan,
    result: ResultId,
    rows: BTreeMap<String, u64>,
}

impl Client {
    fn register(circuit: &mut Circuit, plan: Plan) -> Client {
        let result = circuit.register(&plan);
        let rows = circuit.rows(result).iter().map(|row| (format!("{:?}", row.id), row.version)).collect();
        Client { plan, result, rows }
    }

    fn follow(&mut self, step: &Step) {
        for delta in step.deltas.iter().filter(|delta| delta.result == self.result) {
            for change in &delta.changes {
                let id = format!("{:?}", change.id);
                let was = match change.kind {
                    ChangeKind::Leave => self.rows.remove(&id),
                    ChangeKind::Enter | ChangeKind::Update | ChangeKind::Stay => {
                        self.rows.insert(id.clone(), change.version)
                    }
                };
                let was_shown = was.is_some();
                assert_eq!(was_shown, change.kind != ChangeKind::Enter, "{id} in {:?}", self.plan);
            }
            assert_eq!(delta.digest.rows, self.rows.len() as u64);
        }
    }
}

/// Catches anything that an incremental step gets wrong: routing, windows, links, coalescing, digests.
#[test]
fn every_result_equals_a_recomputation() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let mut circuit = Circuit::new(library());
        let mut model: BTreeMap<String, Change> = BTreeMap::new();
        let mut clients: Vec<Client> = Vec::new();
        let mut version = 0;
        for _ in 0..120 {
            let mut batch = Vec::new();
            for _ in 0..=random.below(4) {
                version += 1;
                batch.push(random_change(&mut random, version));
            }
            for change in &batch {
                model.insert(format!("{:?}", change.id), change.clone());
            }
            let step = circuit.step(batch);
            clients.iter_mut().for_each(|client| client.follow(&step));
            match random.below(6) {
                0 | 1 => clients.push(Client::register(&mut circuit, random_plan(&mut random))),
                2 if !clients.is_empty() => {
                    let gone = clients.swap_remove(random.below(clients.len() as u64) as usize);
                    circuit.unregister(gone.result);
                }
                _ => {}
            }
            for client in &clients {
                let expected = expected_rows(&model, &client.plan);
                let order =
                    |rows: Vec<circuit::Row>| rows.iter().map(|row| format!("{:?}", row.id)).collect::<Vec<_>>();
                let shown = order(circuit.rows(client.result));
                let mut by_name = expected.iter().map(|change| format!("{:?}", change.id)).collect::<Vec<_>>();
                if client.plan.window.is_some() {
                    assert_eq!(shown, by_name, "seed {seed}: {:?}", client.plan);
                }
                by_name.sort();
                assert_eq!(client.rows.keys().cloned().collect::<Vec<_>>(), by_name, "seed {seed}: {:?}", client.plan);
                let versions = expected.iter().all(|change| client.rows[&format!("{:?}", change.id)] == change.version);
                assert!(versions, "seed {seed}: a version is stale in {:?}", client.plan);
            }
            check_digests(&circuit, &clients);
        }
        clients.iter().for_each(|client| circuit.unregister(client.result));
        let size = circuit.size();
        assert_eq!((size.templates, size.bindings, size.results, size.arrangements), (0, 0, 0, 0), "something leaks");
    }
}

/// The digest that was kept up to date equals that of a registration from nothing.
fn check_digests(circuit: &Circuit, clients: &[Client]) {
    let mut fresh: BTreeMap<ResultId, Digest> = BTreeMap::new();
    for client in clients {
        let digest = circuit.digest(client.result).expect("the result is registered");
        assert_eq!(*fresh.entry(client.result).or_insert(digest), digest);
        assert_eq!(digest.rows as usize, client.rows.len());
    }
    let mut again = Circuit::new(library());
    for (table, _) in circuit.tables() {
        let rows = circuit.ids(table).filter_map(|id| circuit.record(id)).map(|row| Change {
            id: (*row.id).clone(),
            version: row.version,
            content: Some(row.content.clone()),
        });
        again.step(rows.collect());
    }
    for client in clients {
        let result = again.register(&client.plan);
        assert_eq!(again.digest(result), circuit.digest(client.result), "{:?}", client.plan);
    }
}

/// Catches a batch that reports the way instead of the effect.
#[test]
fn a_batch_reports_its_net_effect() {
    let mut circuit = Circuit::new(library());
    let all = Plan::new(template(None, &[]), Slots::default(), None);
    let result = circuit.register(&all);
    let step = circuit.step(vec![row(1, 1, "a", 5), deletion(1, 2)]);
    assert!(step.deltas.is_empty(), "created and deleted is nothing");
    let step = circuit.step(vec![row(1, 3, "a", 5), row(1, 4, "b", 6)]);
    assert_eq!(changes(&step, result), [(ChangeKind::Enter, 4)]);
    let step = circuit.step(vec![deletion(1, 5), row(1, 6, "c", 7)]);
    assert_eq!(changes(&step, result), [(ChangeKind::Update, 6)]);
    let step = circuit.step(vec![row(1, 6, "c", 7)]);
    assert!(step.deltas.is_empty(), "the same change again is nothing");
    assert_eq!(step.statistics.effective, 0);
    let step = circuit.step(vec![row(1, 7, "d", 8), deletion(1, 8)]);
    assert_eq!(changes(&step, result), [(ChangeKind::Leave, 6)]);
}

/// Catches windows that are not true windows: a row that leaves must pull in the next.
#[test]
fn a_window_pulls_in_the_next_row() {
    let mut circuit = Circuit::new(library());
    circuit.step((1..=5).map(|id| row(id, 1, "a", id)).collect());
    let plan =
        Plan::new(template(None, &[("priority", true)]), Slots::default(), Some(Window { start: 1, limit: Some(2) }));
    let result = circuit.register(&plan);
    let ids = |circuit: &Circuit| circuit.rows(result).iter().map(|row| row.id.key.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&circuit), [key(4), key(3)]);
    let step = circuit.step(vec![deletion(5, 2)]);
    assert_eq!(ids(&circuit), [key(3), key(2)]);
    assert_eq!(changes(&step, result), [(ChangeKind::Enter, 1), (ChangeKind::Leave, 1)]);
    circuit.step(vec![row(3, 2, "a", 0)]);
    assert_eq!(ids(&circuit), [key(2), key(1)]);
}

/// Catches a missed dependency: the row does not change, the record it links to does.
#[test]
fn a_change_of_a_linked_record_moves_rows() {
    let mut circuit = Circuit::new(library());
    let filter = binary(Operator::Equal, column(0), slot(0));
    let template = Template::of_table("thread", vec![expr("author.name")], Some(filter), Vec::new());
    circuit.step(vec![user(7, 1, "Ada"), linked(1, 1, 7), linked(2, 1, 8)]);
    let ada = circuit.register(&Plan::new(template, slots(["Ada"]), None));
    assert_eq!(circuit.rows(ada).len(), 1);
    let step = circuit.step(vec![user(8, 1, "Ada")]);
    assert_eq!(changes(&step, ada), [(ChangeKind::Enter, 1)]);
    let step = circuit.step(vec![user(7, 2, "Grace")]);
    assert_eq!(changes(&step, ada), [(ChangeKind::Leave, 1)]);
    let step = circuit.step(vec![user(8, 2, "Ada")]);
    assert!(step.deltas.is_empty(), "the row's own content did not change");
}

/// Catches numbers that compare as equal and are filed under different hashes.
#[test]
fn equal_numbers_of_all_kinds_are_routed_alike() {
    let mut circuit = Circuit::new(library());
    let filter = binary(Operator::Equal, column(0), slot(0));
    let template = Template::of_table("thread", vec![expr("priority")], Some(filter), Vec::new());
    let tenth = rust_decimal::Decimal::new(1, 1);
    for (value, equals) in [
        (Value::Float(3.0), Value::Int(3)),
        (Value::Decimal(3.into()), Value::Int(3)),
        (Value::Float(0.1), Value::Decimal(tenth)),
        (Value::Float(-0.0), Value::Int(0)),
    ] {
        let result = circuit.register(&Plan::new(template.clone(), [value].into_iter().collect(), None));
        let step = circuit.step(vec![with_field(9, 1, "priority", equals)]);
        assert_eq!(changes(&step, result), [(ChangeKind::Enter, 1)]);
        circuit.step(vec![deletion(9, 2)]);
        circuit.unregister(result);
    }
}
