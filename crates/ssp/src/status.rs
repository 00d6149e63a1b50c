//! Where the service is in its life, for everybody who asks.

use protocol::HealthStatus;
use tokio::sync::watch;

/// A shared status with the reason of a failure.
#[derive(Clone, Debug)]
pub(crate) struct Status(watch::Sender<State>);

#[derive(Clone, Debug, PartialEq)]
struct State {
    status: HealthStatus,
    reason: Option<String>,
}

impl Status {
    pub(crate) fn bootstrapping() -> Self {
        Status(watch::Sender::new(State { status: HealthStatus::Bootstrapping, reason: None }))
    }

    pub(crate) fn get(&self) -> HealthStatus {
        self.0.borrow().status
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.get() == HealthStatus::Ready
    }

    pub(crate) fn set(&self, status: HealthStatus) {
        self.0.send_replace(State { status, reason: None });
    }

    pub(crate) fn fail(&self, reason: String) {
        self.0.send_replace(State { status: HealthStatus::Failed, reason: Some(reason) });
    }

    /// Resolves with the reason when the service has failed.
    pub(crate) async fn failed(&self) -> String {
        let mut changes = self.0.subscribe();
        match changes.wait_for(|state| state.status == HealthStatus::Failed).await {
            Ok(state) => state.reason.clone().unwrap_or_default(),
            // The sender lives in `self`.
            Err(_) => "the service has stopped".to_owned(),
        }
    }

    /// Resolves when the service is ready; with the reason if it has failed instead.
    pub(crate) async fn ready(&self) -> Result<(), String> {
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
