//! A circuit for each tenant, behind one router: isolated in failure and in time.
//!
//! **In failure.** The circuit is meant never to panic, but it calls a [`Library`] that it does not know. A panic
//! inside a tenant's circuit ends this circuit only: it is discarded, because it may be left halfway, and its tenant
//! is answered [`TenantError::Failed`] until it is rebuilt. (Where panics abort the process, as they may in WASM,
//! nothing can be isolated.)
//!
//! **In time.** Changes wait in a queue for each tenant, and tenants with waiting changes take turns: deficit round
//! robin (Shreedhar and Varghese, SIGCOMM 1995), in which a packet is a batch and costs the number of its changes. In
//! each turn a tenant may spend a *quantum*, and saves what is too little for its next batch. So in any `k` turns a
//! tenant that always has changes waiting takes in between `k * quantum - (m - 1)` and `k * quantum + (m - 1)` of them,
//! where `m` is the size of its largest batch. Hence the bound that the tests hold it to:
//!
//! > A batch of `b` changes of a tenant that has nothing else waiting is taken in after at most `k = ceil(b / quantum)`
//! > turns of each other tenant, that is, after at most `k * quantum + m - 1` changes of each, however many wait.
//!
//! What one change costs is not weighed: it depends on the views that the tenant has registered.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hashbrown::HashMap;

use crate::circuit::Circuit;
use crate::expr::library::Library;
use crate::step::Step;
use crate::store::table::Change;
use crate::value::RecordId;

pub type TenantId = Arc<str>;

/// Says whose a record is. The id must tell, because of a deletion there is nothing else; a record stays with its
/// tenant.
pub type Router = Box<dyn Fn(&RecordId) -> TenantId + Send + Sync>;

/// How much a tenant may take.
#[derive(Clone, Copy, Debug)]
pub struct TenantLimits {
    /// The changes of one turn.
    pub quantum: NonZeroUsize,
    /// The changes that may wait. One batch may exceed it, if nothing else waits.
    pub queue: usize,
}

/// Why a tenant is not served. It concerns this tenant alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TenantError {
    /// Its circuit has panicked and is gone.
    #[error("the circuit of tenant {tenant} has failed: {reason}")]
    Failed { tenant: TenantId, reason: Arc<str> },
    /// The changes have to be offered again, after others have been taken in.
    #[error("the queue of tenant {tenant} is full: {waiting} changes are waiting")]
    QueueFull { tenant: TenantId, waiting: usize },
}

/// Changes of one tenant that were not taken, for whoever wants to offer them again.
#[derive(Debug)]
pub struct Refused {
    pub error: TenantError,
    pub changes: Vec<Change>,
}

/// What a tenant's turn did.
#[derive(Debug)]
pub struct TenantStep {
    pub tenant: TenantId,
    /// The changes that were taken out of the queue.
    pub changes: usize,
    /// The step, or how the tenant has failed.
    pub outcome: Result<Step, TenantError>,
}

/// The circuits of all tenants.
pub struct Tenants {
    router: Router,
    library: Arc<dyn Library>,
    limits: TenantLimits,
    tenants: HashMap<TenantId, Tenant, foldhash::fast::FixedState>,
    /// The tenants with waiting changes, each once; the first is next.
    turns: VecDeque<TenantId>,
}

#[derive(Debug)]
struct Tenant {
    /// The circuit, or why there is none any more.
    circuit: Result<Box<Circuit>, Arc<str>>,
    queue: VecDeque<Vec<Change>>,
    /// The number of changes in the queue.
    waiting: usize,
    /// What earlier turns have left: less than the first batch of the queue costs.
    deficit: usize,
}

impl Tenants {
    pub fn new(router: Router, library: Arc<dyn Library>, limits: TenantLimits) -> Self {
        Tenants { router, library, limits, tenants: HashMap::default(), turns: VecDeque::new() }
    }

    /// Queues a batch: for each tenant the part that is its own, which stays one batch. A tenant that is new gets a
    /// circuit. O(changes).
    ///
    /// Answers the parts that were not taken; all others were.
    #[must_use]
    pub fn ingest(&mut self, changes: Vec<Change>) -> Vec<Refused> {
        let mut parts: Vec<(TenantId, Vec<Change>)> = Vec::new();
        let mut positions: HashMap<TenantId, usize, foldhash::fast::FixedState> = HashMap::default();
        for change in changes {
            let tenant = (self.router)(&change.id);
            let position = *positions.entry(tenant.clone()).or_insert(parts.len());
            match parts.get_mut(position) {
                Some((_, part)) => part.push(change),
                None => parts.push((tenant, vec![change])),
            }
        }
        parts.into_iter().filter_map(|(tenant, part)| self.enqueue(tenant, part).err()).collect()
    }

