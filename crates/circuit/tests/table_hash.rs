//! Hashes of tables: equal for equal rows, whatever way led there, and different for any other rows.

mod support;

use std::collections::BTreeMap;
use std::convert::Infallible;

use circuit::{Change, Circuit, Digest, Executor, Value, row_hash};
use support::trees::tree_change_among;
use support::*;

/// Runs one part after the other, and says that it is several threads.
struct Parts;

impl Executor for Parts {
    fn threads(&self) -> usize {
        4
    }

    fn run(&self, parts: usize, work: &(dyn Fn(usize) + Sync)) {
        (0..parts).rev().for_each(work);
    }
}

fn hashing() -> Circuit {
    let mut circuit = Circuit::new(library());
    circuit.hash_tables();
    circuit
}

fn digests(circuit: &Circuit) -> BTreeMap<String, (u64, u128)> {
    let of_table = |(name, Digest { rows, hash }): (&std::sync::Arc<str>, Digest)| (name.to_string(), (rows, hash));
    circuit.table_digests().filter(|(_, digest)| digest.rows > 0 || digest.hash != 0).map(of_table).collect()
}

/// All rows of a circuit as changes, in no particular order.
fn rows(circuit: &Circuit) -> Vec<Change> {
    let ids = circuit.tables().flat_map(|(table, _)| circuit.ids(table));
    let row = |id: &std::sync::Arc<circuit::RecordId>| circuit.record(id).expect("an id that is listed has a row");
    let change =
        |row: &circuit::Row| Change { id: (*row.id).clone(), version: row.version, content: Some(row.content.clone()) };
    ids.map(row).map(change).collect()
}

fn restored(circuit: &mut Circuit) -> Circuit {
    circuit.begin_save();
    let chunks: Vec<Vec<u8>> =
        std::iter::from_fn(|| circuit.save_chunk(500, b"").expect("nothing is too deep")).collect();
    let (mut restored, _) = Circuit::restore(library(), chunks.into_iter().map(Ok::<_, Infallible>)).expect("restored");
    restored.hash_tables();
    restored
}

/// Catches a change that is hashed twice, not at all, or not taken off again, in every way that changes take.
#[test]
fn equal_rows_have_equal_hashes_however_they_came() {
    for seed in 0..40 {
        let mut random = Random(seed);
        let (mut one, mut parallel, mut late) = (hashing(), hashing(), Circuit::new(library()));
        for version in 1..30 {
            let count = random.pick(&[1, 7, 300]);
            let change = |number: u64| match number % 2 {
                0 => random_change(&mut random, version),
                _ => tree_change_among(&mut random, version, 200),
            };
            let batch: Vec<Change> = (0..count).map(change).collect();
            one.step(batch.clone());
            parallel.step_with(batch.clone(), &Parts);
            late.step(batch);
        }
        let expected = digests(&one);
        assert!(expected.values().any(|(rows, _)| *rows > 2), "{expected:?}");
        late.hash_tables();
        let mut reversed = hashing();
        reversed.step(rows(&one).into_iter().rev().collect());
        let from_file = restored(&mut one);
        for other in [&parallel, &late, &reversed, &from_file] {
            assert_eq!(digests(other), expected, "seed {seed}");
        }
        for (table, (count, hash)) in &expected {
            let mut sum: u128 = 0;
            let (mut place, mut found) = (Some(0), 0);
            while let Some(first) = place {
                let page = one.row_hashes(table, first, 3);
                assert!(page.rows.len() <= 3);
                found += page.rows.len() as u64;
                sum = page.rows.iter().fold(sum, |sum, (_, hash)| sum.wrapping_add(*hash));
                place = page.next;
            }
            assert_eq!((found, sum), (*count, *hash), "{table}");
        }
        let gone = rows(&one).into_iter().map(|row| Change { content: None, ..row }).collect();
        one.step(gone);
        assert!(digests(&one).is_empty(), "nothing is left of what is gone");
    }
}

/// Catches a hash that looks only at some of what a record is. The version is not part of it: the database keeps it apart.
#[test]
fn contents_are_told_apart_by_values_and_types() {
    let of = |change: Change| row_hash(&change.id, change.content.as_ref().expect("content"));
    let field = |field, value: Value| of(with_field(1, 1, field, value));
    let hashes = [
        field("n", 1.into()),
        field("n", Value::Float(1.0)),
        field("n", "1".into()),
        field("m", 1.into()),
        field("n", Value::Null),
        of(with_field(2, 1, "n", 1.into())),
        field("n", [Value::from(1)].into_iter().collect()),
        row_hash(&record("other", 1), &object([("n", 1.into())])),
    ];
    for (at, hash) in hashes.iter().enumerate() {
        assert!(!hashes[..at].contains(hash), "number {at}");
    }
    assert_eq!(of(with_field(1, 7, "n", 1.into())), hashes[0]);
    // Hashes of other processes are compared with this one.
    assert_eq!(row_hash(&record("t", 1), &object([("n", 1.into())])), 6763319239343018680294832511444643272);
}

#[test]
fn a_circuit_that_was_not_told_to_keeps_no_hashes() {
    let mut circuit = Circuit::new(library());
    circuit.step(vec![row(1, 1, "ann", 1)]);
    assert_eq!(circuit.table_digests().map(|(_, digest)| (digest.rows, digest.hash)).collect::<Vec<_>>(), [(1, 0)]);
}
