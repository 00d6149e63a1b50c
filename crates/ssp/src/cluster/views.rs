//! Views that the scheduler gives to this sidecar, or takes from it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use protocol::{TakenOver, ViewKey};
use tokio::sync::{Mutex, oneshot};

use super::ticket::{Missing, Ticket, Turned};
use crate::command::{Command, EngineSender};
use crate::error::Error;
use crate::restorer::{NotRestored, Restorer};

/// What the scheduler asked last, one thing after the other. An answer may get lost, and a request come twice, or late.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moves(Arc<Mutex<Option<(Ticket, TakenOver)>>>);

impl Moves {
    /// Does what is asked under a ticket, once: who asks again is answered what was answered before. It is done to its end,
    /// also if nobody waits for that.
    ///
    /// # Errors
    /// [`MoveError::Turned`] if something was asked under a later ticket, and what `task` answers.
    pub(crate) async fn once(
        &self,
        ticket: Ticket,
        task: impl Future<Output = Result<TakenOver, MoveError>> + Send + 'static,
    ) -> Result<TakenOver, MoveError> {
        let mut last = self.0.clone().lock_owned().await;
        if let Some((former, answer)) = last.as_ref().filter(|(former, _)| former.epoch == ticket.epoch) {
            match former.number.cmp(&ticket.number) {
                Ordering::Equal => return Ok(answer.clone()),
                Ordering::Greater => return Err(Turned::Late.into()),
                Ordering::Less => {}
            }
        }
        let done = tokio::spawn(async move {
            let answer = task.await?;
            *last = Some((ticket, answer.clone()));
            Ok(answer)
        });
        done.await.map_err(|_| Error::engine_ended())?
    }
}

/// Why views are not moved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MoveError {
    #[error(transparent)]
    Turned(#[from] Turned),
    #[error(transparent)]
    Service(#[from] Error),
}

impl From<database::Error> for MoveError {
    fn from(error: database::Error) -> Self {
        MoveError::Service(error.into())
    }
}

/// Takes over views that nobody else keeps. Afterwards what is stored of them is kept in line with their results.
///
/// # Errors
/// If the database can't be asked, or this sidecar's epoch is over: then they are nobody's still, as far as it is concerned.
pub(crate) async fn take_over(restorer: Restorer, mut keys: Vec<ViewKey>) -> Result<TakenOver, MoveError> {
    keys.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    // One of them may be about to be removed, by us.
    let (reply, ordered) = oneshot::channel();
    restorer.engine.send(Command::Barrier(reply)).await.map_err(|_| Error::engine_ended())?;
    ordered.await.map_err(|_| Error::engine_ended())?.await.map_err(|_| Error::engine_ended())?;
    let mut stored = restorer.database.take_over_queries(&keys, restorer.ticket.epoch).await?;
    stored.sort_by(|one, other| one.row.key.as_str().cmp(other.row.key.as_str()));
    let found: BTreeSet<ViewKey> = stored.iter().map(|query| query.row.key.clone()).collect();
    let NotRestored { refused, late, gone: of_deleted } = restorer.restore(stored).await?;
    let (there, mut gone): (Vec<ViewKey>, Vec<ViewKey>) = keys.into_iter().partition(|key| found.contains(key));
    if !gone.is_empty() {
        restorer.database.remove_left(&gone).await?;
    }
    // Of a late one nothing is said: it is nobody's still.
    let is_kept = |key: &ViewKey| !refused.contains_key(key) && !late.contains(key) && !of_deleted.contains(key);
    let kept = there.into_iter().filter(is_kept).collect();
    gone.extend(of_deleted);
    let refused: BTreeMap<String, String> = refused.into_iter().map(|(key, why)| (key.to_string(), why)).collect();
    Ok(TakenOver { kept, gone, refused })
}

/// Gives views away: when this returns, all that they show is stored, and nothing more will be written of them.
pub(crate) async fn give_away(
    engine: EngineSender,
    keys: Vec<ViewKey>,
    ticket: Ticket,
) -> Result<TakenOver, MoveError> {
    let (reply, released) = oneshot::channel();
    engine.send(Command::Release { keys, ticket, reply }).await.map_err(|_| Error::engine_ended())?;
    let written = released.await.map_err(|_| Error::engine_ended())??;
    written.await.map_err(|_| Error::engine_ended())?;
    Ok(TakenOver::default())
}

/// Gives up all views but these, as the others are others' already. When this returns, nothing more will be written of them.
/// Answers those that are to be kept and are not there.
pub(crate) async fn join(engine: &EngineSender, epoch: u64, keep: HashSet<ViewKey>) -> Result<Missing, Error> {
    let (reply, joined) = oneshot::channel();
    engine.send(Command::Join { epoch, keep, reply }).await.map_err(|_| Error::engine_ended())?;
    let (missing, forgotten) = joined.await.map_err(|_| Error::engine_ended())?;
    forgotten.await.map_err(|_| Error::engine_ended())?;
    Ok(missing)
}
