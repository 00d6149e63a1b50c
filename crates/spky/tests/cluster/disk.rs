//! A disk without room for the log.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::observed::find;
use crate::stage::Cluster;
use crate::support::Guard;
use crate::workload::{SCHEMA, Workload};

/// A small disk: a file system in memory, seen only by processes that are started for it. It is gone with this value.
pub struct Disk {
    /// Keeps the disk while nobody else does.
    keeper: Guard,
    folder: TempDir,
}

impl Disk {
    /// Nothing where nobody may mount a disk.
    pub fn of(size: &str) -> Option<Disk> {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = format!("mount -t tmpfs -o size={size} small \"$0\" && echo mounted && exec sleep infinity");
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", &mounted]).arg(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut keeper = Guard(command.spawn().ok()?);
        let Child { stdout, .. } = &mut keeper.0;
        let mut said = [0; 7];
        let is_mounted = stdout.take().is_some_and(|mut out| out.read_exact(&mut said).is_ok()) && said == *b"mounted";
        is_mounted.then_some(Disk { keeper, folder })
    }

    /// Where it is, for a process of [`Disk::command`].
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a program that sees the disk.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--user", "--mount", "--preserve-credentials"]);
        command.args(["--target", &self.keeper.0.id().to_string(), program]);
        command
    }

    /// Where it is, for everybody.
    fn outside(&self) -> PathBuf {
        let path = self.path().strip_prefix("/").expect("a path from the root on");
        Path::new("/proc").join(self.keeper.0.id().to_string()).join("root").join(path)
    }

    fn filler(&self) -> PathBuf {
        self.outside().join("filler")
    }

    /// Takes all the room that is left, and answers how much that was.
    fn fill(&self) -> usize {
        let mut filler = File::options().create(true).append(true).open(self.filler()).expect("a file");
        let mut filled = 0;
        loop {
            match filler.write(&[7; 4_096]) {
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == ErrorKind::StorageFull => return filled,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.filler()).expect("the filler is there");
    }
}

/// Catches a scheduler that ends, that acknowledges or forgets what it could not log, that keeps applications from writing, or
/// that does not go on by itself once there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_waited_out() {
    let Some(disk) = Disk::of("16m") else {
        eprintln!("this machine lets nobody mount a small disk: nothing tells about one that is full");
        return;
    };
    let mut cluster = Cluster::start_on(disk, 2, SCHEMA).await;
    let mut workload = Workload::new(7);
    workload.write(&cluster.application, 50).await;
    for _ in 0..10 {
        let (id, surql, params) = workload.view();
        cluster.register(&id, &surql, &params).await;
    }
    cluster.agree(&workload.views).await;
    assert!(!cluster.status().await.expect("the scheduler answers").is_interrupted);

    let room = cluster.disk().fill();
    assert!(room > 1 << 20, "the log has left {room} bytes");
    let writer = workload.keep_writing(&cluster.application);
    // What is left of the last page of the log has room for some more; what has failed may leave a page.
    loop {
        cluster.until("the capture is interrupted", |status| status.is_interrupted).await;
        if cluster.disk().fill() == 0 {
            break;
        }
    }
    assert_eq!(find(&cluster.metrics().await, "spky_scheduler_capture_interrupted"), Some(1));
    let (code, text) = cluster.spky(&["status"]);
    assert!(code == Some(0) && text.contains("nothing is captured now"), "{text}");
    let said = cluster.log_of("scheduler");
    assert!(said.contains("capture is interrupted") && said.contains("there is no room"), "{}", cluster.logs());
    let head = cluster.status().await.expect("the scheduler answers").head;
    // Views come and go all the same: they begin with what is known.
    let (id, surql, params) = workload.view();
    cluster.register(&id, &surql, &params).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(cluster.status().await.expect("the scheduler answers").head, head, "nothing can have been logged");

    // Nor does it take room to start.
    cluster.scheduler.kill();
    cluster.start_scheduler();
    cluster.all_ready(2).await;
    cluster.until("the capture is interrupted", |status| status.is_interrupted).await;
    assert_eq!(cluster.status().await.expect("the scheduler answers").head, head, "nothing can have been logged");
    writer.stop().await;

    let started = Instant::now();
    cluster.disk().make_room();
    cluster.until("the capture goes on", |status| !status.is_interrupted && status.head > head).await;
    cluster.agree(&workload.views).await;
    println!(
        "all {} views are right {:.1} s after there was room",
        workload.views.len(),
        started.elapsed().as_secs_f64()
    );
    assert_eq!(find(&cluster.metrics().await, "spky_scheduler_capture_interrupted"), Some(0));
}
