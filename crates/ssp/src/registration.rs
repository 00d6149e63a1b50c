//! How views come to the engine, and leave it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use circuit::{Plan, ResultId, RowChange, SameRecord, Shown, Value, WatchId};
use database::{RowId, as_stored};
use protocol::{Format, ViewKey};
use query::Catalog;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::catalog::recompile;
use crate::cluster::{Missing, Ticket, Turned};
use crate::command::{Done, Edges, Followed, Initial, Order, Snapshot};
use crate::computed::Computed;
use crate::edge_buffer::Note;
use crate::engine::{Closed, Engine, empty_circuit};
use crate::left::Left;
use crate::note::note;
use crate::path::Path;
use crate::showing::{Own, Showing, Stored, content_hash};
use crate::view::{Registered, View, Views};
use crate::watches::Watches;

/// Why a view is not registered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTaken {
    #[error(transparent)]
    Turned(#[from] Turned),
    /// Its query can't be kept any more: something was defined anew since it was compiled.
    #[error("{0}")]
    Refused(String),
}

impl Engine {
    /// Registers a view, or takes the place of the one that has its key. Of what is stored of that one only what differs
    /// is written.
    pub(crate) fn register(
        &mut self,
        mut view: View,
        plan: Plan,
        catalog: &Arc<Catalog>,
        reply: oneshot::Sender<Result<Initial, NotTaken>>,
    ) -> Result<(), Closed> {
        let plan = match self
            .check(view.key(), view.ticket)
            .map_err(NotTaken::from)
            .and_then(|()| self.renewed(&view, plan, catalog))
        {
            Ok(plan) => plan,
            Err(not_taken) => {
                // A client that has gone away needs no answer.
                let _ = reply.send(Err(not_taken));
                return Ok(());
            }
        };
        self.generation += 1;
        view.generation = self.generation;
        let view = Arc::new(view);
        let (rows, note, edges) = self.put_in_place(&view, &plan);
        let (done, written) = oneshot::channel();
        self.order(Order::Register { view: view.clone(), edges, done })?;
        let result = Snapshot { view: view.clone(), plan, rows, note };
        if reply.send(Ok(Initial { result, written })).is_err() {
            // The client has gone away without an answer. It can't know that there is a view, so there is none.
            self.unregister(view.key())?;
        }
        Ok(())
    }

    /// The plan of a view by what is defined now. What users may see, or what is computed, may have been defined anew between
    /// the compilation of its query and now.
    fn renewed(&self, view: &View, plan: Plan, compiled_with: &Arc<Catalog>) -> Result<Plan, NotTaken> {
        let plan = match &self.catalog {
            Some(catalog) if view.row.auth_id.is_some() && !Arc::ptr_eq(catalog, compiled_with) => {
                recompile(&view.row, catalog).map_err(|error| NotTaken::Refused(error.to_string()))?.plan
            }
            _ => plan,
        };
        match self.computed.objection(&plan) {
            None => Ok(plan),
            Some(reason) => Err(NotTaken::Refused(reason)),
        }
    }

    /// Puts a plan to work for a view, in the place of the one that has its key. Answers the rows, and what is to be written.
    fn put_in_place(&mut self, view: &Arc<View>, plan: &Plan) -> (Vec<Shown>, Note, Edges) {
        let mut showing = Showing::new(plan, view.format());
        // The result is registered before the former one is given up, so that what both need is kept.
        let (result, watch) = self.attach(plan, &showing, view);
        let mut edges = Edges::default();
        let former = self.views.remove(view.key());
        let held = former.as_ref().map_or(0, |former| former.number);
        let stored = match former {
            Some(former) => self.replace(former, view, &mut edges),
            None => {
                // Something may be there all the same, from a view that could not be removed or restored.
                edges.clears.push(view.clone());
                Stored::default()
            }
        };
        let mut rows = self.circuit.shown(result, &plan.output);
        edges.push(view, showing.begin(&mut rows, stored));
        let note = self.insert(view, plan.clone(), result, watch, showing, &mut edges);
        if let Some(registered) = self.views.get_mut(view.key()) {
            registered.number = registered.number.max(held);
        }
        (rows, note, edges)
    }

    /// The result of a view as it will be in the database when everything is that has been ordered, and what follows then.
    /// O(result).
    pub(crate) fn snapshot(&mut self, key: &ViewKey) -> Result<Option<Followed>, Closed> {
        let Some(registered) = self.views.get(key) else { return Ok(None) };
        let Registered { view, plan, result, showing, .. } = registered;
        let mut rows = self.circuit.shown(*result, &plan.output);
        showing.give_versions(&mut rows);
        let note = note(&self.circuit, registered);
        let result = Snapshot { view: view.clone(), plan: plan.clone(), rows, note };
        let (done, following) = oneshot::channel();
        self.order(Order::Follow { key: key.clone(), done })?;
        Ok(Some(Followed { result, following }))
    }

