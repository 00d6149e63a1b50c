//! Deferred ingestion against immediate ingestion.

mod support;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use circuit::{Change, ChangeKind, Circuit, Deferred, Plan, ResultId, Step};
use support::*;

fn limited(limit: usize) -> Deferred {
    Deferred::new(NonZeroUsize::new(limit).expect("not zero"))
}

fn follow(rows: &mut BTreeMap<String, u64>, step: &Step, result: ResultId) {
    for change in step.deltas.iter().filter(|delta| delta.result == result).flat_map(|delta| &delta.changes) {
        let id = format!("{:?}", change.id);
        match change.kind {
            ChangeKind::Leave => rows.remove(&id),
            ChangeKind::Enter | ChangeKind::Update | ChangeKind::Stay => rows.insert(id, change.version),
        };
    }
}

fn rows_of(circuit: &Circuit, result: ResultId) -> BTreeMap<String, u64> {
    circuit.rows(result).iter().map(|row| (format!("{:?}", row.id), row.version)).collect()
}

/// Catches a change that is lost or doubled by waiting, and an overflow that is not flushed.
#[test]
fn waiting_changes_only_when_results_change() {
    for seed in 0..100 {
        let mut random = Random(seed);
        let mut immediate = Circuit::new(library());
        let mut circuit = Circuit::new(library());
        let limit = 1 + random.below(6) as usize;
        let mut deferred = limited(limit);
        let plans: Vec<Plan> = (0..4).map(|_| random_plan(&mut random)).collect();
        let mut clients: Vec<(ResultId, ResultId, BTreeMap<String, u64>)> = plans
            .into_iter()
            .map(|plan| (immediate.register(&plan), circuit.register(&plan), BTreeMap::new()))
            .collect();
        let mut received = 0;
        let mut version = 0;
        for _ in 0..60 {
            let batch: Vec<Change> = (0..random.below(4))
                .map(|_| {
                    version += 1;
                    random_change(&mut random, version)
                })
                .collect();
            received += batch.len();
            immediate.step(batch.clone());
            let waited = deferred.len();
            let mut flushed = circuit.ingest_deferred(&mut deferred, batch.clone());
            assert!(deferred.len() < limit, "the limit is kept");
            assert!(flushed.is_none() || waited + batch.len() >= limit, "nothing is flushed before its time");
            if flushed.is_none() && random.below(8) == 0 {
                flushed = Some(circuit.flush(&mut deferred));
            }
            let Some(step) = flushed else { continue };
            assert!(deferred.is_empty());
            assert_eq!(step.statistics.received, std::mem::take(&mut received));
            for (expected, result, rows) in &mut clients {
                follow(rows, &step, *result);
                assert_eq!(*rows, rows_of(&immediate, *expected), "seed {seed}");
                assert_eq!(immediate.digest(*expected), circuit.digest(*result), "seed {seed}");
            }
        }
    }
}

/// Catches memory that grows with the number of changes instead of the number of records.
#[test]
fn what_waits_is_bounded_by_the_number_of_records() {
    let mut circuit = Circuit::new(library());
    let mut deferred = limited(10);
    for version in 1..=10_000 {
        let step = circuit.ingest_deferred(&mut deferred, vec![row(version as i64 % 3, version, "a", 0)]);
        assert!(step.is_none() && deferred.len() <= 3);
    }
    let step = circuit.flush(&mut deferred);
    assert_eq!((step.statistics.received, step.statistics.coalesced, step.statistics.effective), (10_000, 3, 3));
    assert_eq!(circuit.flush(&mut deferred).statistics, circuit::Statistics::default(), "nothing waits any more");
}
