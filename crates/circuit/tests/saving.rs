//! Saving the state while steps go on, and going on with what was restored.

mod support;

use std::collections::BTreeMap;
use std::convert::Infallible;

use circuit::{
    Change, Circuit, Direction, Object, Operator, Plan, Reader, RestoreError, ResultDelta, RowChange, SaveError, Step,
    Template, Value,
};
use support::trees::*;
use support::*;

/// A change of one of the tables that plans in these tests read, or of an edge.
fn any_change(random: &mut Random, version: u64) -> Change {
    match random.below(6) {
        0 => {
            let id = record("wrote", random.below(4) as i64);
            let ends = [("user", "in"), ("thread", "out")].map(|(table, field)| {
                let end = record(table, random.below(3) as i64);
                (field, Value::from(end))
            });
            let content = object([("id", id.clone().into()), ends[0].clone(), ends[1].clone()]);
            Change { id, version, content: (random.below(3) != 0).then_some(content) }
        }
        1 | 2 => random_change(random, version),
        _ => tree_change(random, version),
    }
}

/// All rows of all tables that have any.
fn rows(circuit: &Circuit) -> BTreeMap<String, String> {
    let ids = circuit.tables().flat_map(|(table, _)| circuit.ids(table));
    let row = |id| circuit.record(id).expect("an id that is listed has a row");
    ids.map(|id| (format!("{id:?}"), format!("{:?}", row(id)))).collect()
}

/// The edges at every record that one may lead to.
fn edges(circuit: &Circuit) -> String {
    let mut reader = circuit.reader();
    let ends = (0..3).flat_map(|number| [record("user", number), record("thread", number)]);
    let directions = [Direction::Out, Direction::In];
    let at = ends.flat_map(|end| directions.map(|direction| reader.edges(&end.clone().into(), direction, None)));
    format!("{:?}", at.collect::<Vec<_>>())
}

fn restore(chunks: &[Vec<u8>]) -> Result<(Circuit, Vec<u8>), RestoreError<Infallible>> {
    Circuit::restore(library(), chunks.iter().cloned().map(Ok))
}

fn save(circuit: &mut Circuit, max_bytes: usize) -> Vec<Vec<u8>> {
    circuit.begin_save();
    std::iter::from_fn(|| circuit.save_chunk(max_bytes, b"").expect("nothing is too deep")).collect()
}

/// What a step means to a result, whatever the numbers of its rows are.
fn reported(step: &Step, client: &TreeClient) -> String {
    let mut deltas = step.deltas.iter().filter(|delta| delta.result == client.result);
    deltas
        .next()
        .map_or(String::new(), |ResultDelta { changes, digest, .. }| format!("{:?} {digest:?}", sorted(changes)))
}

fn sorted(changes: &[RowChange]) -> Vec<String> {
    let shown = |change: &RowChange| {
        let nested: Vec<_> = change.nested.iter().map(|nested| (nested.child, sorted(&nested.changes))).collect();
        format!("{:?} {:?} {} {} {nested:?}", change.id, change.kind, change.version, change.former)
    };
    let mut changes: Vec<String> = changes.iter().map(shown).collect();
    changes.sort();
    changes
}

/// Catches a row that is lost, that comes back from before its last change or from the dead, and anything that follows
/// from the rows and is not made again.
#[test]
fn a_state_that_is_saved_during_steps_is_restored_exactly() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let mut circuit = Circuit::new(library());
        let mut version = 0;
        let mut batch = |random: &mut Random, most: u64| {
            let mut changes = Vec::new();
            for _ in 0..random.below(most) {
                version += 1;
                changes.push(any_change(random, version));
            }
            changes
        };
        for _ in 0..random.below(20) {
            circuit.step(batch(&mut random, 4));
        }
        let mut clients: Vec<TreeClient> = Vec::new();
        for (name, plan) in tree_plans(&mut random) {
            clients.push(TreeClient::register(&mut circuit, name, plan));
        }
        let mut plans: Vec<Plan> = clients.iter().map(|client| client.plan.clone()).collect();
        plans.extend((0..5).map(|_| random_plan(&mut random)));

        circuit.begin_save();
        let mut chunks = Vec::new();
        let mut steps: u64 = 0;
        while circuit.is_saving() {
            let max_bytes = random.below(400) as usize;
            chunks.extend(circuit.save_chunk(max_bytes, &steps.to_le_bytes()).expect("nothing is too deep"));
            if circuit.is_saving() && steps < 40 {
                steps += 1;
                let step = circuit.step(batch(&mut random, 5));
                clients.iter_mut().for_each(|client| client.follow(&circuit, &step));
            }
        }
        let (mut restored, metadata) = restore(&chunks).expect("a good save is restored");
        assert_eq!(metadata, steps.to_le_bytes(), "seed {seed}");
        assert_eq!(rows(&restored), rows(&circuit), "seed {seed}");
        assert_eq!(edges(&restored), edges(&circuit), "seed {seed}");

        let again = |client: &TreeClient| TreeClient::register(&mut restored, client.name, client.plan.clone());
        let mut others: Vec<TreeClient> = clients.iter().map(again).collect();
        for plan in &plans {
            let (ours, theirs) = (circuit.register(plan), restored.register(plan));
            assert_eq!(circuit.digest(ours), restored.digest(theirs), "seed {seed}: {plan:?}");
            let answers = [circuit.answer(ours, &plan.output), restored.answer(theirs, &plan.output)];
            assert_eq!(format!("{:?}", answers[0]), format!("{:?}", answers[1]), "seed {seed}: {plan:?}");
        }
        for _ in 0..15 {
            let changes = batch(&mut random, 4);
            let (ours, theirs) = (circuit.step(changes.clone()), restored.step(changes));
            clients.iter_mut().for_each(|client| client.follow(&circuit, &ours));
            others.iter_mut().for_each(|client| client.follow(&restored, &theirs));
            for (one, other) in clients.iter().zip(&others) {
                assert_eq!(reported(&ours, one), reported(&theirs, other), "seed {seed}: {}", one.name);
                assert_eq!(one.answer, other.answer, "seed {seed}: {}", one.name);
                assert_eq!(one.followed.0, other.followed.0, "seed {seed}: {}", one.name);
            }
        }
        assert_eq!(rows(&restored), rows(&circuit), "seed {seed}");
    }
}

