//! Jobs that are run out of turn, because somebody says so.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use circuit::RecordId;
use tokio::sync::{mpsc, oneshot};

/// How many requests may wait for a lane. What comes then is turned away.
const QUEUE: usize = 64;
/// How long a lane may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A job that is to be run now.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) job: RecordId,
    pub(crate) reply: oneshot::Sender<Answer>,
}

/// What has come of a job that was to be run now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is being run here.
    Claimed,
    /// It is not pending: it is being run already, has ended, or does not exist.
    NotPending,
    /// As many jobs of its table are under way as may be.
    Full,
    /// Its table is none whose jobs are run here.
    NoSuchTable,
    /// It can't be claimed now, or nobody knows whether it was; and why.
    Unavailable(String),
}

/// Has single jobs run now, also before they are due; within the bounds of their tables, as all jobs.
#[derive(Clone, Debug, Default)]
pub struct Dispatcher(Arc<HashMap<String, mpsc::Sender<Request>>>);

impl Dispatcher {
    /// A dispatcher for lanes of these tables, and what the lanes listen to.
    pub(crate) fn new<'a>(tables: impl Iterator<Item = &'a str>) -> (Self, Vec<mpsc::Receiver<Request>>) {
        let (senders, receivers) = tables
            .map(|table| {
                let (sender, receiver) = mpsc::channel(QUEUE);
                ((table.to_owned(), sender), receiver)
            })
            .unzip();
        (Dispatcher(Arc::new(senders)), receivers)
    }

    /// Claims a job and has it run; answers as soon as it is claimed, or is known not to be. At most 5 seconds.
    pub async fn run(&self, job: RecordId) -> Answer {
        let Some(lane) = self.0.get(&*job.table) else { return Answer::NoSuchTable };
        let (reply, answer) = oneshot::channel();
        match lane.try_send(Request { job, reply }) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Answer::Full,
            Err(mpsc::error::TrySendError::Closed(_)) => {
                return Answer::Unavailable("no jobs are run here any more".to_owned());
            }
        }
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Answer::Unavailable("no jobs are run here any more".to_owned()),
            Err(_) => Answer::Unavailable("the table is not prepared, or the database does not answer".to_owned()),
        }
    }
}
