//! The log against a model of it: a list of payloads, and how far it was truncated.

#[allow(dead_code, reason = "other tests use all of it")]
mod support;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use scheduler::log::wal::{Settings, Wal};
use scheduler::log::{Error, EventLog, Limit};
use support::payload;

#[derive(Clone, Debug)]
enum Action {
    /// Appends payloads of these lengths.
    Append(Vec<usize>),
    /// Appends at the same time.
    AppendTogether(Vec<usize>),
    /// Reads from a place in the log, or a little outside of it.
    Read {
        from: f64,
        records: usize,
        bytes: usize,
    },
    /// Truncates before a place in the log, or a little outside of it.
    Truncate(f64),
    Reopen,
}

fn action() -> impl Strategy<Value = Action> {
    let length = prop_oneof![4 => 0..60usize, 1 => 60..900usize];
    prop_oneof![
        6 => vec(length.clone(), 1..6).prop_map(Action::Append),
        2 => vec(length, 1..8).prop_map(Action::AppendTogether),
        6 => (-0.1..1.1, 0..12usize, 0..2_000usize)
            .prop_map(|(from, records, bytes)| Action::Read { from, records, bytes }),
        2 => (-0.1..1.1).prop_map(Action::Truncate),
        1 => Just(Action::Reopen),
    ]
}

struct Model {
    payloads: Vec<Bytes>,
    /// The lowest number that may not have been removed.
    kept_from: u64,
}

impl Model {
    fn next(&self) -> u64 {
        self.payloads.len() as u64 + 1
    }

    /// New payloads of these lengths.
    fn make(&self, lengths: &[usize]) -> Vec<Bytes> {
        (self.next()..).zip(lengths).map(|(number, length)| payload(number, *length)).collect()
    }

    fn number(&self, place: f64) -> u64 {
        (place * self.next() as f64).max(0.0) as u64
    }
}

async fn run(actions: Vec<Action>, segment_bytes: u64) -> Result<(), TestCaseError> {
    let directory = support::in_memory();
    let settings = Settings { segment_bytes, ..Settings::new(directory.path().join("log")) };
    let mut log = Wal::open(settings.clone()).await.expect("an empty log");
    let mut model = Model { payloads: Vec::new(), kept_from: 1 };
    for action in actions {
        match action {
            Action::Append(lengths) => {
                let payloads = model.make(&lengths);
                prop_assert_eq!(log.append(payloads.clone()).await.expect("an append"), model.next());
                model.payloads.extend(payloads);
            }
            Action::AppendTogether(lengths) => {
                let payloads = model.make(&lengths);
                let appends = payloads.iter().map(|payload| log.append(vec![payload.clone()]));
                let firsts = futures::future::join_all(appends).await;
                let firsts: Vec<u64> = firsts.into_iter().map(|first| first.expect("an append")).collect();
                let mut numbered: Vec<_> = firsts.into_iter().zip(payloads).collect();
                numbered.sort_by_key(|(first, _)| *first);
                for (first, payload) in numbered {
                    prop_assert_eq!(first, model.next());
                    model.payloads.push(payload);
                }
            }
            Action::Read { from, records, bytes } => {
                check_read(&log, &model, model.number(from), Limit { records, bytes }).await?;
            }
            Action::Truncate(place) => {
                let sequence = model.number(place);
                let before = log.range().await.expect("a range").start;
                let outcome = log.truncate_before(sequence).await;
                if sequence > model.next() {
                    let Err(Error::Beyond { asked, next }) = outcome else { panic!("it is beyond the log") };
                    prop_assert_eq!((asked, next), (sequence, model.next()));
                } else {
                    outcome.expect("a truncation");
                    model.kept_from = model.kept_from.max(sequence);
                    let start = log.range().await.expect("a range").start;
                    prop_assert!(start >= before && start <= model.kept_from.max(1));
                    // What stays before the number is stored together with it.
                    let left = (start..sequence).map(|number| 40 + model.payloads[number as usize - 1].len() as u64);
                    prop_assert!(left.sum::<u64>() <= segment_bytes.max(5 * 940), "too much is left");
                }
            }
            Action::Reopen => {
                let range = log.range().await.expect("a range");
                log.close().await.expect("closed");
                log = Wal::open(settings.clone()).await.expect("the same log");
                prop_assert_eq!(log.cut(), None);
                prop_assert_eq!(log.range().await.expect("a range"), range);
            }
        }
        prop_assert_eq!(log.range().await.expect("a range").end, model.next());
    }
    let start = log.range().await.expect("a range").start;
    check_read(&log, &model, start, support::ALL).await
}

async fn check_read(log: &Wal, model: &Model, from: u64, limit: Limit) -> Result<(), TestCaseError> {
    let range = log.range().await.expect("a range");
    let answer = match log.read(from, limit).await {
        Err(Error::Truncated { asked, first }) => {
            prop_assert!(from < range.start && asked == from && first == range.start);
            return Ok(());
        }
        Err(Error::Beyond { asked, next }) => {
            prop_assert!(from > range.end && asked == from && next == range.end);
            return Ok(());
        }
        answer => answer.expect("an answer"),
    };
    prop_assert!(range.start <= from && from <= range.end);
    prop_assert_eq!(answer.is_empty(), from == range.end, "nothing is answered at the end only");
    let size: usize = answer.iter().map(|record| record.payload.len()).sum();
    prop_assert!(answer.len() <= limit.records.max(1));
    prop_assert!(size <= limit.bytes || answer.len() == 1);
    for (record, number) in answer.iter().zip(from..) {
        prop_assert_eq!(record.sequence, number);
        prop_assert_eq!(&record.payload, &model.payloads[number as usize - 1]);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Catches what depends on where a segment happens to end.
    #[test]
    fn the_log_is_its_model(actions in vec(action(), 1..60), segment_bytes in 1..6_000u64) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
        runtime.block_on(run(actions, segment_bytes))?;
    }
}
