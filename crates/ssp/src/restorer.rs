//! Taking up views that another process has left in the database.

use std::collections::BTreeMap;
use std::sync::Arc;

use database::{Database, StoredQuery};
use futures::{StreamExt, TryStreamExt, stream};
use protocol::ViewKey;
use query::Query;
use tokio::sync::oneshot;

use crate::catalog::{Permissions, recompile};
use crate::cluster::{MoveError, Ticket};
use crate::command::{Command, EngineSender};
use crate::error::Error;
use crate::left::Left;
use crate::settings::Settings;
use crate::view::View;

/// How many views are read together: what is left of neighbours is one range of keys.
const NEIGHBOURS: usize = 200;
/// How many times so many views are taken up at once: while some are compiled, the database answers for others.
const AT_ONCE: usize = 4;

/// Takes up views.
#[derive(Clone)]
pub(crate) struct Restorer {
    pub(crate) database: Database,
    pub(crate) engine: EngineSender,
    pub(crate) settings: Arc<Settings>,
    pub(crate) permissions: Permissions,
    /// How they come here.
    pub(crate) ticket: Ticket,
}

/// Views that can't be taken up any more, and why.
pub(crate) type Refused = BTreeMap<ViewKey, String>;

impl Restorer {
    /// Takes up views, in the order of their keys, and brings what is stored of them in line. Answers, and reports, those
    /// that can't be compiled any more; they are left as they are.
    ///
    /// # Errors
    /// If the database can't be read, or the engine has ended or refuses a view because it is another's.
    pub(crate) async fn restore(&self, stored: Vec<StoredQuery>) -> Result<Refused, MoveError> {
        let restored = stream::iter(stored).chunks(NEIGHBOURS).map(|neighbours| self.restore_neighbours(neighbours));
        restored
            .buffer_unordered(AT_ONCE)
            .try_fold(Refused::new(), async |mut all, mut refused| {
                all.append(&mut refused);
                Ok(all)
            })
            .await
    }

    async fn restore_neighbours(&self, stored: Vec<StoredQuery>) -> Result<Refused, MoveError> {
        let permissions = self.permissions.get();
        let mut refused = Refused::new();
        let mut views: Vec<(View, Query)> = Vec::with_capacity(stored.len());
        for StoredQuery { row, .. } in stored {
            match recompile(&row, &permissions) {
                Ok(query) => views.push((View::new(row, self.ticket, &self.database, &self.settings), query)),
                Err(error) => {
                    tracing::error!(view = %row.key, %error, "a view can't be restored");
                    refused.insert(row.key, error.to_string());
                }
            }
        }
        let neighbours: Vec<&View> = views.iter().map(|(view, _)| view).collect();
        let left = Left::read_all(&self.database, &neighbours).await?;
        let mut restored = Vec::with_capacity(views.len());
        for ((view, query), left) in views.into_iter().zip(left) {
            let (reply, done) = oneshot::channel();
            let command = Command::Restore { view: Box::new(view), query, left, reply };
            self.engine.send(command).await.map_err(|_| Error::engine_ended())?;
            restored.push(done);
        }
        for done in restored {
            done.await.map_err(|_| Error::engine_ended())??;
        }
        Ok(refused)
    }
}
