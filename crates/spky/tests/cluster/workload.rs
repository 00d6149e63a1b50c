//! What clients do: write records, and ask for views of them.

use std::time::Duration;

use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::task::JoinHandle;

use crate::support::{Application, Random};

pub const SCHEMA: &str = "DEFINE TABLE thing SCHEMALESS; DEFINE TABLE owner SCHEMALESS;";

/// Between two writes of a steady workload.
const PAUSE: Duration = Duration::from_millis(10);

/// A task that writes.
pub struct Writer {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Writer {
    /// Ends it, after its last write.
    pub async fn stop(self) {
        // Where it has ended already it says why.
        let _ = self.stop.send(());
        self.task.await.expect("the writer does not panic");
    }
}

/// Writes and views that follow from a seed.
pub struct Workload {
    random: Random,
    /// Views that were made up: id, query, parameters.
    pub views: Vec<(String, String, String)>,
    number: u64,
}

impl Workload {
    pub fn new(seed: u64) -> Workload {
        Workload { random: Random(seed ^ 0x5eed), views: Vec::new(), number: 0 }
    }

    /// Other writes, for a task of their own.
    pub fn for_writing(&mut self) -> Workload {
        Workload::new(self.random.below(u64::MAX))
    }

    /// Makes up another view.
    pub fn view(&mut self) -> (String, String, String) {
        self.number += 1;
        let id = format!("view{}", self.number);
        let owner = self.random.below(5);
        let (surql, params) = match self.random.below(4) {
            0 => ("SELECT * FROM thing WHERE owner = $owner", format!("{{ owner: owner:{owner} }}")),
            1 => ("SELECT * FROM thing WHERE n > $n", format!("{{ n: {} }}", owner * 15)),
            2 => ("SELECT * FROM thing WHERE owner.n < $n ORDER BY n, id LIMIT 7", format!("{{ n: {} }}", owner * 20)),
            _ => ("SELECT * FROM owner WHERE n < $n", format!("{{ n: {} }}", owner * 20)),
        };
        let view = (id, surql.to_owned(), params);
        self.views.push(view.clone());
        view
    }

    /// Some writes, each a transaction.
    pub async fn write(&mut self, application: &Application, writes: usize) {
        for _ in 0..writes {
            let text = self.statement();
            // An edge conflicts with a write of the record that it leads to: then the application tries again.
            while let Err(error) = attempt(application, &text).await {
                assert!(error.contains("can be retried"), "{text}: {error}");
            }
        }
    }

    /// Writes until it is told to stop.
    pub fn keep_writing(&mut self, application: &Application) -> Writer {
        let (mut writing, application) = (self.for_writing(), application.clone_for_writing());
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            // Whoever has gone without saying so has panicked.
            while matches!(stopped.try_recv(), Err(TryRecvError::Empty)) {
                writing.write(&application, 1).await;
                tokio::time::sleep(PAUSE).await;
            }
        });
        Writer { stop, task }
    }

    fn statement(&mut self) -> String {
        let [thing, owner, n] = [40, 5, 100].map(|bound| self.random.below(bound));
        match self.random.below(10) {
            0..=5 => format!("UPSERT thing:{thing} SET n = {n}, owner = owner:{owner}"),
            6 => format!("UPSERT owner:{owner} SET n = {n}"),
            7 => format!("DELETE thing:{thing}"),
            8 => format!(
                "BEGIN; UPSERT thing:{thing} SET n = {n}, owner = owner:{owner}; UPSERT owner:{owner} SET n = {n}; COMMIT"
            ),
            _ => format!("UPDATE thing SET n += 1 WHERE owner = owner:{owner}"),
        }
    }
}

async fn attempt(application: &Application, text: &str) -> Result<(), String> {
    let answer = application.client.query(text).await.map_err(|error| error.to_string())?;
    answer.check().map(drop).map_err(|error| error.to_string())
}
