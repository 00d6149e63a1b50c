//! A disk that has no room, and one that does not keep what it was given. Each test runs in a process of its own, whose
//! system calls fail, or whose disk is small.

#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "other tests use all of it")]
mod support;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use scheduler::log::wal::Wal;
use scheduler::log::{Error, EventLog};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use support::{ALL, RECORD_HEADER, SEGMENT_HEADER, opened, payload, read_all, segments};

/// Tells a process that it is the one with the faults.
const CHILD: &str = "SPKY_TEST_LOG";

/// The directory of the log, in the process with the faults.
fn child() -> Option<PathBuf> {
    env::var_os(CHILD).map(PathBuf::from)
}

/// Runs a test of this file in a process that a shell has prepared. What it says is shown when it fails.
fn run_child(test: &str, directory: &Path, preparation: &[&str]) {
    let test_binary = env::current_exe().expect("this test");
    let (program, arguments) = preparation.split_first().expect("a preparation");
    let output = Command::new(program)
        .args(arguments)
        .arg(test_binary)
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, directory)
        .output()
        .expect("a child");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(work)
}

/// A log with what was acknowledged.
struct Filled {
    log: Wal,
    payloads: Vec<Bytes>,
}

impl Filled {
    async fn new(directory: &Path, segment_bytes: u64) -> Filled {
        Filled { log: opened(directory, segment_bytes).await.expect("an empty log"), payloads: Vec::new() }
    }

    async fn append(&mut self, length: usize) -> Result<(), Error> {
        let next = self.payloads.len() as u64 + 1;
        let payload = payload(next, length);
        assert_eq!(self.log.append(vec![payload.clone()]).await?, next, "numbers of failed appends are given again");
        self.payloads.push(payload);
        Ok(())
    }

    /// Everything that was acknowledged and not truncated can be read, and nothing else.
    async fn check(&self) {
        let range = self.log.range().await.expect("a range");
        assert_eq!(range.end, self.payloads.len() as u64 + 1);
        let records = read_all(&self.log, range.start, ALL).await.expect("all records");
        assert_eq!(records.len() as u64, range.end - range.start);
        for record in records {
            assert_eq!(record.payload, self.payloads[record.sequence as usize - 1]);
        }
    }

    async fn reopen(self, directory: &Path, segment_bytes: u64) -> Filled {
        self.log.close().await.expect("closed");
        Filled { log: opened(directory, segment_bytes).await.expect("the log"), payloads: self.payloads }
    }
}

fn expect_full(outcome: Result<(), Error>) {
    let error = outcome.expect_err("no room");
    assert!(matches!(error, Error::Full { .. }), "{error}");
}

/// Catches a part of an append that stays in a file, and a log that is of no use any more once a file could not grow.
#[test]
fn files_that_may_not_grow() {
    let Some(directory) = child() else {
        let directory = tempfile::tempdir().expect("a directory");
        let ignoring = "trap '' XFSZ; exec \"$0\" \"$@\"";
        return run_child("files_that_may_not_grow", directory.path(), &["sh", "-c", ignoring]);
    };
    const ROOM: u64 = 32 << 10;
    block_on(async {
        let mut filled = Filled::new(&directory, 1 << 30).await;
        let (_, most) = getrlimit(Resource::RLIMIT_FSIZE).expect("a limit");
        setrlimit(Resource::RLIMIT_FSIZE, ROOM, most).expect("a lower limit");
        let full = loop {
            if let Err(error) = filled.append(1_000).await {
                break error;
            }
        };
        expect_full(Err(full));
        assert_eq!(filled.payloads.len(), (ROOM as usize - SEGMENT_HEADER) / (1_000 + RECORD_HEADER));
        filled.check().await;
        // Another file has room for as much, but none has room for this.
        for _ in 0..3 {
            expect_full(filled.append(ROOM as usize).await);
            filled.append(1_000).await.expect("an append that fits");
        }
        filled.check().await;
        let mut filled = filled.reopen(&directory, 1 << 30).await;
        filled.check().await;
        expect_full(filled.append(ROOM as usize).await);
        setrlimit(Resource::RLIMIT_FSIZE, most, most).expect("the limit as it was");
        filled.append(ROOM as usize).await.expect("room again");
        filled.check().await;
        filled.reopen(&directory, 1 << 30).await.check().await;
    });
}

