//! The doorbell of a job table.

use std::time::Duration;

use circuit::{RecordId, Value};
use surrealdb::types::Action;

use crate::connect::Database;
use crate::convert::from_sdk;
use crate::ident::escape;
use crate::live::Live;

/// What a bell says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ring {
    /// There may be a new job.
    Pending,
    /// A job is gone that may have been under way.
    Gone(RecordId),
    /// Nothing, for as long as was asked for, or nothing that matters.
    Silence,
}

/// A subscription to the jobs of a table that are not concluded. Notifications may be lost: who listens has to look
/// from time to time.
#[derive(Debug)]
pub struct JobBell(Live);

impl JobBell {
    pub fn new(db: Database, table: &str) -> Self {
        let query =
            format!("LIVE SELECT id, status FROM {} WHERE status = 'pending' OR status = 'processing'", escape(table));
        JobBell(Live::new(db, query))
    }

    /// Subscribes if there is no subscription, and says whether it did: then there may be jobs that were not heard of.
    pub async fn has_been_mended(&mut self) -> bool {
        self.0.has_been_mended().await
    }

    /// Waits for a ring, at most for `limit`. May be cancelled.
    pub async fn next(&mut self, limit: Duration) -> Ring {
        match self.0.next(limit).await {
            Some(notification) => ring(notification),
            None => Ring::Silence,
        }
    }
}

fn ring(notification: surrealdb::Notification<surrealdb::types::Value>) -> Ring {
    let Ok(Value::Object(job)) = from_sdk(notification.data) else { return Ring::Silence };
    match (notification.action, job.get("id"), job.get("status")) {
        (Action::Delete, Some(Value::RecordId(id)), _) => Ring::Gone((**id).clone()),
        (_, _, Some(Value::String(status))) if &**status == "pending" => Ring::Pending,
        _ => Ring::Silence,
    }
}
