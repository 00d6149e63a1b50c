//! How backends are doing, for everybody who asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::retry::Failure;

/// What is known of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendHealth {
    /// The name of the backend.
    pub name: String,
    /// The table of its jobs.
    pub table: String,
    /// False if the last attempt failed because the backend did not answer, or answered that it can't.
    pub is_up: bool,
    /// Attempts under way.
    pub running: u64,
    /// Attempts that have failed since one has succeeded.
    pub failures: u64,
    /// The code of the last of them.
    pub last_error: Option<String>,
}

/// The health of all backends.
#[derive(Clone, Debug, Default)]
pub struct Healths(Arc<Mutex<Vec<Health>>>);

impl Healths {
    /// What is known of each backend, in the order of the configuration.
    pub fn get(&self) -> Vec<BackendHealth> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).iter().map(Health::get).collect()
    }

    pub(crate) fn add(&self, name: &str, table: &str) -> Health {
        let health = Health(Arc::new(State {
            name: name.to_owned(),
            table: table.to_owned(),
            running: AtomicU64::new(0),
            attempts: Mutex::default(),
        }));
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(health.clone());
        health
    }
}

/// The health of one backend.
#[derive(Clone, Debug)]
pub(crate) struct Health(Arc<State>);

#[derive(Debug)]
struct State {
    name: String,
    table: String,
    running: AtomicU64,
    attempts: Mutex<Attempts>,
}

#[derive(Debug, Default)]
struct Attempts {
    failures: u64,
    is_down: bool,
    last_error: Option<String>,
}

/// Counts an attempt as under way for as long as it lives.
#[derive(Debug)]
pub(crate) struct Running(Health);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Health {
    pub(crate) fn started(&self) -> Running {
        self.0.running.fetch_add(1, Ordering::Relaxed);
        Running(self.clone())
    }

    /// An attempt has ended.
    pub(crate) fn ended(&self, failure: Option<&Failure>) {
        let mut attempts = self.0.attempts.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match failure {
            None => *attempts = Attempts::default(),
            Some(failure) => {
                attempts.failures += 1;
                // A backend that finds fault with the request is well.
                attempts.is_down = failure.is_retryable && !failure.code.starts_with("HTTP_4");
                attempts.last_error = Some(failure.code.clone());
            }
        }
    }

    pub(crate) fn get(&self) -> BackendHealth {
        let attempts = self.0.attempts.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        BackendHealth {
            name: self.0.name.clone(),
            table: self.0.table.clone(),
            is_up: !attempts.is_down,
            running: self.0.running.load(Ordering::Relaxed),
            failures: attempts.failures,
            last_error: attempts.last_error.clone(),
        }
    }
}