    /// Compiles the views of all users again, because what these may see is defined anew. A view that can't be kept any
    /// more is removed. O(views of users), and O(result) for each that sees something else.
    pub(crate) fn recompile(&mut self, catalog: Arc<Catalog>) -> Result<(), Closed> {
        let catalog = &*self.catalog.insert(catalog).clone();
        let of_users = self.views.iter().filter(|registered| registered.view.row.auth_id.is_some());
        let mut others = Vec::new();
        for Registered { view, plan, .. } in of_users {
            match recompile(&view.row, catalog) {
                Ok(query) if query.plan == *plan => {}
                outcome => others.push((view.clone(), outcome)),
            }
        }
        for (view, outcome) in others {
            match outcome {
                Ok(query) => {
                    let (_, _, edges) = self.put_in_place(&view, &query.plan);
                    self.order(Order::Edges(edges))?;
                }
                Err(error) => {
                    tracing::warn!(view = %view.key(), %error, "the view can't be kept any more");
                    self.unregister(view.key())?;
                }
            }
        }
        Ok(())
    }

    /// Has it looked what has become of users whose deletion is taken in. By now there may be such a user again, with views.
    pub(crate) fn look_for_users(&mut self, deleted: Vec<SameRecord>) -> Result<(), Closed> {
        for user in deleted {
            self.order(Order::LookForUser { user, generation: self.generation })?;
        }
        Ok(())
    }

    /// A user was deleted, and is gone, or there again. The views up to a generation go with the user; later ones are another
    /// user's with that name. If there is such a user again all that the views have is written anew: it went with the former one.
    pub(crate) fn user_deleted(&mut self, user: &SameRecord, is_gone: bool, generation: u64) -> Result<(), Closed> {
        for key in self.views.of_user(user) {
            let Some(registered) = self.views.get_mut(&key) else { continue };
            if !is_gone {
                registered.is_damaged = true;
                let (view, plan) = (registered.view.clone(), registered.plan.clone());
                let (_, _, edges) = self.put_in_place(&view, &plan);
                self.order(Order::Edges(edges))?;
            } else if registered.view.generation <= generation {
                tracing::info!(view = %key, "the user of the view is gone");
                self.unregister(&key)?;
            }
        }
        if is_gone { self.order(Order::DropUser(user.0.clone())) } else { Ok(()) }
    }

    /// Removes the views that can't be kept any more. O(views).
    pub(crate) fn give_up(&mut self, computed: Arc<Computed>) -> Result<(), Closed> {
        self.computed = computed.clone();
        let objection = |registered: &Registered| {
            computed.objection(&registered.plan).map(|reason| (registered.view.key().clone(), reason))
        };
        for (key, reason) in self.views.iter().filter_map(objection).collect::<Vec<_>>() {
            tracing::warn!(view = %key, reason, "the view can't be kept any more");
            self.unregister(&key)?;
        }
        Ok(())
    }

    /// Takes over a view with what the database holds of it, and orders only what differs. One that can't be kept any more is
    /// removed.
    pub(crate) fn restore(&mut self, view: View, plan: Plan, catalog: &Arc<Catalog>, left: Left) -> Result<(), Closed> {
        if let Some(registered) = self.views.get_mut(view.key()) {
            // An earlier attempt to take up all views did not get to its end.
            registered.number = registered.number.max(self.tickets.number(view.ticket));
            return Ok(());
        }
        let plan = match self.renewed(&view, plan, catalog) {
            Ok(plan) => plan,
            Err(error) => {
                tracing::warn!(view = %view.key(), %error, "the view can't be kept any more");
                return self.unregister(view.key()).map(drop);
            }
        };
        let view = Arc::new(view);
        let mut showing = Showing::new(&plan, view.format());
        let (result, watch) = self.attach(&plan, &showing, &view);
        let mut edges = Edges::default();
        let mut stored = stored(&view, left);
        if view.format() != Format::Streaming && !stored.edges.is_empty() {
            // The format was changed, and the process ended before the edges of the former one were removed.
            edges.clears.push(view.clone());
            stored = stored.removed();
        }
        let mut rows = match showing.has_contents() {
            true => self.circuit.shown(result, &plan.output),
            false => self.circuit.listing(result).into_iter().map(without_value).collect(),
        };
        edges.push(&view, showing.begin(&mut rows, stored));
        self.insert(&view, plan, result, watch, showing, &mut edges);
        self.order(Order::Edges(edges))
    }

    pub(crate) fn unregister(&mut self, key: &ViewKey) -> Result<Done, Closed> {
        let registered = self.views.remove(key);
        if let Some(registered) = &registered {
            self.tickets.give_up(key);
            self.detach(registered);
        }
        let edge_table = registered.map(|registered| registered.view.edge_table.clone());
        let (done, removed) = oneshot::channel();
        self.order(Order::Unregister { key: key.clone(), edge_table, done })?;
        Ok(removed)
    }

    /// Whether a view is meant as it is here, or ours to take.
    pub(crate) fn check(&mut self, key: &ViewKey, ticket: Ticket) -> Result<(), Turned> {
        let held = self.views.get(key).map(|registered| registered.number);
        let outcome = self.tickets.check(key, ticket, held);
        if let Err(turned) = &outcome {
            tracing::info!(view = %key, %turned, "what is asked of a view is not done");
        }
        outcome
    }

