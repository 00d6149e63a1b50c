//! Sidecars of a cluster, and the fence around what they write.
//!
//! Each time a sidecar joins the cluster it gets an epoch, one higher than the last. Every transaction that it writes results
//! with checks that this is still its epoch, and writes to the same record: so of such a transaction and one that raises the
//! epoch, only one can commit, whatever isolation the store gives to what is only read. Once the epoch is raised, nothing of
//! the former one is written any more. (Chubby has sequencers for this; Burrows, OSDI 2006.)

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use protocol::ViewKey;
use surrealdb::types as sdk;
use surrealdb::types::Variables;

use crate::connect::Database;
use crate::error::{Error, Result};
use crate::ident::escape;
use crate::pages::array;

/// What a fenced transaction throws. Nobody else's error contains it.
pub(crate) const FENCED: &str = "the epoch of this sidecar is over";

/// What a transaction throws that is about a view of another sidecar.
pub(crate) const MOVED: &str = "another sidecar keeps this view";

/// A sidecar as the database knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub id: String,
    /// Where it listened when it joined last.
    pub url: String,
    /// Counts how often it has joined, and was fenced off.
    pub epoch: u64,
}

/// Under which epoch a connection writes results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The name of the sidecar.
    pub member: String,
    /// The epoch that it was given.
    pub epoch: u64,
}

impl Fence {
    /// A fence that nothing gets through: no sidecar has this epoch.
    pub fn closed(member: impl Into<String>) -> Self {
        Fence { member: member.into(), epoch: 0 }
    }

    /// Whether nothing gets through.
    pub fn is_closed(&self) -> bool {
        self.epoch == 0
    }
}

/// The fence of a connection, if it has one.
#[derive(Debug, Default)]
pub(crate) struct FenceCell {
    fence: RwLock<Option<Fence>>,
    /// The number of the last transaction that has written results, or was to.
    last: AtomicU64,
}

impl FenceCell {
    fn get(&self) -> Option<Fence> {
        self.fence.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, fence: Option<Fence>) {
        *self.fence.write().unwrap_or_else(PoisonError::into_inner) = fence;
    }

