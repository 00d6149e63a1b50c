//! Plans that are trees: subqueries under rows, in conditions and in slots, rows derived from other plans.
//!
//! A circuit that has seen all changes one batch after the other must hold what a new circuit holds that is given the
//! final rows at once; and the reported changes must lead from the first listing to the last.

mod support;

use std::collections::BTreeMap;

use circuit::{Change, Circuit};
use support::trees::*;
use support::*;

/// Catches whatever an incremental step gets wrong about plans that depend on other plans.
#[test]
fn every_tree_of_plans_equals_a_fresh_one() {
    for seed in 0..40 {
        let mut random = Random(seed);
        let mut circuit = Circuit::new(library());
        let mut model: BTreeMap<String, Change> = BTreeMap::new();
        let mut clients: Vec<TreeClient> = Vec::new();
        for version in 0..60 {
            let mut batch = Vec::new();
            for part in 0..=random.below(4) {
                batch.push(tree_change(&mut random, version * 10 + part));
            }
            for change in &batch {
                model.insert(format!("{:?}", change.id), change.clone());
            }
            let step = circuit.step(batch);
            clients.iter_mut().for_each(|client| client.follow(&circuit, &step));
            match random.below(4) {
                0 | 1 => {
                    let mut known = tree_plans(&mut random);
                    let (name, plan) = known.swap_remove(random.below(known.len() as u64) as usize);
                    clients.push(TreeClient::register(&mut circuit, name, plan));
                }
                2 if clients.len() > 5 => {
                    let gone = clients.swap_remove(random.below(clients.len() as u64) as usize);
                    circuit.unwatch(gone.watch);
                }
                _ => {}
            }
            let mut fresh = Circuit::new(library());
            fresh.step(model.values().filter(|change| change.content.is_some()).cloned().collect());
            for client in &clients {
                let result = fresh.register(&client.plan);
                let expected = answer(&fresh, result, &client.plan);
                assert_eq!(client.answer, expected, "seed {seed}, version {version}: {}", client.name);
                let mut listed = Followed::default();
                listed.apply(&circuit.listing(client.result), "");
                assert_eq!(client.followed.0, listed.0, "seed {seed}, version {version}: {}", client.name);
                assert_eq!(circuit.digest(client.result), fresh.digest(result), "seed {seed}: {}", client.name);
            }
        }
        clients.iter().for_each(|client| circuit.unwatch(client.watch));
        let size = circuit.size();
        let left = (size.templates, size.bindings, size.results, size.arrangements, size.attachments);
        assert_eq!(left, (0, 0, 0, 0, 0), "something leaks");
        assert_eq!((size.operators, size.sets, size.dependents, size.virtual_columns), (0, 0, 0, 0), "something leaks");
    }
}