    /// Gives up views that are others' from now on. What is stored of them stays.
    pub(crate) fn release(
        &mut self,
        mut keys: Vec<ViewKey>,
        ticket: Ticket,
    ) -> Result<Result<oneshot::Receiver<()>, Turned>, Closed> {
        if !self.tickets.is_current(ticket) {
            return Ok(Err(Turned::Late));
        }
        // One that came here later is not meant.
        keys.retain(|key| self.views.get(key).is_none_or(|registered| registered.number < ticket.number));
        for key in &keys {
            if let Some(registered) = self.views.remove(key) {
                self.detach(&registered);
            }
            // Also if it is not here: what is under way to here must not bring it.
            self.tickets.give_up(key);
        }
        let (done, released) = oneshot::channel();
        self.order(Order::Release { keys, done })?;
        Ok(Ok(released))
    }

    /// Gives up all other views: they are others' by now.
    pub(crate) fn join(
        &mut self,
        epoch: u64,
        keep: HashSet<ViewKey>,
    ) -> Result<(Missing, oneshot::Receiver<()>), Closed> {
        self.tickets.begin(epoch);
        let held: Vec<ViewKey> = self.views.iter().map(|registered| registered.view.key().clone()).collect();
        for key in held {
            if keep.contains(&key) {
                if let Some(registered) = self.views.get_mut(&key) {
                    registered.number = 0;
                }
            } else if let Some(registered) = self.views.remove(&key) {
                self.detach(&registered);
            }
        }
        let missing = keep.iter().filter(|key| self.views.get(key).is_none()).cloned().collect();
        let (done, forgotten) = oneshot::channel();
        self.order(Order::Keep { views: keep, done })?;
        Ok((missing, forgotten))
    }

    /// Forgets everything, as if the process had just started. What is under way to be settled is true of any state.
    pub(crate) fn clear(&mut self) -> Result<Done, Closed> {
        self.circuit = empty_circuit();
        self.views = Views::default();
        self.watches = Watches::default();
        self.due.clear();
        self.position = None;
        let (done, cleared) = oneshot::channel();
        self.order(Order::Clear(done))?;
        Ok(cleared)
    }

    /// Puts a plan to work for a view. It is watched where the view shows more than ids and versions.
    fn attach(&mut self, plan: &Plan, showing: &Showing, view: &View) -> (ResultId, Option<WatchId>) {
        if view.format() == Format::Streaming && !showing.has_contents() {
            return (self.circuit.register(plan), None);
        }
        let (result, watch) = self.watches.acquire(&mut self.circuit, plan);
        (result, Some(watch))
    }

    fn detach(&mut self, registered: &Registered) {
        match registered.watch {
            None => self.circuit.unregister(registered.result),
            Some(_) => self.watches.release(&mut self.circuit, &registered.plan),
        }
    }

    /// Gives up a view whose place another one takes. Answers what is stored of it and may stay.
    fn replace(&mut self, former: Registered, view: &View, edges: &mut Edges) -> Stored {
        let may_stay = former.view.is_stored_as(view) && !former.is_damaged;
        let rows = self.circuit.listing(former.result);
        self.detach(&former);
        let stored = former.showing.stored(&rows);
        if may_stay {
            return stored;
        }
        edges.clears.push(former.view);
        stored.removed()
    }

    fn insert(
        &mut self,
        view: &Arc<View>,
        plan: Plan,
        result: ResultId,
        watch: Option<WatchId>,
        showing: Showing,
        edges: &mut Edges,
    ) -> Note {
        let view = view.clone();
        let noted_at = Instant::now();
        // One that was kept when the sidecar joined the cluster again came here under an epoch that is over.
        let number = self.tickets.number(view.ticket);
        let mut registered = Registered {
            view,
            plan,
            result,
            watch,
            showing,
            number,
            noted: None,
            noted_at,
            is_damaged: false,
            updates: 0,
        };
        let note = note(&self.circuit, &registered);
        registered.noted = note.hash;
        edges.note(&registered.view, note.clone());
        self.views.insert(registered);
        note
    }
}

/// What the database holds of a view, by what it stands for.
pub(crate) fn stored(view: &View, left: Left) -> Stored {
    let edges = left.edges.iter().map(|(edge, version)| (Path::of_edge(edge, view.row_table()), *version)).collect();
    let mut own = HashMap::new();
    for (id, version, content) in left.rows {
        match RowId::parse(&id, &view.edge_table) {
            Some(row) => {
                let hash = content_hash(&as_stored(&content));
                own.insert(Path::of_row(&row, view.row_table()), Own { version, hash });
            }
            None => tracing::warn!(view = %view.key(), ?id, "this is no row record of ours"),
        }
    }
    let clock = own.values().map(|own| own.version).max().unwrap_or_default();
    Stored { edges, own, clock }
}

/// A row whose value nobody asks for.
fn without_value(row: RowChange) -> Shown {
    let nested = row.nested.into_iter();
    let nested = nested.map(|nested| (nested.child, nested.changes.into_iter().map(without_value).collect()));
    Shown { id: row.id, version: row.version, value: Ok(Value::None), nested: nested.collect() }
}