/// Catches damage that goes unnoticed: whatever happens to the bytes of a save, it is refused.
#[test]
fn a_damaged_save_is_always_refused() {
    let mut random = Random(1);
    let mut circuit = Circuit::new(library());
    circuit.step((0..200).map(|version| any_change(&mut random, version)).collect());
    let good = save(&mut circuit, 100);
    let other = {
        circuit.step((200..300).map(|version| any_change(&mut random, version)).collect());
        save(&mut circuit, 100)
    };
    assert!(good.len() > 5 && other.len() > 5);
    assert!(restore(&good).is_ok() && restore(&other).is_ok());
    for round in 0..20_000 {
        let mut bad = good.clone();
        let chunk = random.below(bad.len() as u64) as usize;
        let len = bad[chunk].len() as u64;
        let damage = random.below(8);
        match damage {
            0 => bad.truncate(chunk),
            1 => bad[chunk].truncate(random.below(len) as usize),
            2 => bad.extend([good[chunk].clone()]),
            3 => drop(bad.remove(chunk)),
            4 => bad[chunk] = other[chunk.min(other.len() - 2)].clone(),
            5 => bad[chunk].extend((0..=random.below(9)).map(|_| 0)),
            _ => {
                for _ in 0..=random.below(3) {
                    let at = random.below(len) as usize;
                    bad[chunk][at] ^= 1 << random.below(8);
                }
            }
        }
        if bad != good {
            assert!(restore(&bad).is_err(), "round {round}: damage {damage} of chunk {chunk} went unnoticed");
        }
    }
    let swapped = [&good[1..2], &good[0..1], &good[2..]].concat();
    assert!(matches!(restore(&swapped), Err(RestoreError::Chunk { chunk: 0, .. })));
}

#[test]
fn an_error_of_the_source_is_handed_on() {
    #[derive(Debug, thiserror::Error)]
    #[error("the disk is gone")]
    struct Gone;
    let mut circuit = Circuit::new(library());
    circuit.step(vec![row(1, 1, "a", 5), row(2, 1, "a", 5)]);
    let first = save(&mut circuit, 0).remove(0);
    let refused = Circuit::restore(library(), [Ok(first), Err(Gone)]);
    assert!(matches!(refused, Err(RestoreError::Source { chunk: 1, source: Gone })));
}

/// Catches a save that keeps ingestion waiting: for a large table, for one that was large, or for a long list of changes.
#[test]
fn a_chunk_takes_as_long_as_it_may_and_no_longer() {
    let mut circuit = Circuit::new(library());
    circuit.step((0..20_000).map(|number| row(number, 1, "an author", number)).collect());
    // Nearly all of the places are free.
    circuit.step((0..20_000).filter(|number| number % 1_000 != 0).map(|number| deletion(number, 2)).collect());
    let (budget, longest) = (2_000, 100);
    circuit.begin_save();
    let mut chunks = Vec::new();
    loop {
        let before = circuit.work();
        let Some(chunk) = circuit.save_chunk(budget, b"").expect("nothing is too deep") else { break };
        assert!(chunk.len() <= budget + longest, "{} bytes", chunk.len());
        let rows = (circuit.work() - before).rows_saved;
        assert!(rows <= budget as u64 / 8, "{rows} rows for a budget of {budget} bytes");
        chunks.push(chunk);
        if chunks.len() == 10 {
            // All that has been written is written again.
            circuit.step((0..20_000).map(|number| row(number, 3, "another author", number)).collect());
        }
    }
    assert!(chunks.len() > 20_000 / budget, "{} chunks", chunks.len());
    let (restored, _) = restore(&chunks).expect("a good save is restored");
    assert_eq!(rows(&restored), rows(&circuit));
}

