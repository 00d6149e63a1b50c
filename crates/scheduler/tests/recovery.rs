//! Every way in which the end of a small log can be missing, and every byte of it that can be another one.

#[allow(dead_code, reason = "other tests use all of it")]
mod support;

use std::fs;
use std::path::Path;

use scheduler::log::wal::Wal;
use scheduler::log::{Error, EventLog, Flaw};
use support::{ALL, RECORD_HEADER, SEGMENT_HEADER, in_memory, opened, payload, read_all, segments};
use tempfile::TempDir;

/// The lengths of the payloads of each append.
const APPENDS: [&[usize]; 5] = [&[5], &[0, 17, 3], &[40], &[1, 1], &[26]];
/// Where the second of three segments begins when each holds about two appends.
const SMALL: u64 = 250;
/// All appends are in one segment.
const LARGE: u64 = 1 << 20;

/// A log in which the appends are, closed, and where in its one segment each ends.
async fn written(segment_bytes: u64) -> (TempDir, Vec<usize>) {
    let directory = in_memory();
    let log = opened(directory.path(), segment_bytes).await.expect("an empty log");
    let (mut next, mut end) = (1, SEGMENT_HEADER);
    let mut ends = Vec::new();
    for lengths in APPENDS {
        let payloads = (next..).zip(lengths).map(|(number, length)| payload(number, *length)).collect();
        assert_eq!(log.append(payloads).await.expect("an append"), next);
        next += lengths.len() as u64;
        end += lengths.iter().map(|length| RECORD_HEADER + length).sum::<usize>();
        ends.push(end);
    }
    log.close().await.expect("closed");
    (directory, ends)
}

/// How many events the first appends have.
fn events(appends: usize) -> u64 {
    APPENDS[..appends].iter().map(|lengths| lengths.len() as u64).sum()
}

/// The log holds what the first appends have put there, in order, and takes more.
async fn check(log: &Wal, appends: usize) {
    let records = read_all(log, 1, ALL).await.expect("all records");
    assert_eq!(records.len() as u64, events(appends));
    let lengths = APPENDS[..appends].iter().flat_map(|lengths| lengths.iter());
    for ((record, number), length) in records.iter().zip(1..).zip(lengths) {
        assert_eq!((record.sequence, &record.payload), (number, &payload(number, *length)));
    }
    let next = events(appends) + 1;
    assert_eq!(log.append(vec![payload(next, 9)]).await.expect("an append"), next);
    assert_eq!(log.read(next, ALL).await.expect("a record")[0].payload, payload(next, 9));
}

/// A log whose only segment is `bytes`.
async fn reopened(bytes: &[u8]) -> (TempDir, Result<Wal, Error>) {
    let directory = in_memory();
    fs::write(directory.path().join("00000000000000000001.wal"), bytes).expect("a segment");
    let log = opened(directory.path(), LARGE).await;
    (directory, log)
}

/// Catches a torn end that is taken for damage, is believed, or takes something with it that was whole.
#[tokio::test]
async fn whatever_is_missing_at_the_end_all_appends_before_it_are_there() {
    let (directory, ends) = written(LARGE).await;
    let whole = fs::read(&segments(directory.path())[0]).expect("a segment");
    assert_eq!(whole.len(), ends[ends.len() - 1] + RECORD_HEADER, "a mark is behind the records");
    for length in 0..=whole.len() {
        let (_directory, log) = reopened(&whole[..length]).await;
        if length < SEGMENT_HEADER {
            // A segment has its header before it has its name.
            let error = log.expect_err("no segment");
            assert!(matches!(error, Error::Damaged { offset: 0, flaw: Flaw::NoSegment, .. }), "{length}: {error}");
            continue;
        }
        let log = log.unwrap_or_else(|error| panic!("{length} bytes: {error}"));
        let appends = ends.iter().filter(|end| **end <= length).count();
        let end = if appends == 0 { SEGMENT_HEADER } else { ends[appends - 1] };
        let cut = log.cut().map(|cut| (cut.offset, cut.bytes));
        let is_clean = length == end || length == whole.len();
        let expected = (!is_clean).then_some((end as u64, (length - end) as u64));
        assert_eq!(cut, expected, "{length} bytes");
        check(&log, appends).await;
        log.close().await.expect("closed");
    }
}

