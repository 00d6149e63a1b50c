//! The net effect of a batch, over all short sequences of changes of one record.
//!
//! The reference is a table that is given the changes one by one and ignores outdated ones. The circuit is given them
//! as one batch, and must end with the same row and report one change at most, the right one.

mod support;

use circuit::{Change, ChangeKind, Circuit, Object, Plan, ResultId, Row, Slots, Value};
use support::*;

/// The longest sequences that are tried.
const LENGTH: usize = 5;

#[derive(Clone, Copy, Debug)]
enum Op {
    Create,
    Update,
    Delete,
}

const OPS: [Op; 3] = [Op::Create, Op::Update, Op::Delete];

/// A circuit with one result that shows all rows.
fn with_all() -> (Circuit, ResultId) {
    let mut circuit = Circuit::new(library());
    let result = circuit.register(&Plan::new(template(None, &[]), Slots::default(), None));
    (circuit, result)
}

/// A change of the record, with a content that no other position of a sequence has.
fn change(op: Op, version: u64, position: usize) -> Change {
    match op {
        Op::Create => row(1, version, "created", position as i64),
        Op::Update => row(1, version, "updated", position as i64),
        Op::Delete => deletion(1, version),
    }
}

/// Calls with every sequence of up to [`LENGTH`] of these letters.
fn for_each_sequence<T: Copy>(letters: &[T], mut act: impl FnMut(&[T])) {
    let mut digits = vec![0];
    let mut sequence = Vec::new();
    while digits.len() <= LENGTH {
        sequence.clear();
        sequence.extend(digits.iter().map(|digit: &usize| letters[*digit]));
        act(&sequence);
        match digits.iter().rposition(|digit| digit + 1 < letters.len()) {
            Some(position) => {
                digits[position] += 1;
                digits[position + 1..].fill(0);
            }
            None => digits = vec![0; digits.len() + 1],
        }
    }
}

/// A version, and what tells contents apart.
type Shown = Option<(u64, Value)>;

fn shown(row: Option<&Row>) -> Shown {
    row.map(|row| (row.version, mark(&row.content)))
}

fn content_of(change: &Change) -> Shown {
    change.content.as_ref().map(|content| (change.version, mark(content)))
}

fn mark(content: &Object) -> Value {
    content.get("priority").cloned().unwrap_or_default()
}

/// What a table holds after the changes if it ignores those that are older than what it knows, deletions included.
fn one_by_one(changes: &[Change]) -> Shown {
    let mut known = 0;
    let mut row = None;
    for change in changes {
        if change.version == 0 || change.version >= known {
            known = change.version;
            row = content_of(change);
        }
    }
    row
}

/// Catches a net effect that keeps the wrong content or version, or reports the way instead of the effect.
#[test]
fn a_batch_has_the_net_effect_of_its_changes() {
    let (mut circuit, result) = with_all();
    let id = record("thread", 1);
    let letters: Vec<(Op, u64)> = OPS.into_iter().flat_map(|op| (0..4).map(move |version| (op, version))).collect();
    let mut tried = 0;
    for_each_sequence(&letters, |sequence| {
        let batch: Vec<Change> =
            (0..).zip(sequence).map(|(position, (op, version))| change(*op, *version, position)).collect();
        let expected = one_by_one(&batch);
        // The table's version is higher than any of the batch: it must not matter.
        for is_known in [false, true] {
            circuit.step(vec![if is_known { row(1, 7, "known", 7) } else { deletion(1, 7) }]);
            let step = circuit.step(batch.clone());
            assert_eq!(shown(circuit.record(&id)), expected, "{sequence:?}");
            let kind = match (is_known, &expected) {
                (false, None) => None,
                (false, Some((version, _))) => Some((ChangeKind::Enter, *version)),
                (true, Some((version, _))) => Some((ChangeKind::Update, *version)),
                (true, None) => Some((ChangeKind::Leave, 7)),
            };
            assert_eq!(changes(&step, result), Vec::from_iter(kind), "{sequence:?}");
            assert_eq!((step.statistics.received, step.statistics.coalesced), (batch.len(), 1));
            assert_eq!(step.statistics.effective, usize::from(kind.is_some()), "{sequence:?}");
        }
        tried += 1;
    });
    assert_eq!(tried, (1..=LENGTH as u32).map(|length| letters.len().pow(length)).sum::<usize>());
}

/// Catches a late or repeated delivery that undoes a newer change. A version names a change here, as it does where
/// records are counted; the changes come in any order, any number of times.
#[test]
fn what_is_delivered_late_or_twice_changes_nothing() {
    let (mut circuit, _) = with_all();
    let id = record("thread", 1);
    for newest in OPS {
        for other in OPS {
            let by_version =
                |version: u64| change(if version == 3 { newest } else { other }, version, version as usize);
            for_each_sequence(&[1, 2, 3], |versions| {
                let highest = versions.iter().copied().max().unwrap_or_default();
                circuit.step(vec![deletion(1, 0)]);
                circuit.step(versions.iter().map(|version| by_version(*version)).collect());
                assert_eq!(shown(circuit.record(&id)), content_of(&by_version(highest)), "{versions:?}");
            });
        }
    }
}

/// Catches a result that depends on where batches are cut: in commit order it must not.
#[test]
fn in_commit_order_it_does_not_matter_where_batches_are_cut() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let (mut at_once, result) = with_all();
        let (mut cut, same_result) = with_all();
        let count = 1 + random.below(40);
        let history: Vec<Change> = (1..=count).map(|version| random_change(&mut random, version)).collect();
        at_once.step(history.clone());
        let mut rest = history;
        while !rest.is_empty() {
            let later = rest.split_off(1 + random.below(rest.len() as u64) as usize);
            cut.step(std::mem::replace(&mut rest, later));
        }
        assert_eq!(at_once.digest(result), cut.digest(same_result), "seed {seed}");
        for (table, _) in at_once.tables() {
            assert_eq!(at_once.ids(table).count(), cut.ids(table).count(), "seed {seed}");
            for id in at_once.ids(table) {
                assert_eq!(shown(at_once.record(id)), shown(cut.record(id)), "seed {seed}");
            }
        }
    }
}
