//! The runner of jobs beside the sidecar, and the listener that executors call back: they live and stop with the
//! service, and have nothing to do with views.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;

use database::Database;
use ipnet::IpNet;
use jobs::{Dispatcher, Guard, Healths, Mode, Runner, Stopper};
use serving::{Status, Supervised};
use telemetry::Meter;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::error::Error;

use crate::metrics::Metrics;

/// What it takes to run jobs.
#[derive(Clone, Debug)]
pub struct JobSettings {
    /// The backends.
    pub runner: jobs::Settings,
    /// The listener. It is opened if there is a backend whose executors call back.
    pub spi: SpiSettings,
}

/// The listener that executors call back.
#[derive(Clone, Debug)]
pub struct SpiSettings {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The address that executors are given, with its path; unless set, that of the listener with the path `/spi`.
    pub base_url: Option<String>,
    /// Networks that may call.
    pub allow: Vec<IpNet>,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Requests a second that one address may send.
    pub rate_limit: NonZeroU32,
}

/// The runner, if there are jobs to run.
#[derive(Debug)]
pub(crate) struct JobRunner {
    running: Option<(Supervised, Stopper)>,
    spi: Option<Listener>,
    healths: Healths,
    dispatcher: Dispatcher,
}

#[derive(Debug)]
struct Listener {
    address: SocketAddr,
    shutdown: Arc<Notify>,
    server: JoinHandle<()>,
}

impl JobRunner {
    /// # Errors
    /// If the runner can't be set up, or the address of the listener is taken.
    pub(crate) async fn start(
        settings: Option<JobSettings>,
        database: &Database,
        status: &Status,
        meter: &Meter,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        let Some(JobSettings { mut runner, spi }) = settings.filter(|settings| !settings.runner.backends.is_empty())
        else {
            return Ok(JobRunner {
                running: None,
                spi: None,
                healths: Healths::default(),
                dispatcher: Dispatcher::default(),
            });
        };
        let is_called_back = runner.backends.iter().any(|backend| backend.mode == Mode::Callback);
        let listener = if is_called_back { Some(serving::listen(spi.listen).await?) } else { None };
        runner.callback_base = match (&listener, &spi.base_url) {
            (_, Some(url)) => Some(url.trim_end_matches('/').to_owned()),
            (Some((_, address)), None) => Some(format!("http://{}/spi", reachable(*address))),
            (None, None) => None,
        };
        let runner = Runner::new(runner, database.clone(), meter)?;
        let spi = listener.map(|(listener, address)| {
            let router = runner.spi(Guard::new(spi.allow, spi.trusted_proxies, spi.rate_limit));
            let shutdown = Arc::new(Notify::new());
            let (stop, metrics) = (shutdown.clone(), metrics.clone());
            let server = tokio::spawn(async move {
                serving::serve(
                    listener,
                    router,
                    serving::Limits::default(),
                    || metrics.traffic().connection(),
                    stop.notified(),
                )
                .await;
            });
            tracing::info!(%address, "listening for callbacks of executors");
            Listener { address, shutdown, server }
        });
        let (stopper, healths, dispatcher) = (runner.stopper(), runner.healths(), runner.dispatcher());
        let running = Supervised::spawn(status, "the runner of jobs", runner.run());
        Ok(JobRunner { running: Some((running, stopper)), spi, healths, dispatcher })
    }

    /// How the backends are doing.
    pub(crate) fn healths(&self) -> Healths {
        self.healths.clone()
    }

    /// What has single jobs run now.
    pub(crate) fn dispatcher(&self) -> Dispatcher {
        self.dispatcher.clone()
    }

    /// Where executors call back.
    pub(crate) fn spi_address(&self) -> Option<SocketAddr> {
        self.spi.as_ref().map(|spi| spi.address)
    }

    /// No job is begun any more, and no callback is taken.
    pub(crate) fn begin_stop(&self) {
        if let Some((_, stopper)) = &self.running {
            stopper.stop();
        }
        if let Some(spi) = &self.spi {
            spi.shutdown.notify_one();
        }
    }

    /// Resolves when nothing is under way any more.
    pub(crate) async fn ended(self) {
        if let Some((running, _)) = self.running {
            running.ended().await;
        }
        if let Some(spi) = self.spi
            && let Err(error) = spi.server.await
        {
            tracing::error!(%error, "the listener for callbacks has failed");
        }
    }
}

/// A listener on all interfaces is reached on this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}
