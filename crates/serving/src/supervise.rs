//! Parts of the service that never end by themselves. When one does all the same, because of a panic or of another part that
//! is gone, the service has failed, and says so at once.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::task::{AbortHandle, JoinHandle};

use crate::status::Status;

/// Runs a part on this thread.
pub fn supervised(status: &Status, part: &str, body: impl FnOnce()) {
    // What the part leaves behind is not used any more: the service goes down.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(()) => status.fail(format!("{part} has ended")),
        Err(panic) => report(status, part, &*panic),
    }
}

/// A part that is a task.
#[derive(Debug)]
pub struct Supervised {
    task: AbortHandle,
    supervisor: JoinHandle<()>,
}

impl Supervised {
    /// Runs a part as a task.
    pub fn spawn(status: &Status, part: &'static str, body: impl Future<Output = ()> + Send + 'static) -> Self {
        let body = tokio::spawn(body);
        let task = body.abort_handle();
        let status = status.clone();
        let supervisor = tokio::spawn(async move {
            match body.await.map_err(|error| error.try_into_panic()) {
                Err(Ok(panic)) => report(&status, part, &*panic),
                // Aborted when the service stops, or ended because another part did.
                Ok(()) | Err(Err(_)) => status.fail(format!("{part} has ended")),
            }
        });
        Supervised { task, supervisor }
    }

    /// Ends the part.
    pub fn abort(&self) {
        self.task.abort();
    }

    /// Resolves when the part has ended.
    pub async fn ended(self) {
        // The supervisor does nothing that could panic.
        let _ = self.supervisor.await;
    }
}

fn report(status: &Status, part: &str, panic: &(dyn Any + Send)) {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("for an unknown reason");
    let reason = format!("{part} has panicked: {text}");
    tracing::error!(reason, "this is a bug");
    status.fail(reason);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a service that goes on answering `ready` while nothing is kept up to date any more.
    #[tokio::test]
    async fn a_panic_is_a_failure_of_the_service() {
        let status = Status::bootstrapping();
        let of_thread = status.clone();
        let thread =
            std::thread::spawn(move || supervised(&of_thread, "the engine", || panic!("division by {}", "zero")));
        assert_eq!(status.failed().await, "the engine has panicked: division by zero");
        thread.join().unwrap();

        let status = Status::bootstrapping();
        let task = Supervised::spawn(&status, "the writer", async { panic!("told to fail") });
        assert_eq!(status.failed().await, "the writer has panicked: told to fail");
        task.ended().await;
        status.fail("the engine has ended".to_owned());
        assert_eq!(
            status.failed().await,
            "the writer has panicked: told to fail",
            "the cause, not what follows from it"
        );
    }

    #[tokio::test]
    async fn a_part_that_ends_with_the_service_has_not_failed() {
        let status = Status::bootstrapping();
        status.set_ready();
        let task = Supervised::spawn(&status, "the sweep", std::future::pending());
        status.stop();
        task.abort();
        task.ended().await;
        supervised(&status, "the engine", || ());
        assert!(status.is_ready());
    }
}
