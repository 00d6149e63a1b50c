//! Paced deltas against raw ones: who applies either ends with the same rows.

mod support;

use std::time::Duration;

use circuit::{ChangeKind, Circuit, Digest, Frequency, Pacer, Plan, ResultDelta, ResultId, Slots, Step};
use support::trees::*;
use support::*;

const FREQUENCIES: [Frequency; 3] = [Frequency::Realtime, Frequency::Normal, Frequency::Analytics];

/// Somebody who knows a result from its first rows and the deltas since, and believes nothing that does not fit.
#[derive(Default)]
struct Reader {
    followed: Followed,
    digest: Digest,
}

impl Reader {
    fn new(circuit: &Circuit, result: ResultId) -> Reader {
        let mut followed = Followed::default();
        followed.apply(&circuit.listing(result), "");
        Reader { followed, digest: circuit.digest(result).unwrap_or_default() }
    }

    fn follow(&mut self, delta: &ResultDelta) {
        self.followed.apply(&delta.changes, "");
        assert!(!delta.changes.is_empty(), "a delta says something");
        self.digest = delta.digest;
    }

    fn check(&self, circuit: &Circuit, result: ResultId) {
        let now = Reader::new(circuit, result);
        assert_eq!((&self.followed.0, self.digest), (&now.followed.0, now.digest));
    }
}

fn all() -> Plan {
    Plan::new(template(None, &[]), Slots::default(), None)
}

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A circuit with one result, read at one frequency.
struct Scene {
    circuit: Circuit,
    pacer: Pacer,
    result: ResultId,
    version: u64,
}

impl Scene {
    fn new(frequency: Frequency) -> Scene {
        let mut circuit = Circuit::new(library());
        let result = circuit.register(&all());
        let mut pacer = Pacer::default();
        assert!(pacer.subscribe(result, frequency).is_none());
        Scene { circuit, pacer, result, version: 0 }
    }

    /// Creates, updates or deletes row 1.
    fn change(&mut self, is_shown: bool) -> Vec<ResultDelta> {
        self.version += 1;
        let change = if is_shown { row(1, self.version, "a", 0) } else { deletion(1, self.version) };
        let Step { deltas, .. } = self.circuit.step(vec![change]);
        self.pacer.offer(deltas)
    }
}

/// Every way of a row through four steps, from either beginning: only the net effect is told.
#[test]
fn only_the_net_effect_of_a_row_is_told() {
    for was_shown in [false, true] {
        for way in 0..16_u32 {
            let mut scene = Scene::new(Frequency::Normal);
            scene.change(was_shown);
            scene.pacer.flush();
            let mut is_shown = was_shown;
            for step in 0..4 {
                let next = way >> step & 1 == 1;
                is_shown = next;
                assert!(scene.change(next).is_empty(), "nobody reads in real time");
            }
            let expected = match (was_shown, is_shown) {
                (false, false) => None,
                (false, true) => Some((ChangeKind::Enter, scene.version)),
                (true, true) => Some((ChangeKind::Update, scene.version)),
                // The version of what has left is not looked at.
                (true, false) => Some((ChangeKind::Leave, 0)),
            };
            let told = scene.pacer.flush();
            let changes = told.iter().flat_map(|(_, delta)| &delta.changes);
            let changes: Vec<(ChangeKind, u64)> = changes
                .map(|change| (change.kind, if change.kind == ChangeKind::Leave { 0 } else { change.version }))
                .collect();
            assert_eq!(changes, Vec::from_iter(expected), "shown: {was_shown}, then {way:04b}");
            let digests: Vec<_> = told.iter().map(|(_, delta)| Some(delta.digest)).collect();
            assert!(digests.iter().all(|digest| *digest == scene.circuit.digest(scene.result)));
            assert_eq!(scene.pacer.next_due(), None, "nothing waits any more");
        }
    }
}

