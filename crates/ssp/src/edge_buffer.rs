//! Edges that wait to be written: the net effect of a window.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use circuit::{Digest, RecordId, SameRecord};
use protocol::ViewKey;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::view::View;

/// What is to happen to the edge from a view to a record.
#[derive(Clone, Debug)]
pub(crate) struct EdgeOp {
    pub(crate) view: Arc<View>,
    pub(crate) out: Arc<RecordId>,
    pub(crate) action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The record has entered the result with this version; there was no edge.
    Add(u64),
    /// The record has this version now; there was an edge.
    Update(u64),
    /// The record has left the result; there was an edge.
    Remove,
}

/// What remains to be written for one edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pending {
    /// Whether there is an edge in the database.
    is_written: bool,
    /// The version that the edge is to have; `None` if there is to be no edge.
    version: Option<u64>,
}

/// The net effect of all operations since the last write: at most one operation an edge, and the last digest of each
/// view.
#[derive(Debug, Default)]
pub(crate) struct EdgeBuffer {
    edges: HashMap<EdgeKey, Pending>,
    digests: HashMap<ViewKey, (Arc<View>, Digest)>,
}

#[derive(Clone, Debug)]
struct EdgeKey {
    view: Arc<View>,
    out: SameRecord,
}

impl PartialEq for EdgeKey {
    fn eq(&self, other: &Self) -> bool {
        self.view.key() == other.view.key() && self.view.edge_table == other.view.edge_table && self.out == other.out
    }
}

impl Eq for EdgeKey {}

impl Hash for EdgeKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.view.key().hash(state);
        self.out.hash(state);
    }
}

/// An edge to be written or removed.
#[derive(Debug)]
pub(crate) struct NetEdge<'a> {
    pub(crate) view: &'a Arc<View>,
    pub(crate) out: &'a Arc<RecordId>,
    /// `None` removes the edge.
    pub(crate) version: Option<u64>,
}

impl EdgeBuffer {
    pub(crate) fn push(&mut self, op: EdgeOp) {
        let (was_written, version) = match op.action {
            Action::Add(version) => (false, Some(version)),
            Action::Update(version) => (true, Some(version)),
            Action::Remove => (true, None),
        };
        match self.edges.entry(EdgeKey { view: op.view, out: SameRecord(op.out) }) {
            Entry::Occupied(mut entry) => {
                entry.get_mut().version = version;
                if *entry.get() == (Pending { is_written: false, version: None }) {
                    entry.remove();
                }
            }
            Entry::Vacant(entry) => {
                entry.insert(Pending { is_written: was_written, version });
            }
        }
    }

    /// Sets the digest that goes with the edges of a view.
    pub(crate) fn set_digest(&mut self, view: Arc<View>, digest: Digest) {
        self.digests.insert(view.key().clone(), (view, digest));
    }

    /// Forgets everything that waits for a view.
    pub(crate) fn forget(&mut self, key: &ViewKey) {
        self.edges.retain(|edge, _| edge.view.key() != key);
        self.digests.remove(key);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.edges.is_empty() && self.digests.is_empty()
    }

    /// How many edges wait.
    pub(crate) fn len(&self) -> usize {
        self.edges.len()
    }

    pub(crate) fn edges(&self) -> impl Iterator<Item = NetEdge<'_>> {
        self.edges.iter().map(|(key, pending)| NetEdge { view: &key.view, out: &key.out.0, version: pending.version })
    }

    pub(crate) fn digests(&self) -> impl Iterator<Item = (&Arc<View>, Digest)> {
        self.digests.values().map(|(view, digest)| (view, *digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use circuit::Key;

    fn view(key: &str) -> Arc<View> {
        Arc::new(View::for_test(key))
    }

    /// Catches an edge that is written for nothing, or one that is left behind.
    #[test]
    fn only_the_net_effect_is_written() {
        let record = |number| Arc::new(RecordId::new("thread", Key::Int(number)));
        for (actions, expected) in [
            (vec![Action::Add(1)], Some(Some(1))),
            (vec![Action::Add(1), Action::Update(2)], Some(Some(2))),
            (vec![Action::Add(1), Action::Remove], None),
            (vec![Action::Add(1), Action::Update(2), Action::Remove], None),
            (vec![Action::Add(1), Action::Remove, Action::Add(3)], Some(Some(3))),
            (vec![Action::Update(2), Action::Remove], Some(None)),
            (vec![Action::Remove, Action::Add(3)], Some(Some(3))),
            (vec![Action::Remove, Action::Add(3), Action::Remove], Some(None)),
        ] {
            let mut buffer = EdgeBuffer::default();
            for action in &actions {
                buffer.push(EdgeOp { view: view("v"), out: record(1), action: *action });
            }
            let net: Vec<_> = buffer.edges().map(|edge| edge.version).collect();
            assert_eq!(net, expected.into_iter().collect::<Vec<_>>(), "{actions:?}");
        }
    }

    #[test]
    fn forgetting_a_view_leaves_the_others() {
        let mut buffer = EdgeBuffer::default();
        let out = Arc::new(RecordId::new("thread", Key::Int(1)));
        buffer.push(EdgeOp { view: view("v"), out: out.clone(), action: Action::Add(1) });
        buffer.push(EdgeOp { view: view("w"), out, action: Action::Add(1) });
        buffer.set_digest(view("v"), Digest::default());
        buffer.forget(view("v").key());
        let left: Vec<_> = buffer.edges().map(|edge| edge.view.key().to_string()).collect();
        assert_eq!(left, ["w"]);
        assert_eq!(buffer.digests().count(), 0);
    }
}
