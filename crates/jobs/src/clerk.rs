//! Concluding attempts that are made elsewhere.

use database::Database;
use telemetry::Meter;

use crate::backend::Backend;
use crate::health::Healths;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::spi::{self, Callback, Effect};

/// Writes down how attempts ended that others make.
#[derive(Clone, Debug)]
pub struct Clerk(std::sync::Arc<[Ledger]>);

impl Clerk {
    /// A clerk for the jobs of these backends.
    pub fn new(backends: Vec<Backend>, database: &Database, meter: &Meter) -> Self {
        // There are no backends here whose health could be told.
        let metrics = Metrics::new(meter, &Healths::default());
        let ledger = |backend| Ledger::new(database.clone(), backend, metrics.clone());
        Clerk(backends.into_iter().map(ledger).collect())
    }

    /// Concludes an attempt at a job of this table, as the callback of an executor does; `None` if it is no job table. Three
    /// requests at most.
    ///
    /// # Errors
    /// If the database can't be reached, or its schema does not take the outcome.
    pub async fn conclude(&self, table: &str, callback: &Callback) -> Result<Option<Effect>, database::Error> {
        match self.0.iter().find(|ledger| ledger.backend.table == table) {
            Some(ledger) => spi::conclude(ledger, callback).await.map(Some),
            None => Ok(None),
        }
    }
}
