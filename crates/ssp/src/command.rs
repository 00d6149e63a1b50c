//! The messages of the service's parts to each other.

use std::sync::Arc;

use circuit::{Change, Circuit, Plan, RecordId, SameRecord, SaveError, Shown, Size, Work};
use database::Counted;
use protocol::{DebugDependencies, DebugView, ViewKey};
use pushed::Pushed;
use query::{Catalog, Query};
use std::collections::{BTreeMap, HashMap, HashSet};
use tokio::sync::{mpsc, oneshot};

use crate::cluster::{Missing, Ticket, Turned};
use crate::computed::Computed;
use crate::edge_buffer::{EdgeOp, Note};
use crate::events::Following;
use crate::holdings::Question;
use crate::left::Left;
use crate::registration::NotTaken;
use crate::saved::Position;
use crate::showing::Op;
use crate::view::View;

/// What the engine can be asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Committed changes, in commit order. Changes that the engine knows already may come again.
    Commit(Vec<Change>),
    /// The same, from the feed, which goes on at the cursor.
    Captured {
        changes: Vec<Change>,
        cursor: u64,
    },
    /// All tables are read, and changes are followed from here; nothing while tables are read because changes are lost.
    Follows(Option<Position>),
    /// The rows that an earlier process saved. Nothing else is in the engine yet.
    Adopt(Box<Circuit>),
    /// Which of these records are not held as they are counted.
    Outdated {
        counted: Vec<Counted>,
        reply: oneshot::Sender<Outdated>,
    },
    /// The next chunk of the state; nothing after the last.
    Save {
        is_first: bool,
        /// The tables that have been read.
        tables: BTreeMap<String, u64>,
        reply: oneshot::Sender<Result<Option<Vec<u8>>, NotSaved>>,
    },
    /// The committed state of records that were announced, as it was read. Another read may have been overtaken by this one.
    Reread(Vec<Change>),
    /// The table has been read to its end, and these are all the rows that it has behind a record: others are gone.
    Loaded {
        table: Arc<str>,
        /// Nothing if it was read from its beginning.
        after: Option<RecordId>,
        rows: HashSet<SameRecord>,
    },
    /// What users may see now.
    Permissions(Arc<Catalog>),
    /// What the database computes now: views of that can't be kept any more.
    Computed(Arc<Computed>),
    /// Changes that somebody says will be committed.
    Speculate(Vec<Pushed>),
    /// How the speculations up to a number ended. What was wrong is put right by the changes that were read instead.
    Settle {
        number: u64,
        corrections: Vec<Change>,
    },
    Register {
        view: Box<View>,
        query: Query,
        /// What users may see, as of when the query was compiled.
        catalog: Arc<Catalog>,
        reply: oneshot::Sender<Result<Initial, NotTaken>>,
    },
    /// A view that an earlier process has left, with what it has in the database.
    Restore {
        view: Box<View>,
        query: Query,
        /// As in [`Command::Register`].
        catalog: Arc<Catalog>,
        left: Left,
        reply: oneshot::Sender<Result<(), Turned>>,
    },
    /// Also where the view is not kept here: its row may be there all the same, if it could not be removed before.
    Unregister {
        key: ViewKey,
        reply: oneshot::Sender<Done>,
    },
    /// The same, as the scheduler asks for it: only if the view is kept here under the number that it knows. Otherwise it may be
    /// about to come here, from a record that is still there.
    UnregisterHeld {
        key: ViewKey,
        ticket: Ticket,
        reply: oneshot::Sender<Result<Done, Turned>>,
    },
    /// The view's row has expired and is gone. If the view has another generation by now, it has been registered again, and the
    /// order to write that is on its way.
    Expired {
        key: ViewKey,
        generation: u64,
    },
    /// What [`Order::LookForUser`] has found.
    UserDeleted {
        user: SameRecord,
        is_gone: bool,
        generation: u64,
    },
    /// What is stored of a view is not what it should be: it could not be written.
    Damaged(ViewKey),
    /// Nothing may wait any more: the service is about to stop.
    Flush(oneshot::Sender<()>),
    /// Answers with what resolves once all that was ordered so far has been carried out.
    Barrier(oneshot::Sender<oneshot::Receiver<()>>),
    Describe(oneshot::Sender<Description>),
    /// What whoever compares asks, answered as soon as all that is held is committed.
    Compare(Question),
    /// What is held of a view, if there is one.
    Inspect {
        key: ViewKey,
        reply: oneshot::Sender<Option<DebugView>>,
    },
    Dependencies(oneshot::Sender<DebugDependencies>),
    /// The result of a view, if there is one, and what follows it.
    Follow {
        key: ViewKey,
        reply: oneshot::Sender<Option<Followed>>,
    },
    /// Gives up views that are others' from now on; what is stored of them stays. Answers the promise that nothing more will be
    /// written of them.
    Release {
        keys: Vec<ViewKey>,
        ticket: Ticket,
        reply: oneshot::Sender<Result<oneshot::Receiver<()>, Turned>>,
    },
    /// The sidecar has joined the cluster anew, and keeps these views. The others are others' already: nothing of them is
    /// written any more. Answers which it does not have, and the promise.
    Join {
        epoch: u64,
        keep: HashSet<ViewKey>,
        reply: oneshot::Sender<(Missing, oneshot::Receiver<()>)>,
    },
    /// Forgets all rows and all views. Answers the promise of the views' removal from the database.
    Clear(oneshot::Sender<Done>),
}