/// Catches a log that can't be opened, read or truncated any more where nothing can be written.
#[test]
fn a_disk_that_is_full() {
    let Some(directory) = child() else {
        if !Command::new("unshare").args(["-rm", "true"]).status().is_ok_and(|status| status.success()) {
            eprintln!("this machine lets nobody mount a small disk: only `files_that_may_not_grow` tells about room");
            return;
        }
        let disk = tempfile::tempdir().expect("a directory");
        let mounted = "mount -t tmpfs -o size=512k small \"$SPKY_TEST_LOG\" && exec \"$0\" \"$@\"";
        return run_child("a_disk_that_is_full", disk.path(), &["unshare", "-rm", "sh", "-c", mounted]);
    };
    const SEGMENT_BYTES: u64 = 64 << 10;
    let directory = directory.join("log");
    block_on(async {
        let mut filled = Filled::new(&directory, SEGMENT_BYTES).await;
        let full = loop {
            if let Err(error) = filled.append(7_000).await {
                break error;
            }
        };
        expect_full(Err(full));
        assert!(filled.payloads.len() > 50, "{} appends", filled.payloads.len());
        for _ in 0..3 {
            expect_full(filled.append(20_000).await);
        }
        filled.check().await;
        let files = segments(&directory).len();
        let mut filled = filled.reopen(&directory, SEGMENT_BYTES).await;
        filled.check().await;
        expect_full(filled.append(20_000).await);
        assert!(segments(&directory).len() <= files + 1, "each failure leaves a file");
        filled.log.truncate_before(30).await.expect("a truncation");
        for _ in 0..5 {
            filled.append(20_000).await.expect("room again");
        }
        filled.check().await;
        filled.reopen(&directory, SEGMENT_BYTES).await.check().await;
    });
}

/// Lets `fdatasync` fail as a disk would: of one file, or of all.
fn fail_syncs(of: Option<RawFd>) {
    let condition = |fd: RawFd| {
        let is_it = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, fd as u64);
        SeccompRule::new(vec![is_it.expect("a condition")]).expect("a rule")
    };
    let rules = BTreeMap::from([(libc::SYS_fdatasync, of.map(condition).into_iter().collect())]);
    let architecture = env::consts::ARCH.try_into().expect("a known machine");
    let failure = SeccompAction::Errno(libc::EIO as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, failure, architecture).expect("a filter");
    let program: BpfProgram = filter.try_into().expect("a program");
    seccompiler::apply_filter_all_threads(&program).expect("a filter that is in force");
}

/// The descriptor by which this process has a file open.
fn descriptor(path: &Path) -> RawFd {
    let descriptors = fs::read_dir("/proc/self/fd").expect("descriptors").map(|entry| entry.expect("one").path());
    let mut same = descriptors.filter(|descriptor| fs::read_link(descriptor).is_ok_and(|target| target == path));
    let name = same.next().expect("an open file").file_name().expect("a name").to_owned();
    name.to_str().and_then(|name| name.parse().ok()).expect("a number")
}

fn expect_not_synced(outcome: Result<(), Error>) {
    let error = outcome.expect_err("a failed sync");
    assert!(matches!(error, Error::Io { action: "sync", .. }), "{error}");
}

/// Catches a log that asks again and believes the second answer.
#[test]
fn a_file_whose_sync_has_failed_is_not_written_again() {
    let Some(directory) = child() else {
        let directory = tempfile::tempdir().expect("a directory");
        let directory = directory.path().canonicalize().expect("its path");
        return run_child("a_file_whose_sync_has_failed_is_not_written_again", &directory, &["env"]);
    };
    block_on(async {
        let mut filled = Filled::new(&directory, 1 << 20).await;
        filled.append(100).await.expect("an append");
        filled.append(10).await.expect("an append");
        let failing = segments(&directory)[0].clone();
        let length = (SEGMENT_HEADER + 2 * RECORD_HEADER + 110) as u64;
        fail_syncs(Some(descriptor(&failing)));
        expect_not_synced(filled.append(1_000).await);
        assert_eq!(fs::metadata(&failing).expect("the file").len(), length, "what failed is cut off");
        filled.check().await;
        // This file would fail again: the next appends are in another one.
        for _ in 0..3 {
            filled.append(50).await.expect("an append");
        }
        assert_eq!(fs::metadata(&failing).expect("the file").len(), length);
        assert_eq!(segments(&directory).len(), 2);
        filled.check().await;
        filled.reopen(&directory, 1 << 20).await.check().await;
    });
}

/// Catches failures that leave files behind, or take with them what was acknowledged before.
#[test]
fn a_disk_that_keeps_nothing_any_more() {
    let Some(directory) = child() else {
        let directory = tempfile::tempdir().expect("a directory");
        return run_child("a_disk_that_keeps_nothing_any_more", directory.path(), &["env"]);
    };
    block_on(async {
        let mut filled = Filled::new(&directory, 1 << 20).await;
        filled.append(100).await.expect("an append");
        fail_syncs(None);
        for _ in 0..5 {
            expect_not_synced(filled.append(100).await);
            filled.check().await;
        }
        assert_eq!(segments(&directory).len(), 2);
        let filled = filled.reopen(&directory, 1 << 20).await;
        filled.check().await;
    });
}