    fn next(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// What goes into a transaction that writes results.
pub(crate) struct Guard {
    /// Statements in front of the others.
    pub(crate) text: String,
    /// Whose results these are; nobody's outside of a cluster.
    pub(crate) member: Option<String>,
}

impl Guard {
    /// How many statements there are.
    pub(crate) fn statements(&self) -> usize {
        usize::from(!self.text.is_empty())
    }
}

impl Database {
    /// From now on results are written under this epoch. All clones of this connection share it.
    pub fn set_fence(&self, fence: Option<Fence>) {
        self.fence_cell().set(fence);
    }

    /// The epoch under which results are written.
    pub fn fence(&self) -> Option<Fence> {
        self.fence_cell().get()
    }

    /// The check that a transaction begins with.
    pub(crate) fn guard(&self, variables: &mut Variables) -> Guard {
        match self.fence() {
            Some(Fence { member, epoch }) => self.guard_of(member, epoch, variables),
            None => Guard { text: String::new(), member: None },
        }
    }

    /// As [`Database::guard`], for results, of which one transaction after the other is sent: one that was given up, as no
    /// answer came, and arrives behind a later one, is refused as well. What it says is no longer true.
    pub(crate) fn guard_in_order(&self, variables: &mut Variables) -> Guard {
        let mut guard = self.guard(variables);
        if guard.member.is_some() {
            variables.insert("number", self.fence_cell().next() as i64);
            guard.text = check("writes += 1, last = $number", "AND last < $number");
        }
        guard
    }

    /// The check of a sidecar's epoch, whatever it has by now.
    pub(crate) fn guard_of(&self, member: String, epoch: u64, variables: &mut Variables) -> Guard {
        variables.insert("fence", sdk::RecordId::new(self.names().ssp(), member.as_str()));
        variables.insert("epoch", epoch as i64);
        Guard { text: check("writes += 1", ""), member: Some(member) }
    }

    /// Gives a sidecar its next epoch, which ends the one before. One request.
    pub async fn enlist(&self, member: &str, url: &str) -> Result<u64> {
        const ACTION: &str = "giving a sidecar an epoch";
        let mut variables = Variables::new();
        variables.insert("member", sdk::RecordId::new(self.names().ssp(), member));
        variables.insert("url", url.to_owned());
        let text = "UPSERT ONLY $member SET epoch = (epoch ?? 0) + 1, url = $url, writes = writes ?? 0, last = 0 \
                    RETURN VALUE epoch";
        let epoch = self.run_retrying(ACTION, text, variables).await?.take(0)?;
        number(ACTION, epoch)
    }

    /// Ends the epoch of a sidecar, unless it has ended already. When this returns, nothing is written under it any more. One
    /// request.
    pub async fn fence_off(&self, member: &str, epoch: u64) -> Result<()> {
        const ACTION: &str = "ending the epoch of a sidecar";
        let mut variables = Variables::new();
        variables.insert("member", sdk::RecordId::new(self.names().ssp(), member));
        variables.insert("epoch", epoch as i64);
        let text = "UPDATE $member SET epoch += 1 WHERE epoch = $epoch RETURN NONE";
        self.run_retrying(ACTION, text, variables).await.map(drop)
    }

    /// All sidecars that have ever joined. One request.
    pub async fn members(&self) -> Result<Vec<Member>> {
        const ACTION: &str = "reading the sidecars of the cluster";
        let text = format!("SELECT VALUE [record::id(id), url, epoch] FROM {}", escape(&self.names().ssp()));
        let found = match self.run(ACTION, text, Variables::new()).await {
            Err(Error::NoSuchTable { .. }) => return Ok(Vec::new()),
            found => array(ACTION, found?.take(0)?)?,
        };
        let member = |row: sdk::Value| match <[sdk::Value; 3]>::try_from(array(ACTION, row)?) {
            Ok([sdk::Value::String(id), sdk::Value::String(url), epoch]) => {
                Ok(Member { id, url, epoch: number(ACTION, epoch)? })
            }
            _ => Err(Error::answer(ACTION, "expected a name, an address and an epoch")),
        };
        found.into_iter().map(member).collect()
    }

    /// The keys of all views, each with the sidecar that is noted to keep it. One request.
    pub async fn owners(&self) -> Result<Vec<(ViewKey, Option<String>)>> {
        const ACTION: &str = "reading which sidecar keeps which view";
        let text = format!("SELECT VALUE [record::id(id), ssp] FROM {}", escape(&self.names().query()));
        let found = match self.run(ACTION, text, Variables::new()).await {
            Err(Error::NoSuchTable { .. }) => return Ok(Vec::new()),
            found => array(ACTION, found?.take(0)?)?,
        };
        let mut owners = Vec::with_capacity(found.len());
        for row in found {
            let [key, owner] = <[sdk::Value; 2]>::try_from(array(ACTION, row)?)
                .map_err(|_| Error::answer(ACTION, "expected a key and a name"))?;
            let sdk::Value::String(key) = key else { continue };
            let owner = match owner {
                sdk::Value::String(owner) => Some(owner),
                _ => None,
            };
            owners.extend(ViewKey::from_key(key).ok().map(|key| (key, owner)));
        }
        Ok(owners)
    }
}

/// Refuses a transaction whose epoch is over, and lets it conflict with whatever ends that.
fn check(set: &str, also: &str) -> String {
    format!(
        "IF array::is_empty((UPDATE $fence SET {set} WHERE epoch = $epoch {also} RETURN VALUE true)) \
         {{ THROW '{FENCED}' }};\n"
    )
}

fn number(action: &'static str, value: sdk::Value) -> Result<u64> {
    match value {
        sdk::Value::Number(sdk::Number::Int(number)) => {
            u64::try_from(number).map_err(|_| Error::answer(action, "a negative epoch"))
        }
        _ => Err(Error::answer(action, "an epoch that is no number")),
    }
}
