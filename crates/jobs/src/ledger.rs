//! Where the attempts at the jobs of one backend are written down.

use std::sync::Arc;

use database::Database;
use database::jobs::JobTable;
use tokio::sync::OnceCell;

use crate::backend::{Backend, Mode};
use crate::metrics::Metrics;

/// What it takes to conclude attempts at the jobs of one backend, whoever makes them.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) database: Database,
    pub(crate) backend: Arc<Backend>,
    pub(crate) metrics: Metrics,
    /// What the table calls the states of its jobs, once it has been prepared.
    table: Arc<OnceCell<JobTable>>,
}

impl Ledger {
    pub(crate) fn new(database: Database, backend: Backend, metrics: Metrics) -> Self {
        Ledger { database, backend: Arc::new(backend), metrics, table: Arc::default() }
    }

    /// The table of the jobs; `None` if it has not been prepared. One request, none if it has been asked for before.
    ///
    /// # Errors
    /// If the database does not answer.
    pub(crate) async fn table(&self) -> Result<Option<&JobTable>, database::Error> {
        if let Some(table) = self.table.get() {
            return Ok(Some(table));
        }
        let is_callback = self.backend.mode == Mode::Callback;
        match self.database.job_table(&self.backend.table, is_callback).await? {
            Some(table) => Ok(Some(self.table.get_or_init(|| async { table }).await)),
            None => Ok(None),
        }
    }
}