/// What has changed since the rows were saved.
#[derive(Debug, Default)]
pub(crate) struct Outdated {
    /// Records to be read.
    pub(crate) changed: Vec<RecordId>,
    /// Records that are there no more.
    pub(crate) gone: Vec<Change>,
}

/// Why there is no chunk of the state.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSaved {
    /// The tables are being read, or nothing follows the feed: nobody could go on from such a state.
    #[error("the state has no place in the feed")]
    NoPosition,
    #[error(transparent)]
    Circuit(#[from] SaveError),
    #[error("the engine has ended")]
    Stopped,
}

/// The result of a view at a moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) view: Arc<View>,
    pub(crate) plan: Plan,
    /// The rows as the query shows them, in its order, with the rows of the subqueries under them.
    pub(crate) rows: Vec<Shown>,
    pub(crate) note: Note,
}

/// The result of a view, and the changes from there on, as soon as that result is in the database.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) result: Snapshot,
    pub(crate) following: oneshot::Receiver<Following>,
}

/// The first result of a view.
#[derive(Debug)]
pub(crate) struct Initial {
    pub(crate) result: Snapshot,
    /// Resolves when the view and its edges are in the database.
    pub(crate) written: Done,
}

/// What the service holds.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    pub(crate) views: usize,
    pub(crate) size: Size,
    pub(crate) work: Work,
}

/// Resolves when something has been written; with an error text if it can't be.
pub(crate) type Done = oneshot::Receiver<Result<(), database::Error>>;
pub(crate) type Finish = oneshot::Sender<Result<(), database::Error>>;

/// What the writer can be asked to do. Orders are carried out in their order.
#[derive(Debug)]
pub(crate) enum Order {
    Edges(Edges),
    /// A new or changed view: first its row, then its edges.
    Register {
        view: Arc<View>,
        edges: Edges,
        done: Finish,
    },
    /// The same, told when they are in the database.
    Write {
        view: Arc<View>,
        edges: Edges,
        done: Finish,
    },
    /// Removes a view's row and all its edges. Where the edges are is looked up if it is not said.
    Unregister {
        key: ViewKey,
        edge_table: Option<Arc<str>>,
        done: Finish,
    },
    /// Tells from now on what is written of a view.
    Follow {
        key: ViewKey,
        done: oneshot::Sender<Following>,
    },
    /// Tells the engine whether a user is gone or there again, with the generation of when that was asked.
    LookForUser {
        user: SameRecord,
        generation: u64,
    },
    /// Removes the table of edges of a user who is gone: an edge that was under way may have brought it back.
    DropUser(Arc<RecordId>),
    /// Removes all views with all that they keep.
    Clear(Finish),
    /// Writes what waits, if that is possible, and forgets views.
    Release {
        keys: Vec<ViewKey>,
        done: oneshot::Sender<()>,
    },
    /// Forgets all other views, and what waits to be written of them.
    Keep {
        views: HashSet<ViewKey>,
        done: oneshot::Sender<()>,
    },
    /// Removes views whose time to live has passed.
    Expire(Vec<ViewKey>),
    /// Writes everything that waits.
    Flush(oneshot::Sender<()>),
}

/// What a step of the engine changed.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    /// Views of which everything that is stored goes first.
    pub(crate) clears: Vec<Arc<View>>,
    pub(crate) ops: Vec<EdgeOp>,
    /// What to note on views' records.
    pub(crate) notes: HashMap<ViewKey, (Arc<View>, Note)>,
    /// Changes that these edges rest on, and that must be found committed before an edge is written.
    pub(crate) unconfirmed: Vec<Change>,
    /// The number of the last speculation among them.
    pub(crate) speculation: Option<u64>,
    /// The number of the settlement that these edges are the answer to.
    pub(crate) answers: Option<u64>,
}

impl Edges {
    pub(crate) fn push(&mut self, view: &Arc<View>, ops: impl IntoIterator<Item = Op>) {
        self.ops.extend(ops.into_iter().map(|op| EdgeOp { view: view.clone(), op }));
    }

    pub(crate) fn note(&mut self, view: &Arc<View>, note: Note) {
        self.notes.insert(view.key().clone(), (view.clone(), note));
    }
}

pub(crate) type EngineSender = mpsc::Sender<Command>;
pub(crate) type WriterSender = mpsc::Sender<Order>;
