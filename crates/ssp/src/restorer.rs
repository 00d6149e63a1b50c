//! Taking up views that another process has left in the database.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use circuit::{Change, RecordId, SameRecord};
use database::{Database, FIRST_VERSION, StoredQuery};
use futures::{StreamExt, TryStreamExt, stream};
use protocol::ViewKey;
use query::Query;
use tokio::sync::oneshot;

use crate::catalog::{Permissions, recompile};
use crate::cluster::Ticket;
use crate::command::{Command, EngineSender};
use crate::error::Error;
use crate::left::Left;
use crate::settings::{RefMode, Settings};
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

/// Views that were to be taken up and are not kept.
#[derive(Debug, Default)]
pub(crate) struct NotRestored {
    /// Those that can't be compiled any more, and why. They are left as they are.
    pub(crate) refused: BTreeMap<ViewKey, String>,
    /// Those that are others' by now.
    pub(crate) late: BTreeSet<ViewKey>,
    /// Those whose users were deleted while nobody kept them. They are removed.
    pub(crate) gone: BTreeSet<ViewKey>,
}

impl Restorer {
    /// Takes up views, in the order of their keys, and brings what is stored of them in line. Answers, and reports, those that
    /// are not kept.
    ///
    /// # Errors
    /// If the database can't be read, or the engine has ended.
    pub(crate) async fn restore(&self, stored: Vec<StoredQuery>) -> Result<NotRestored, Error> {
        let restored = stream::iter(stored).chunks(NEIGHBOURS).map(|neighbours| self.restore_neighbours(neighbours));
        restored
            .buffer_unordered(AT_ONCE)
            .try_fold(NotRestored::default(), async |mut all, mut others| {
                all.refused.append(&mut others.refused);
                all.late.append(&mut others.late);
                all.gone.append(&mut others.gone);
                Ok(all)
            })
            .await
    }

    async fn restore_neighbours(&self, stored: Vec<StoredQuery>) -> Result<NotRestored, Error> {
        let catalog = self.permissions.get();
        let mut others = NotRestored::default();
        let mut views: Vec<(View, Query)> = Vec::with_capacity(stored.len());
        for StoredQuery { row, .. } in stored {
            match recompile(&row, &catalog) {
                Ok(query) => views.push((View::new(row, self.ticket, &self.database, &self.settings), query)),
                Err(error) => {
                    tracing::error!(view = %row.key, %error, "a view can't be restored");
                    others.refused.insert(row.key, error.to_string());
                }
            }
        }
        let neighbours: Vec<&View> = views.iter().map(|(view, _)| view).collect();
        let left = Left::read_all(&self.database, &neighbours).await?;
        let mut restored = Vec::with_capacity(views.len());
        for ((view, query), left) in views.into_iter().zip(left) {
            let (reply, done) = oneshot::channel();
            let (key, user) = (view.key().clone(), view.row.auth_id.clone());
            let command = Command::Restore { view: Box::new(view), query, catalog: catalog.clone(), left, reply };
            self.send(command).await?;
            restored.push((key, user, done));
        }
        let mut of_users: HashMap<SameRecord, Vec<ViewKey>> = HashMap::new();
        for (key, user, done) in restored {
            match done.await.map_err(|_| Error::engine_ended())? {
                Ok(()) => user.into_iter().for_each(|user| of_users.entry(user.into()).or_default().push(key.clone())),
                Err(_) => drop(others.late.insert(key)),
            }
        }
        others.gone = self.remove_of_deleted(of_users).await?;
        Ok(others)
    }

    /// Removes the views of users who were deleted before the engine had these views: afterwards it sees that by itself. Answers
    /// which.
    async fn remove_of_deleted(&self, of_users: HashMap<SameRecord, Vec<ViewKey>>) -> Result<BTreeSet<ViewKey>, Error> {
        let (users, views): (Vec<RecordId>, Vec<_>) =
            of_users.into_iter().map(|(user, views)| (RecordId::clone(&user.0), views)).unzip();
        // One that never was there has had no version but the first.
        let is_deleted = |user: &Change| user.content.is_none() && user.version > FIRST_VERSION;
        let found = self.database.records(&users).await?;
        let mut gone = BTreeSet::new();
        for (keys, user) in views.into_iter().zip(found).filter(|(_, user)| is_deleted(user)) {
            for key in keys {
                tracing::info!(view = %key, "the user of the view is gone");
                let (reply, ordered) = oneshot::channel();
                self.send(Command::Unregister { key: key.clone(), reply }).await?;
                let removed = ordered.await.map_err(|_| Error::engine_ended())?;
                removed.await.map_err(|_| Error::engine_ended())??;
                gone.insert(key);
            }
            if self.settings.ref_mode == RefMode::Dedicated {
                // It has gone with the user, and an edge may have brought it back.
                self.database.drop_user_table(&user.id).await?;
            }
        }
        Ok(gone)
    }

    async fn send(&self, command: Command) -> Result<(), Error> {
        self.engine.send(command).await.map_err(|_| Error::engine_ended())
    }
}