/// Catches damage that is taken for a torn end, and damage that is believed.
#[tokio::test]
async fn whatever_byte_is_another_one_it_is_noticed_and_nothing_is_lost() {
    let (directory, ends) = written(LARGE).await;
    let whole = fs::read(&segments(directory.path())[0]).expect("a segment");
    let end = ends[ends.len() - 1];
    for at in 0..whole.len() {
        for flipped in [0x01, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= flipped;
            let (directory, log) = reopened(&bytes).await;
            let path = &segments(directory.path())[0];
            match log {
                Ok(log) => {
                    assert!(at >= end, "byte {at} is that of an acknowledged record");
                    assert_eq!(log.cut().map(|cut| cut.bytes), Some(RECORD_HEADER as u64), "only the mark is gone");
                    check(&log, APPENDS.len()).await;
                    log.close().await.expect("closed");
                }
                Err(Error::Damaged { path: named, offset, .. }) => {
                    assert!(at < end && offset as usize <= at, "byte {at} is not behind byte {offset}");
                    assert_eq!(&named, path);
                    assert_eq!(&fs::read(path).expect("a segment"), &bytes, "nothing is changed");
                }
                Err(error) => panic!("byte {at}: {error}"),
            }
        }
    }
}

/// Catches a segment before the last one that is believed to be shorter than it was.
#[tokio::test]
async fn before_the_last_segment_everything_has_to_be_there() {
    let (directory, _) = written(SMALL).await;
    let files = segments(directory.path());
    assert!(files.len() >= 3, "{files:?}");
    for file in &files[..files.len() - 1] {
        let whole = fs::read(file).expect("a segment");
        // The mark does not count once another segment follows.
        for length in 0..whole.len() - RECORD_HEADER {
            fs::write(file, &whole[..length]).expect("a shorter segment");
            expect_damage(directory.path(), file).await;
        }
        for at in 0..whole.len() - RECORD_HEADER {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            fs::write(file, &bytes).expect("a damaged segment");
            expect_damage(directory.path(), file).await;
        }
        fs::write(file, &whole).expect("the segment");
    }
    let log = opened(directory.path(), SMALL).await.expect("the log as it was");
    check(&log, APPENDS.len()).await;
}

#[tokio::test]
async fn a_segment_that_is_missing_in_between_is_noticed() {
    let (directory, _) = written(SMALL).await;
    let files = segments(directory.path());
    fs::remove_file(&files[1]).expect("one segment less");
    expect_damage(directory.path(), &files[0]).await;
}

#[tokio::test]
async fn a_segment_of_another_log_or_another_place_is_noticed() {
    let (directory, _) = written(SMALL).await;
    let files = segments(directory.path());
    let first = fs::read(&files[0]).expect("a segment");
    fs::copy(&files[1], &files[0]).expect("the second in place of the first");
    expect_damage(directory.path(), &files[0]).await;
    // The records of one log behind the header of another.
    let (other, _) = written(SMALL).await;
    let mut mixed = fs::read(&segments(other.path())[0]).expect("a segment");
    mixed[..SEGMENT_HEADER].copy_from_slice(&first[..SEGMENT_HEADER]);
    fs::write(&files[0], mixed).expect("a mixed segment");
    expect_damage(directory.path(), &files[0]).await;
}

#[tokio::test]
async fn another_version_is_refused_by_its_number() {
    let (directory, _) = written(LARGE).await;
    let mut bytes = fs::read(&segments(directory.path())[0]).expect("a segment");
    bytes[8] = 77;
    let (_directory, log) = reopened(&bytes).await;
    let error = log.expect_err("another version");
    assert!(matches!(error, Error::Damaged { flaw: Flaw::UnsupportedVersion(77), .. }), "{error}");
}

/// Damage that comes while the log is open is found when the record is read.
#[tokio::test]
async fn what_is_damaged_later_is_noticed_when_it_is_read() {
    let (directory, ends) = written(LARGE).await;
    let log = opened(directory.path(), LARGE).await.expect("a whole log");
    let file = &segments(directory.path())[0];
    let mut bytes = fs::read(file).expect("a segment");
    bytes[ends[1] + RECORD_HEADER] ^= 1;
    fs::write(file, bytes).expect("a damaged segment");
    let error = read_all(&log, 1, ALL).await.expect_err("damage");
    let expected = events(2) + 1;
    assert!(
        matches!(&error, Error::Damaged { path, offset, flaw: Flaw::Payload(event) }
            if path == file && *offset == ends[1] as u64 && *event == expected),
        "{error}"
    );
}

async fn expect_damage(directory: &Path, file: &Path) {
    match opened(directory, SMALL).await {
        Err(Error::Damaged { path, .. }) => assert_eq!(path, file),
        other => panic!("no damage in {}: {other:?}", file.display()),
    }
}
