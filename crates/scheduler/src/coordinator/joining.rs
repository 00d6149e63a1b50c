//! Sidecars that join, give signs of life, and are compared with what the pool believes of them.

use std::collections::HashSet;
use std::sync::Arc;

use protocol::{Heartbeat, SspRegistered, SspRegistration, ViewKey};

use super::{Coordinator, Inner, lock};
use crate::pool::{Beat, Epoch, Load, Registration, SspId, Start, State, Target, Ticket};
use crate::replica::Frozen;

/// Why a sidecar can't join now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotJoined {
    /// The tables are being read for the first time, or again.
    #[error("the tables are still being read")]
    NotWhole,
    #[error(transparent)]
    Database(#[from] database::Error),
    #[error(transparent)]
    Replica(#[from] crate::replica::Error),
    #[error(transparent)]
    Log(#[from] crate::log::Error),
}

impl Coordinator {
    /// Lets a sidecar join: under a new epoch, which ends the one before.
    pub(crate) async fn join(&self, registration: SspRegistration) -> Result<SspRegistered, NotJoined> {
        let Inner { means, registering, .. } = &*self.0;
        let ssp = SspId::new(registration.ssp_id.as_str());
        let turn = {
            let mut registering = lock(registering);
            registering.retain(|_, turn| Arc::strong_count(turn) > 1);
            registering.entry(ssp.clone()).or_default().clone()
        };
        let _turn = turn.lock().await;
        if !means.progress.borrow().is_whole {
            return Err(NotJoined::NotWhole);
        }
        let range = means.log.range().await?;
        let may_resume = self.pool().may_resume(&ssp);
        let position = registration.position.filter(|position| {
            may_resume
                && position.log == means.log_id
                && (range.start..=range.end).contains(&(position.sequence.saturating_add(1)))
        });
        let frozen = match position {
            Some(_) => None,
            None => Some(means.replica.freeze().await?),
        };
        let start = match (&position, &frozen) {
            (Some(position), _) => Start::Resume { position: position.sequence },
            (None, frozen) => Start::Bootstrap { snapshot: frozen.as_ref().map_or(0, Frozen::position) },
        };
        let epoch = Epoch(means.database.enlist(ssp.as_str(), &registration.url).await?);
        let url: Arc<str> = registration.url.into();
        let head = self.head();
        self.act(|pool, now| {
            pool.register(now, Registration { id: ssp.clone(), url: url.clone(), epoch, start }, head)
        });
        // One that starts over has no views, whatever it says.
        let views: Vec<ViewKey> = self.pool().owned_by(&ssp).cloned().collect();
        self.dismiss_courier(&ssp);
        let (snapshot_seq, table_hashes) = match frozen {
            Some(frozen) => {
                let (position, contents) = (frozen.position(), frozen.contents().clone());
                lock(&self.0.loading).insert(ssp.clone(), (epoch, frozen));
                (position, contents)
            }
            None => {
                let position = position.map_or(0, |position| position.sequence);
                lock(&self.0.loading).remove(&ssp);
                self.send_courier(ssp.clone(), epoch, url, position);
                (position, Default::default())
            }
        };
        tracing::info!(%ssp, epoch = epoch.0, snapshot_seq, views = views.len(), ?start, "a sidecar joins");
        let goes_on = matches!(start, Start::Resume { .. });
        let log = means.log_id.clone();
        Ok(SspRegistered { epoch: epoch.0, log, snapshot_seq, goes_on, views, table_hashes })
    }

    /// Takes a sign of life.
    pub(crate) fn heartbeat(&self, heartbeat: Heartbeat) -> Beat {
        let (ssp, epoch) = (SspId::new(heartbeat.ssp_id), Epoch(heartbeat.epoch));
        let load = Load { views: heartbeat.views, cpu: heartbeat.cpu, memory: heartbeat.memory };
        let now = self.now();
        let beat = self.pool().heartbeat(now, &ssp, epoch, load);
        if beat != Beat::Ok {
            return beat;
        }
        for key in &heartbeat.missing {
            self.act(|pool, now| pool.missing(now, key, &ssp, epoch, Ticket::KEPT));
        }
        if heartbeat.is_loaded {
            self.loaded(&ssp, epoch);
        }
        self.reconcile_if_needed(&ssp, epoch, heartbeat.views);
        beat
    }

    /// The sidecar has loaded the snapshot: it is given what came after.
    fn loaded(&self, ssp: &SspId, epoch: Epoch) {
        let loaded = {
            let mut loading = lock(&self.0.loading);
            match loading.get(ssp) {
                Some((of, _)) if *of == epoch => loading.remove(ssp),
                _ => None,
            }
        };
        let Some((_, frozen)) = loaded else { return };
        let position = frozen.position();
        drop(frozen);
        let head = self.head();
        self.act(|pool, now| pool.loaded(now, ssp, epoch, head));
        let url = self.pool().member(self.now(), ssp).map(|member| Arc::from(member.url));
        if let Some(url) = url {
            tracing::info!(%ssp, position, head, "the sidecar has loaded the snapshot");
            self.send_courier(ssp.clone(), epoch, url, position);
        }
    }

    /// Compares views with those of the sidecar, if their number says that something is amiss: a view expires, or goes with its
    /// user, without us.
    fn reconcile_if_needed(&self, ssp: &SspId, epoch: Epoch, views: u64) {
        let url = match self.pool().member(self.now(), ssp) {
            Some(member) if member.state == State::Ready && member.views as u64 != views => member.url.to_owned(),
            _ => return,
        };
        let (coordinator, ssp) = (self.clone(), ssp.clone());
        tokio::spawn(async move {
            // As it is before the sidecar is asked: what comes to it meanwhile has another ticket.
            let owned: Vec<(ViewKey, Target)> = {
                let pool = coordinator.pool();
                let owned = pool.owned_by(&ssp).map(|key| (key.clone(), pool.locate(key)));
                owned.filter_map(|(key, location)| Some((key, location.owner()?))).collect()
            };
            let held = match coordinator.0.means.peers.views(&url).await {
                Ok(held) => held.into_iter().collect::<HashSet<_>>(),
                Err(error) => return tracing::debug!(%ssp, %error, "a sidecar does not say which views it keeps"),
            };
            let stray: Vec<ViewKey> = {
                let known: HashSet<&ViewKey> = owned.iter().map(|(key, _)| key).collect();
                held.iter().filter(|key| !known.contains(key)).cloned().collect()
            };
            if !stray.is_empty() {
                tracing::debug!(%ssp, ?stray, "the sidecar may keep views that it is not to keep");
                coordinator.act(|pool, now| pool.stray(now, &ssp, epoch, &stray));
            }
            for (key, at) in owned.into_iter().filter(|(key, _)| !held.contains(key)) {
                tracing::debug!(%ssp, view = %key, "the sidecar does not keep a view that it was to keep");
                match coordinator.0.means.database.query(&key).await {
                    Ok(None) => coordinator.unregistered(&key, &at),
                    Ok(Some(_)) => coordinator.missing(&key, &at),
                    Err(error) => return tracing::debug!(%error, "views can't be compared now"),
                }
            }
        });
    }
}
