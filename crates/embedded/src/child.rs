//! A child process, and the thread that owns it.
//!
//! The kernel's "parent died" signal really means "the thread that started the child ended". A worker of some pool may
//! end at any time, so the child gets a thread of its own, which starts it, and then does nothing but wait for its end.

use std::io;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::{oneshot, watch};

/// A running child process.
pub(crate) struct Child {
    /// `None` once it is (or is about to be) reaped: then its number may belong to another process.
    pid: Arc<Mutex<Option<Pid>>>,
    ended: watch::Receiver<Option<ExitStatus>>,
    thread: Option<JoinHandle<()>>,
}

impl Child {
    /// Starts `command`.
    pub(crate) async fn spawn(mut command: Command) -> io::Result<Self> {
        let pid = Arc::new(Mutex::new(None));
        let (started_sender, started) = oneshot::channel();
        let (ended_sender, ended) = watch::channel(None);
        let shared_pid = Arc::clone(&pid);
        let thread = std::thread::Builder::new().name("database parent".to_owned()).spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => {
                    // If the other end has gone, nobody waits for the answer.
                    let _ = started_sender.send(Err(error));
                    return;
                }
            };
            let number = Pid::from_raw(child.id().cast_signed());
            *shared_pid.lock().unwrap_or_else(PoisonError::into_inner) = Some(number);
            let _ = started_sender.send(Ok(()));

            wait_without_reaping(number);
            *shared_pid.lock().unwrap_or_else(PoisonError::into_inner) = None;
            // An error here means that there is no such child any more; then nobody learns its status.
            if let Ok(status) = child.wait() {
                let _ = ended_sender.send(Some(status));
            }
        })?;
        match started.await {
            Ok(outcome) => outcome?,
            Err(_) => return Err(io::Error::other("the thread that starts the process is gone")),
        }
        Ok(Self { pid, ended, thread: Some(thread) })
    }

    /// The process id; `None` after the process has ended.
    pub(crate) fn id(&self) -> Option<u32> {
        let pid = self.pid.lock().unwrap_or_else(PoisonError::into_inner);
        pid.map(|pid| pid.as_raw().cast_unsigned())
    }

    /// Sends a signal. Does nothing if the process has ended.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        // The lock is held while the signal is sent, so that the number can't be given to another process meanwhile.
        let pid = self.pid.lock().unwrap_or_else(PoisonError::into_inner);
        match pid.map(|pid| kill(pid, signal)) {
            None | Some(Ok(()) | Err(Errno::ESRCH)) => Ok(()),
            Some(Err(error)) => Err(error.into()),
        }
    }

    /// Waits for the end. Several may wait, and the status can be asked for again.
    pub(crate) async fn ended(&self) -> io::Result<ExitStatus> {
        let mut ended = self.ended.clone();
        let status = ended.wait_for(Option::is_some).await.map(|status| *status);
        match status {
            Ok(Some(status)) => Ok(status),
            _ => Err(io::Error::other("the process is gone and its status is unknown")),
        }
    }
}

impl Drop for Child {
    /// Kills the process and waits until it is gone, so that its port and its files are free.
    fn drop(&mut self) {
        if self.signal(Signal::SIGKILL).is_ok()
            && let Some(thread) = self.thread.take()
        {
            // A panic of that thread has been printed already.
            let _ = thread.join();
        }
    }
}

/// Blocks until the process has ended, and leaves it a zombie, whose number is still taken.
#[cfg(target_os = "linux")]
fn wait_without_reaping(pid: Pid) {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};

    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
}

/// Elsewhere a signal that is sent in the instant of the end might reach a process that has just got the same number.
#[cfg(not(target_os = "linux"))]
fn wait_without_reaping(_pid: Pid) {}