/// Catches a row that a slow reader misses, sees twice, or keeps, whatever the query, and whenever somebody joins or
/// leaves.
#[test]
fn readers_of_every_frequency_end_with_the_same_rows() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let mut circuit = Circuit::new(library());
        let mut pacer = Pacer::default();
        let mut plans: Vec<Plan> = (0..3).map(|_| random_plan(&mut random)).collect();
        plans.push(repeated());
        let mut readers: Vec<(ResultId, Frequency, Reader)> = Vec::new();
        let mut now = Duration::ZERO;
        let deliver = |readers: &mut Vec<(ResultId, Frequency, Reader)>, frequency, delta: &ResultDelta| {
            let concerned = readers.iter_mut().filter(|(result, own, _)| (*result, *own) == (delta.result, frequency));
            concerned.for_each(|(_, _, reader)| reader.follow(delta));
        };
        for version in 1..200 {
            let change = match random.below(3) {
                0 => tree_change(&mut random, version),
                _ => random_change(&mut random, version),
            };
            let step = circuit.step(vec![change]);
            for delta in pacer.offer(step.deltas) {
                deliver(&mut readers, Frequency::Realtime, &delta);
            }
            now += milliseconds(random.below(80));
            for (frequency, delta) in pacer.tick(now) {
                assert_ne!(frequency, Frequency::Realtime);
                deliver(&mut readers, frequency, &delta);
            }
            match random.below(8) {
                0 => {
                    let result = circuit.register(&random.pick(&plans));
                    let frequency = random.pick(&FREQUENCIES);
                    if let Some(delta) = pacer.subscribe(result, frequency) {
                        deliver(&mut readers, frequency, &delta);
                    }
                    readers.push((result, frequency, Reader::new(&circuit, result)));
                }
                1 if !readers.is_empty() => {
                    let gone = random.below(readers.len() as u64) as usize;
                    let (result, frequency, _) = readers.swap_remove(gone);
                    pacer.unsubscribe(result, frequency);
                    circuit.unregister(result);
                }
                _ => {}
            }
            for (result, _, reader) in readers.iter().filter(|(_, frequency, _)| *frequency == Frequency::Realtime) {
                reader.check(&circuit, *result);
            }
        }
        for (frequency, delta) in pacer.flush() {
            deliver(&mut readers, frequency, &delta);
        }
        readers.iter().for_each(|(result, _, reader)| reader.check(&circuit, *result));
        assert!(pacer.flush().is_empty() && pacer.next_due().is_none(), "seed {seed}");
    }
}

#[test]
fn each_frequency_has_its_time() {
    for (frequency, interval) in [(Frequency::Normal, 100), (Frequency::Analytics, 5_000)] {
        let mut scene = Scene::new(frequency);
        assert_eq!(scene.pacer.next_due(), None);
        scene.change(true);
        assert_eq!(scene.pacer.tick(milliseconds(7)).len(), 1, "after a pause the next tick tells");
        assert_eq!(scene.pacer.next_due(), None, "a tick that has nothing to tell is not asked for");
        scene.change(true);
        assert_eq!(scene.pacer.next_due(), Some(milliseconds(7 + interval)));
        assert!(scene.pacer.tick(milliseconds(3)).is_empty(), "time that goes back makes nothing due");
        assert!(scene.pacer.tick(milliseconds(6 + interval)).is_empty());
        scene.change(true);
        let told = scene.pacer.tick(milliseconds(7 + interval));
        assert_eq!(told.iter().map(|(own, delta)| (*own, delta.changes.len())).collect::<Vec<_>>(), [(frequency, 1)]);
    }
    let mut scene = Scene::new(Frequency::Realtime);
    assert_eq!(scene.change(true).len(), 1, "real time does not wait");
    assert_eq!(scene.pacer.next_due(), None);
}

/// Catches the former readers' changes that reach somebody who reads another result under the same number.
#[test]
fn what_waits_goes_with_the_last_reader() {
    let mut scene = Scene::new(Frequency::Normal);
    assert!(scene.pacer.subscribe(scene.result, Frequency::Normal).is_none(), "nothing waits yet");
    scene.change(true);
    scene.pacer.unsubscribe(scene.result, Frequency::Normal);
    assert!(scene.pacer.next_due().is_some(), "one reader is left");
    scene.pacer.unsubscribe(scene.result, Frequency::Normal);
    assert!(scene.pacer.flush().is_empty());
    assert!(scene.change(true).is_empty() && scene.pacer.next_due().is_none(), "nobody reads");
}
