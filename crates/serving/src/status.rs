//! Where the service is in its life, for everybody who asks.

use protocol::HealthStatus;
use tokio::sync::watch;

/// A shared status with the reason of a failure.
#[derive(Clone, Debug)]
pub struct Status(watch::Sender<State>);

#[derive(Clone, Debug, PartialEq)]
struct State {
    status: HealthStatus,
    reason: Option<String>,
    /// The service is told to stop: what ends from here on has not failed.
    is_stopping: bool,
}

impl Status {
    /// Nothing is loaded yet.
    pub fn bootstrapping() -> Self {
        let status = HealthStatus::Bootstrapping;
        Status(watch::Sender::new(State { status, reason: None, is_stopping: false }))
    }

    /// Where the service is.
    pub fn get(&self) -> HealthStatus {
        self.0.borrow().status
    }

    /// Whether everything is loaded.
    pub fn is_ready(&self) -> bool {
        self.get() == HealthStatus::Ready
    }

    /// Everything is loaded. A service that has failed stays so.
    pub fn set_ready(&self) {
        self.0.send_if_modified(|state| {
            let is_news = state.status == HealthStatus::Bootstrapping;
            if is_news {
                state.status = HealthStatus::Ready;
            }
            is_news
        });
    }

    /// Something has to be loaded again. A service that has failed stays so.
    pub fn set_bootstrapping(&self) {
        self.0.send_if_modified(|state| {
            let is_news = state.status == HealthStatus::Ready;
            if is_news {
                state.status = HealthStatus::Bootstrapping;
            }
            is_news
        });
    }

    /// The service can't go on. The first reason counts: what follows from it may fail in turn.
    pub fn fail(&self, reason: String) {
        self.0.send_if_modified(|state| {
            let is_news = state.status != HealthStatus::Failed && !state.is_stopping;
            if is_news {
                tracing::error!(reason, "the service can't go on");
                *state = State { status: HealthStatus::Failed, reason: Some(reason), is_stopping: false };
            }
            is_news
        });
    }

    /// The service is told to stop.
    pub fn stop(&self) {
        self.0.send_modify(|state| state.is_stopping = true);
    }

    /// Why the service has failed, if it has.
    pub fn reason(&self) -> Option<String> {
        self.0.borrow().reason.clone()
    }

    /// Resolves with the reason when the service has failed.
    pub async fn failed(&self) -> String {
        let mut changes = self.0.subscribe();
        match changes.wait_for(|state| state.status == HealthStatus::Failed).await {
            Ok(state) => state.reason.clone().unwrap_or_default(),
            // The sender lives in `self`.
            Err(_) => "the service has stopped".to_owned(),
        }
    }

    /// Resolves when the service is ready.
    ///
    /// # Errors
    /// The reason, if it has failed instead.
    pub async fn ready(&self) -> Result<(), String> {
        let mut changes = self.0.subscribe();
        // The sender lives in `self`, so waiting can't end before a state is reached.
        let Ok(state) = changes.wait_for(|state| state.status != HealthStatus::Bootstrapping).await else {
            return Err("the service has stopped".to_owned());
        };
        match &state.reason {
            None => Ok(()),
            Some(reason) => Err(reason.clone()),
        }
    }
}
