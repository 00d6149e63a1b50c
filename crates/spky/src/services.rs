//! The services that a process runs: one sidecar, a scheduler, or, for `spky dev`, a scheduler with several sidecars.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use config::Config;
use futures::StreamExt;
use futures::future::try_join_all;
use futures::stream::FuturesUnordered;
use telemetry::Export;
use tempfile::TempDir;

use crate::error::Error;
use crate::settings;
use crate::signals::Signals;

/// Services that run.
pub(crate) struct Services {
    ssps: Vec<ssp::Service>,
    scheduler: Option<scheduler::Service>,
    /// Where the scheduler keeps what need not outlive it.
    _folder: Option<TempDir>,
}

/// What to run.
pub(crate) struct Plan<'a> {
    pub(crate) config: &'a Config,
    pub(crate) database: database::Settings,
    /// Where data is kept that outlives this process.
    pub(crate) data_dir: Option<&'a Path>,
    /// How many sidecars a scheduler gets; without a number there is one sidecar and no scheduler.
    pub(crate) cluster: Option<usize>,
    pub(crate) export: Option<Export>,
}

/// One sidecar, alone.
impl From<ssp::Service> for Services {
    fn from(ssp: ssp::Service) -> Self {
        Services { ssps: vec![ssp], scheduler: None, _folder: None }
    }
}

/// A scheduler, whose sidecars are elsewhere.
impl From<scheduler::Service> for Services {
    fn from(scheduler: scheduler::Service) -> Self {
        Services { ssps: Vec::new(), scheduler: Some(scheduler), _folder: None }
    }
}

impl Services {
    /// Starts everything. [`Services::ready`] tells when it is loaded.
    pub(crate) async fn start(plan: Plan<'_>) -> Result<Services, Error> {
        let mut settings = settings::ssp(plan.config, false, plan.export.clone())?;
        settings.database = plan.database.clone();
        // With the data goes the state.
        settings.state_file = plan.data_dir.map(|directory| directory.join("spooky_state.json"));
        let jobs = settings::jobs(plan.config);
        let Some(number) = plan.cluster else {
            settings.cluster = None;
            return Ok(ssp::Service::start_with_jobs(settings, Some(jobs)).await?.into());
        };
        let (folder, directory) = match plan.data_dir {
            Some(directory) => (None, directory.join("scheduler")),
            None => {
                let folder = tempfile::tempdir()
                    .map_err(|source| Error::Write { path: PathBuf::from("a temporary folder"), source })?;
                let directory = folder.path().to_owned();
                (Some(folder), directory)
            }
        };
        let mut of_scheduler = settings::scheduler(plan.config, false, plan.export)?;
        of_scheduler.database = plan.database;
        of_scheduler.log = directory.join("log");
        of_scheduler.replica = directory.join("replica");
        let scheduler = scheduler::Service::start(of_scheduler).await?;
        let url = format!("http://{}", scheduler.address());
        let mut services = Services { ssps: Vec::new(), scheduler: Some(scheduler), _folder: folder };
        let mut jobs = Some(jobs);
        for index in 1..=number {
            let settings = ssp::Settings {
                listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                id: format!("ssp-{index}"),
                cluster: Some(ssp::Cluster {
                    scheduler: url.parse().map_err(|error| Error::Usage(format!("{url}: {error}")))?,
                    advertise: None,
                    heartbeat: plan.config.ssp.heartbeat_interval,
                }),
                ..settings.clone()
            };
            // The first one runs jobs: they would all listen for callbacks at the same address.
            services.ssps.push(ssp::Service::start_with_jobs(settings, jobs.take()).await?);
        }
        Ok(services)
    }

    /// Where clients register views.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        let scheduler = self.scheduler.as_ref().map(scheduler::Service::address);
        scheduler.or_else(|| self.ssps.first().map(ssp::Service::address))
    }

    /// Resolves when everything is loaded.
    pub(crate) async fn ready(&self) -> Result<(), Error> {
        if let Some(scheduler) = &self.scheduler {
            scheduler.ready().await?;
        }
        try_join_all(self.ssps.iter().map(ssp::Service::ready)).await?;
        Ok(())
    }

    /// Resolves when one of them can't go on, with the reason.
    pub(crate) async fn failed(&self) -> Error {
        let of_scheduler = async {
            match &self.scheduler {
                Some(scheduler) => Error::from(scheduler.failed().await),
                None => std::future::pending().await,
            }
        };
        let mut of_ssps: FuturesUnordered<_> = self.ssps.iter().map(ssp::Service::failed).collect();
        tokio::select! {
            error = of_scheduler => error,
            Some(error) = of_ssps.next() => error.into(),
        }
    }

    /// Says when they are loaded, and ends them when a signal comes or one of them can't go on.
    pub(crate) async fn serve(self, signals: &mut Signals) -> Result<(), Error> {
        if let Some(address) = self.address() {
            tracing::info!(%address, "listening");
        }
        let mut outcome = signals.unless(self.ready()).await;
        if outcome.is_ok() {
            tracing::info!("ready");
            outcome = tokio::select! {
                () = signals.wait() => Ok(()),
                failure = self.failed() => Err(failure),
            };
        }
        tracing::info!("stopping");
        self.stop().await?;
        outcome
    }

    /// Ends everything: sidecars first, so that what they have computed is written.
    pub(crate) async fn stop(self) -> Result<(), Error> {
        let mut outcome = Ok(());
        for ssp in self.ssps {
            outcome = outcome.and(ssp.stop().await.map_err(Error::from));
        }
        if let Some(scheduler) = self.scheduler {
            outcome = outcome.and(scheduler.stop().await.map_err(Error::from));
        }
        outcome
    }
}
