//! Many at once: appends that share a wait for the disk, readers while others append and truncate, one owner of a
//! directory.

#[allow(dead_code, reason = "other tests use all of it")]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use scheduler::log::wal::{MAX_APPEND, MAX_PAYLOAD, MAX_PAYLOADS};
use scheduler::log::{Error, EventLog, Limit};
use support::{ALL, opened, payload, read_all, segments};

/// Catches an append that waits for the disk alone.
#[tokio::test]
async fn appends_that_come_while_the_disk_is_busy_share_the_next_wait() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = opened(directory.path(), 1 << 30).await.expect("an empty log");
    // Long enough under way for all others to come meanwhile.
    let long = vec![Bytes::from(vec![7; 16 << 20]); 3];
    let mut appends = vec![log.append(long)];
    appends.extend((0..200).map(|number| log.append(vec![payload(number, 20)])));
    let firsts = join_all(appends).await;
    let mut firsts: Vec<u64> = firsts.into_iter().map(|first| first.expect("an append")).collect();
    firsts.sort_unstable();
    assert_eq!((firsts[0], firsts[200]), (1, 203));
    assert!(log.syncs() <= 3, "{} waits for 201 appends", log.syncs());

    // One after the other, each waits for itself.
    let before = log.syncs();
    for number in 0..5 {
        log.append(vec![payload(number, 20)]).await.expect("an append");
    }
    assert_eq!(log.syncs() - before, 5);
}