    /// Lets tenants take turns until `budget` changes have been taken in or none is waiting. The last turn may exceed
    /// the budget by less than a quantum and a batch.
    ///
    /// Where this stops, the next call goes on: what was promised holds across calls.
    pub fn run(&mut self, budget: usize) -> Vec<TenantStep> {
        let mut steps = Vec::new();
        let mut done = 0;
        while done < budget
            && let Some(id) = self.turns.pop_front()
        {
            let Some(tenant) = self.tenants.get_mut(&id) else { continue };
            let batch = tenant.take_turn(self.limits.quantum.get());
            if !batch.is_empty() {
                let changes = batch.len();
                let outcome = tenant.guarded(&id, |circuit| circuit.step(batch));
                done += changes;
                steps.push(TenantStep { tenant: id.clone(), changes, outcome });
            }
            if tenant.waiting > 0 {
                self.turns.push_back(id);
            }
        }
        steps
    }

    /// Does something with the circuit of a tenant, such as registering a plan; a tenant that is new gets a circuit.
    /// What waits in the queue has not been taken in. Steps are not to be made here: they would overtake it.
    ///
    /// # Errors
    /// If the circuit has failed, by this or before.
    pub fn with<T>(&mut self, tenant: &TenantId, act: impl FnOnce(&mut Circuit) -> T) -> Result<T, TenantError> {
        let outcome = self.tenant(tenant).guarded(tenant, act);
        if outcome.is_err() {
            // What waited is gone with the circuit.
            self.turns.retain(|id| id != tenant);
        }
        outcome
    }

    /// Gives a tenant a new, empty circuit and an empty queue, whatever became of the old ones. Its rows have to be
    /// read and its plans to be registered again.
    pub fn rebuild(&mut self, tenant: &TenantId) {
        self.remove(tenant);
        self.tenant(tenant);
    }

    /// Forgets a tenant with everything that it has. O(tenants).
    pub fn remove(&mut self, tenant: &TenantId) {
        self.tenants.remove(tenant);
        self.turns.retain(|id| id != tenant);
    }

    /// The number of changes that wait for a tenant's turn.
    pub fn waiting(&self, tenant: &TenantId) -> usize {
        self.tenants.get(tenant).map_or(0, |tenant| tenant.waiting)
    }

    /// All tenants, those that have failed among them.
    pub fn ids(&self) -> impl Iterator<Item = &TenantId> {
        self.tenants.keys()
    }

    fn tenant(&mut self, id: &TenantId) -> &mut Tenant {
        let library = &self.library;
        self.tenants.entry(id.clone()).or_insert_with(|| Tenant::new(library.clone()))
    }

    fn enqueue(&mut self, id: TenantId, changes: Vec<Change>) -> Result<(), Refused> {
        let limit = self.limits.queue;
        let tenant = self.tenant(&id);
        if let Err(error) = tenant.check(&id) {
            return Err(Refused { error, changes });
        }
        let waiting = tenant.waiting;
        if waiting > 0 && waiting + changes.len() > limit {
            return Err(Refused { error: TenantError::QueueFull { tenant: id, waiting }, changes });
        }
        tenant.waiting += changes.len();
        tenant.queue.push_back(changes);
        if waiting == 0 {
            self.turns.push_back(id);
        }
        Ok(())
    }
}

impl Tenant {
    fn new(library: Arc<dyn Library>) -> Self {
        let circuit = Ok(Box::new(Circuit::new(library)));
        Tenant { circuit, queue: VecDeque::new(), waiting: 0, deficit: 0 }
    }

    fn check(&self, id: &TenantId) -> Result<(), TenantError> {
        match &self.circuit {
            Ok(_) => Ok(()),
            Err(reason) => Err(TenantError::Failed { tenant: id.clone(), reason: reason.clone() }),
        }
    }

    /// Takes the batches out of the queue that a turn pays for, as one.
    fn take_turn(&mut self, quantum: usize) -> Vec<Change> {
        self.deficit += quantum;
        let mut taken = Vec::new();
        while let Some(mut batch) = self.queue.pop_front_if(|batch| batch.len() <= self.deficit) {
            self.deficit -= batch.len();
            taken.append(&mut batch);
        }
        self.waiting -= taken.len();
        if self.queue.is_empty() {
            // Who has nothing to do saves nothing.
            self.deficit = 0;
        }
        taken
    }

    /// Does something with the circuit. If that panics, the circuit and what waits for it are gone.
    fn guarded<T>(&mut self, id: &TenantId, act: impl FnOnce(&mut Circuit) -> T) -> Result<T, TenantError> {
        let circuit = match &mut self.circuit {
            Ok(circuit) => circuit,
            Err(reason) => return Err(TenantError::Failed { tenant: id.clone(), reason: reason.clone() }),
        };
        // Nobody sees the circuit again that an unwinding may have left halfway.
        match catch_unwind(AssertUnwindSafe(|| act(circuit))) {
            Ok(outcome) => Ok(outcome),
            Err(panic) => {
                let reason = message(&*panic);
                *self = Tenant { circuit: Err(reason.clone()), queue: VecDeque::new(), waiting: 0, deficit: 0 };
                Err(TenantError::Failed { tenant: id.clone(), reason })
            }
        }
    }
}

/// The message of a panic.
fn message(panic: &(dyn Any + Send)) -> Arc<str> {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").into()
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tenants { router: _, library, limits, tenants, turns } = self;
        f.debug_struct("Tenants")
            .field("library", library)
            .field("limits", limits)
            .field("tenants", tenants)
            .field("turns", turns)
            .finish_non_exhaustive()
    }
}
