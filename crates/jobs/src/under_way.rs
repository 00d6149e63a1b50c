//! The attempts that a lane has under way: tasks, found by their attempt.

use std::collections::HashMap;

use circuit::RecordId;
use database::jobs::Attempt;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

/// Tasks, one for each attempt. Dropping it aborts them.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    tasks: JoinSet<()>,
    attempts: HashMap<String, Entry>,
    processes: HashMap<Id, String>,
}

#[derive(Debug)]
struct Entry {
    id: RecordId,
    task: AbortHandle,
}

impl UnderWay {
    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(crate) fn contains(&self, process_uuid: &str) -> bool {
        self.attempts.contains_key(process_uuid)
    }

    pub(crate) fn spawn(&mut self, attempt: Attempt, work: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(work);
        self.processes.insert(task.id(), attempt.process_uuid.clone());
        self.attempts.insert(attempt.process_uuid, Entry { id: attempt.id, task });
    }

    /// Waits for one of them to end; with none under way, for ever. May be cancelled.
    pub(crate) async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(ended) => self.forget(ended),
            None => std::future::pending().await,
        }
    }

    /// Forgets all that have ended.
    pub(crate) fn forget_ended(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.forget(ended);
        }
    }

    /// Stops the attempts that `is_over` is true of, and answers how many.
    pub(crate) fn stop(&mut self, mut is_over: impl FnMut(&str, &RecordId) -> bool) -> usize {
        let over = self.attempts.iter().filter(|(process_uuid, entry)| is_over(process_uuid, &entry.id));
        over.map(|(_, entry)| entry.task.abort()).count()
    }

    fn forget(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                if error.is_panic() {
                    tracing::error!(%error, "a job has panicked, this is a bug");
                }
                error.id()
            }
        };
        if let Some(process_uuid) = self.processes.remove(&id) {
            self.attempts.remove(&process_uuid);
        }
    }
}