/// Catches a reader that sees what is not durable yet, a gap, or a record that is half written.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_follow_while_others_append_and_truncate() {
    const WRITERS: u64 = 8;
    const APPENDS: u64 = 60;
    let directory = tempfile::tempdir().expect("a directory");
    let log = Arc::new(opened(directory.path(), 8 << 10).await.expect("an empty log"));
    let is_done = Arc::new(AtomicBool::new(false));

    let writers = (0..WRITERS).map(|writer| {
        let log = log.clone();
        tokio::spawn(async move {
            let mut events = 0;
            for append in 0..APPENDS {
                let payloads: Vec<Bytes> = (0..1 + append % 3).map(|event| labelled(writer, append, event)).collect();
                events += payloads.len() as u64;
                let first = log.append(payloads.clone()).await.expect("an append");
                // What is acknowledged can be read.
                let read = log.read(first, Limit { records: payloads.len(), bytes: usize::MAX }).await;
                match read {
                    Ok(records) => {
                        assert!(!records.is_empty());
                        assert!(records.iter().zip(payloads).all(|(record, payload)| record.payload == payload));
                    }
                    Err(error) => assert!(matches!(error, Error::Truncated { .. }), "{error}"),
                }
            }
            events
        })
    });
    let writers: Vec<_> = writers.collect();
    let readers = (0..4).map(|reader| {
        let (log, is_done) = (log.clone(), is_done.clone());
        tokio::spawn(async move {
            let limit = Limit { records: 1 + reader * 7, bytes: 1_000 };
            let (mut next, mut seen) = (1, 0);
            loop {
                let was_done = is_done.load(Ordering::SeqCst);
                match log.read(next, limit).await {
                    Ok(records) if records.is_empty() && was_done => return seen,
                    Ok(records) => {
                        if records.is_empty() {
                            tokio::time::sleep(Duration::from_millis(1)).await;
                        }
                        for record in records {
                            assert_eq!(record.sequence, next);
                            assert!(record.payload.starts_with(b"writer "), "{record:?}");
                            next += 1;
                            seen += 1;
                        }
                    }
                    Err(Error::Truncated { asked, first }) => {
                        assert!(asked == next && first > next);
                        next = first;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    let truncation = {
        let (log, is_done) = (log.clone(), is_done.clone());
        tokio::spawn(async move {
            while !is_done.load(Ordering::SeqCst) {
                let range = log.range().await.expect("a range");
                log.truncate_before(range.end.saturating_sub(100).max(range.start)).await.expect("a truncation");
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        })
    };
    let mut events = 0;
    for writer in writers {
        events += writer.await.expect("a writer");
    }
    is_done.store(true, Ordering::SeqCst);
    truncation.await.expect("the truncation");
    for reader in readers {
        assert!(reader.await.expect("a reader") >= 100, "it has seen the end at least");
    }
    let range = log.range().await.expect("a range");
    assert_eq!(range.end, events + 1);
    assert!(range.start > 1, "nothing was truncated");
    // Appends are in the log in the order in which each writer has made them, and none is torn apart.
    let records = read_all(&*log, range.start, ALL).await.expect("all records");
    for writer in 0..WRITERS {
        let label = format!("writer {writer} ");
        let own: Vec<&Bytes> = records.iter().map(|record| &record.payload).collect();
        let own: Vec<&Bytes> = own.into_iter().filter(|payload| payload.starts_with(label.as_bytes())).collect();
        assert!(own.is_sorted(), "{own:?}");
    }
}

fn labelled(writer: u64, append: u64, event: u64) -> Bytes {
    Bytes::from(format!("writer {writer} append {append:03} event {event}"))
}

/// Truncation takes whole files, also all but the newest, and numbers go on behind them.
#[tokio::test]
async fn what_is_truncated_is_gone_and_its_numbers_are_not_given_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = opened(directory.path(), 300).await.expect("an empty log");
    for number in 1..=40 {
        log.append(vec![payload(number, 100)]).await.expect("an append");
    }
    let files = segments(directory.path()).len();
    assert_eq!(files, 40, "two records of 140 bytes don't fit into 300 with a header");
    log.truncate_before(21).await.expect("a truncation");
    assert_eq!(segments(directory.path()).len(), 20);
    assert_eq!(log.range().await.expect("a range"), 21..41);
    assert!(matches!(log.read(20, ALL).await, Err(Error::Truncated { asked: 20, first: 21 })));
    assert!(matches!(log.truncate_before(42).await, Err(Error::Beyond { asked: 42, next: 41 })));
    log.truncate_before(41).await.expect("a truncation");
    assert_eq!(log.range().await.expect("a range"), 40..41, "the newest segment stays");
    log.close().await.expect("closed");
    let log = opened(directory.path(), 300).await.expect("the log");
    assert_eq!(log.append(vec![payload(41, 100)]).await.expect("an append"), 41);
    log.truncate_before(41).await.expect("a truncation");
    assert_eq!(log.range().await.expect("a range"), 41..42);
}

#[tokio::test]
async fn a_directory_has_one_owner() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = opened(directory.path(), 1 << 20).await.expect("an empty log");
    let error = opened(directory.path(), 1 << 20).await.expect_err("a second owner");
    assert!(matches!(&error, Error::InUse { path } if path == directory.path()), "{error}");
    log.close().await.expect("closed");
    opened(directory.path(), 1 << 20).await.expect("a new owner");
}

#[tokio::test]
async fn the_limits_are_kept_and_reached() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = opened(directory.path(), 1 << 20).await.expect("an empty log");
    assert!(matches!(log.append(Vec::new()).await, Err(Error::Empty)));
    let error = log.append(vec![Bytes::new(); MAX_PAYLOADS + 1]).await.expect_err("too many");
    assert!(matches!(error, Error::TooMany { payloads: 65_537, limit: MAX_PAYLOADS }), "{error}");
    let large = Bytes::from(vec![7; MAX_PAYLOAD + 1]);
    let error = log.append(vec![Bytes::new(), large.clone()]).await.expect_err("too large");
    assert!(matches!(error, Error::TooLarge { what: "a payload", limit: MAX_PAYLOAD, .. }), "{error}");
    let largest = large.slice(1..);
    let error = log.append(vec![largest.clone(); 2]).await.expect_err("too large together");
    assert!(matches!(error, Error::TooLarge { what: "an append", limit: MAX_APPEND, .. }), "{error}");

    assert_eq!(log.append(vec![Bytes::new(); MAX_PAYLOADS]).await.expect("as many as may be"), 1);
    let next = MAX_PAYLOADS as u64 + 1;
    assert_eq!(log.append(vec![largest.clone(), Bytes::new()]).await.expect("as large as may be"), next);
    let small = Limit { records: 10, bytes: 10 };
    let records = log.read(next, small).await.expect("a record that is larger than the limit");
    assert_eq!((records.len(), &records[0].payload), (1, &largest));
    let records = log.read(60_000, Limit { records: usize::MAX, bytes: 10 }).await.expect("empty payloads");
    assert_eq!(records.len(), MAX_PAYLOADS - 59_999);
    log.close().await.expect("closed");
    let log = opened(directory.path(), 1 << 20).await.expect("the log");
    assert_eq!(log.range().await.expect("a range"), 1..next + 2);
    let records = log.read(next, small).await.expect("the same record");
    assert!(records.len() == 1 && records[0].payload == largest);
}

/// Who does not wait for an append takes nothing with it.
#[tokio::test]
async fn an_append_that_is_dropped_is_there_whole_or_not_at_all() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = opened(directory.path(), 1 << 20).await.expect("an empty log");
    for number in 0..50 {
        let append = log.append(vec![payload(number, 10), payload(number, 11)]);
        tokio::select! {
            biased;
            _ = append => {}
            () = tokio::task::yield_now() => {}
        }
    }
    let next = log.append(vec![payload(99, 12)]).await.expect("an append");
    assert!(next % 2 == 1, "half an append is before {next}");
    let records = read_all(&log, 1, ALL).await.expect("all records");
    for pair in records[..records.len() - 1].chunks(2) {
        assert_eq!((pair[0].payload.len(), pair[1].payload.len()), (10, 11));
    }
}
