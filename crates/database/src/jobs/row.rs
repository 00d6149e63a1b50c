//! A job as it is stored.

use std::time::Duration;

use circuit::{RecordId, Value};
use surrealdb::types as sdk;

use super::Attempt;
use crate::convert::from_sdk;
use crate::error::{Error, Result};
use crate::pages::converting;

/// The fields that a [`Job`] is made of.
pub(super) const FIELDS: &str = "id, status, path, payload, executor_type, timeout, retry_strategy, max_retries, \
                                 retries, attempts, process_uuid";

/// The defaults of job tables that an application has defined itself.
const MAX_RETRIES: u32 = 3;

/// A job and its current attempt.
#[derive(Clone, Debug)]
pub struct Job {
    pub attempt: Attempt,
    pub status: String,
    /// What is called, behind the backend's address.
    pub path: String,
    pub payload: Value,
    pub executor_type: Option<String>,
    /// A time limit of its own, which counts if the backend allows that.
    pub timeout: Option<Duration>,
    pub strategy: RetryStrategy,
    pub max_retries: u32,
    /// How often it has been tried again.
    pub retries: u32,
    /// How often it has been claimed.
    pub attempts: u64,
}

/// How the pauses between attempts grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetryStrategy {
    Linear,
    #[default]
    Exponential,
}

/// Why an attempt has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobError {
    /// Stable, for programs.
    pub code: String,
    /// For people.
    pub reason: String,
    /// Which attempt it was, from 1.
    pub attempt: u64,
}

impl JobError {
    pub(super) fn to_sdk(&self) -> sdk::Value {
        let mut error = sdk::Object::new();
        error.insert("code", self.code.clone());
        error.insert("reason", self.reason.clone());
        error.insert("attempt", self.attempt as i64);
        error.insert("at", sdk::Datetime::now());
        sdk::Value::Object(error)
    }
}

impl Job {
    pub(super) fn from_sdk(action: &'static str, row: sdk::Value) -> Result<Self> {
        Job::from_value(action, &from_sdk(row).map_err(converting(action))?)
    }

    pub(super) fn from_value(action: &'static str, row: &Value) -> Result<Self> {
        let Value::Object(row) = row else { return Err(Error::answer(action, "expected a job")) };
        let text = |name: &str| match row.get(name) {
            Some(Value::String(text)) => Some(text.to_string()),
            _ => None,
        };
        let count = |name: &str| match row.get(name) {
            Some(Value::Int(count)) => u64::try_from(*count).ok(),
            _ => None,
        };
        let id: RecordId = match row.get("id") {
            Some(Value::RecordId(id)) => (**id).clone(),
            _ => return Err(Error::answer(action, "a job without an id")),
        };
        Ok(Job {
            attempt: Attempt { id, process_uuid: text("process_uuid").unwrap_or_default() },
            status: text("status").unwrap_or_default(),
            path: text("path").unwrap_or_default(),
            payload: row.get("payload").cloned().unwrap_or_default(),
            executor_type: text("executor_type"),
            timeout: match row.get("timeout") {
                Some(Value::Duration(timeout)) => Some(*timeout),
                _ => None,
            },
            strategy: match text("retry_strategy").as_deref() {
                Some("linear") => RetryStrategy::Linear,
                _ => RetryStrategy::Exponential,
            },
            max_retries: count("max_retries").and_then(|count| u32::try_from(count).ok()).unwrap_or(MAX_RETRIES),
            retries: count("retries").and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
            attempts: count("attempts").unwrap_or(0),
        })
    }
}