#[test]
fn a_save_without_a_budget_writes_a_row_at_a_time() {
    let mut circuit = Circuit::new(library());
    circuit.step((0..5).map(|number| row(number, 1, "a", number)).collect());
    let chunks = save(&mut circuit, 0);
    assert_eq!(chunks.len(), 5);
    assert_eq!(rows(&restore(&chunks).expect("a good save is restored").0), rows(&circuit));
    assert_eq!(save(&mut Circuit::new(library()), 0).len(), 1, "an empty state is one chunk");
}

#[test]
fn a_save_can_be_abandoned_or_begun_again() {
    let mut circuit = Circuit::new(library());
    circuit.step((0..5).map(|number| row(number, 1, "a", number)).collect());
    circuit.begin_save();
    assert!(circuit.save_chunk(0, b"").is_ok_and(|chunk| chunk.is_some()));
    circuit.abandon_save();
    assert!(!circuit.is_saving());
    assert_eq!(circuit.save_chunk(0, b""), Ok(None));
    circuit.begin_save();
    assert!(circuit.save_chunk(0, b"").is_ok_and(|chunk| chunk.is_some()));
    assert!(restore(&save(&mut circuit, 100)).is_ok());
}

/// Catches a state that is saved and could not be restored.
#[test]
fn a_value_that_is_nested_too_deeply_is_an_error_of_the_save() {
    let nested = (0..600).fold(Value::Null, |value, _| [value].into_iter().collect());
    let mut circuit = Circuit::new(library());
    circuit.step(vec![with_field(1, 1, "value", nested)]);
    circuit.begin_save();
    assert_eq!(circuit.save_chunk(1_000, b""), Err(SaveError::TooDeep { table: "thread".into() }));
    assert!(!circuit.is_saving());
}

/// Measured with `cargo test --release`; the bound on the size holds in any profile.
#[test]
fn rows_are_saved_in_few_bytes() {
    const ROWS: i64 = 100_000;
    let mut circuit = Circuit::new(library());
    let thread = |number: i64| {
        let id = record("thread", number);
        let moment =
            circuit::Datetime { seconds: 1_750_000_000 + number * 37, nanos: (number * 7_919 % 1_000_000) as u32 };
        let content: Object = object([
            ("id", id.clone().into()),
            ("author", record("user", number % 5_000).into()),
            ("title", Value::from(&*format!("The title of thread number {number}"))),
            ("text", Value::from(&*"Some words of its text. ".repeat(4))),
            ("priority", Value::Int(number % 10)),
            ("score", Value::Float(number as f64 / 7.0)),
            ("created", Value::Datetime(moment)),
            ("open", Value::Bool(number % 3 == 0)),
        ]);
        Change { id, version: 1, content: Some(content) }
    };
    for number in (0..ROWS).step_by(1_000) {
        circuit.step((number..number + 1_000).map(thread).collect());
    }
    let start = std::time::Instant::now();
    let chunks = save(&mut circuit, 1 << 20);
    let saved = start.elapsed();
    let bytes: usize = chunks.iter().map(Vec::len).sum();
    let start = std::time::Instant::now();
    let (restored, _) = restore(&chunks).expect("a good save is restored");
    let read = start.elapsed();
    let rate = |time: std::time::Duration| bytes as f64 / 1e6 / time.as_secs_f64();
    println!(
        "{} bytes a row, {} chunks, saved with {:.0} MB/s, restored with {:.0} MB/s",
        bytes as f64 / ROWS as f64,
        chunks.len(),
        rate(saved),
        rate(read)
    );
    let all = Plan::new(Template::of_table("thread", vec![], None, vec![]), Default::default(), None);
    let (mut circuit, mut restored) = (circuit, restored);
    let (ours, theirs) = (circuit.register(&all), restored.register(&all));
    assert_eq!(circuit.digest(ours), restored.digest(theirs));
    // Texts, moments and floats are 150 bytes of it.
    assert!(bytes < 190 * ROWS as usize, "{bytes} bytes");
    let by_author = binary(Operator::Equal, column(0), slot(0));
    let by_author = Template::of_table("thread", vec![expr("author")], Some(by_author), vec![]);
    let plan = Plan::new(by_author, [record("user", 7).into()].into_iter().collect(), None);
    let result = restored.register(&plan);
    assert_eq!(restored.digest(result).map(|digest| digest.rows), Some(20));
}
