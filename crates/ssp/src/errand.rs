//! What whoever follows the changes is asked to do.
//!
//! Reading a table must not overtake the feed: a page that is older than a change must not be applied after it. Therefore
//! whoever follows the feed does all the reading, between two batches.

use tokio::sync::{mpsc, oneshot};

/// Something to be done between two batches of changes.
#[derive(Debug)]
pub(crate) enum Errand {
    /// A table is to be captured and read. Told when that is done; dropped if it failed.
    Adopt { table: String, done: oneshot::Sender<()> },
    /// Everything that has been committed so far is to reach the engine. Told when that is done; dropped if it failed. Where
    /// changes are pushed, there is nothing to do.
    CatchUp(oneshot::Sender<()>),
    /// Tables are to be read again, because they have changed without a trace. Told when that is done; dropped if it failed.
    Reread { tables: Vec<String>, done: oneshot::Sender<()> },
    /// Everything is to be forgotten and read again. Told when that is done.
    Reset(oneshot::Sender<()>),
}

pub(crate) type Errands = mpsc::Sender<Errand>;
