//! The runner of jobs beside the sidecar: it lives and stops with the service, and has nothing to do with views.

use database::Database;
use jobs::{Healths, Runner, Settings, Stopper};
use telemetry::Meter;

use crate::error::Error;
use crate::status::Status;
use crate::supervise::Supervised;

/// The runner, if there are jobs to run.
#[derive(Debug)]
pub(crate) struct JobRunner {
    running: Option<(Supervised, Stopper)>,
    healths: Healths,
}

impl JobRunner {
    /// # Errors
    /// If the runner can't be set up.
    pub(crate) fn start(
        settings: Option<Settings>,
        database: &Database,
        status: &Status,
        meter: &Meter,
    ) -> Result<Self, Error> {
        let Some(settings) = settings.filter(|settings| !settings.backends.is_empty()) else {
            return Ok(JobRunner { running: None, healths: Healths::default() });
        };
        let runner = Runner::new(settings, database.clone(), meter)?;
        let (stopper, healths) = (runner.stopper(), runner.healths());
        let running = Supervised::spawn(status, "the runner of jobs", runner.run());
        Ok(JobRunner { running: Some((running, stopper)), healths })
    }

    /// How the backends are doing.
    pub(crate) fn healths(&self) -> Healths {
        self.healths.clone()
    }

    /// No job is begun any more.
    pub(crate) fn begin_stop(&self) {
        if let Some((_, stopper)) = &self.running {
            stopper.stop();
        }
    }

    /// Resolves when nothing is under way any more.
    pub(crate) async fn ended(self) {
        if let Some((running, _)) = self.running {
            running.ended().await;
        }
    }
}
