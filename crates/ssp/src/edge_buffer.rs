//! What waits to be written: the net effect of a window.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use circuit::Value;
use protocol::{ContentHash, ViewKey};

use crate::path::Path;
use crate::showing::Op;
use crate::view::View;

/// What is to happen to what a view keeps of a row: an edge, a row record, or both.
#[derive(Clone, Debug)]
pub(crate) struct EdgeOp {
    pub(crate) view: Arc<View>,
    pub(crate) op: Op,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The row has entered the result with this version; nothing was kept of it.
    Add(u64),
    /// The row has this version now; something was kept of it.
    Update(u64),
    /// The row has left the result; something was kept of it.
    Remove,
}

/// What is noted on a view's record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Note {
    /// None where the query can't be answered.
    pub(crate) hash: Option<ContentHash>,
    pub(crate) rows: u64,
    /// The result, for formats that keep it there.
    pub(crate) result: Option<Value>,
    pub(crate) error: Option<Arc<str>>,
}

/// Whether something of a row is kept in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stored {
    No,
    Yes,
    /// It was to be written, and nobody knows whether it was.
    Perhaps,
}

/// What remains to be written for one row.
#[derive(Clone, Debug)]
struct Pending {
    stored: Stored,
    /// The version that the row is to have; `None` if nothing is to be kept.
    version: Option<u64>,
    content: Option<Value>,
}

/// The net effect of all operations since the last write: at most one operation a row, and the last note of each view.
#[derive(Debug, Default)]
pub(crate) struct EdgeBuffer {
    edges: HashMap<EdgeKey, Pending>,
    notes: HashMap<ViewKey, (Arc<View>, Note)>,
    /// Views of which everything that is stored goes before anything is written.
    clears: HashMap<ViewKey, Arc<View>>,
}

#[derive(Clone, Debug)]
struct EdgeKey {
    view: Arc<View>,
    path: Arc<Path>,
}

impl PartialEq for EdgeKey {
    fn eq(&self, other: &Self) -> bool {
        let is_same_view = Arc::ptr_eq(&self.view, &other.view)
            || (self.view.key() == other.view.key() && self.view.edge_table == other.view.edge_table);
        is_same_view && self.path == other.path
    }
}

impl Eq for EdgeKey {}

impl Hash for EdgeKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.view.key().hash(state);
        self.path.hash(state);
    }
}

/// A row of which something is to be written or removed.
#[derive(Debug)]
pub(crate) struct NetEdge<'a> {
    pub(crate) view: &'a Arc<View>,
    pub(crate) path: &'a Path,
    /// Whether nothing may be kept of it so far.
    pub(crate) is_new: bool,
    /// `None` removes what is kept.
    pub(crate) version: Option<u64>,
    /// What the row record of a row that is no record is to hold, if that is new.
    pub(crate) content: Option<&'a Value>,
}

impl EdgeBuffer {
    pub(crate) fn push(&mut self, EdgeOp { view, op: Op { path, action, content } }: EdgeOp) {
        let (stored, version) = match action {
            Action::Add(version) => (Stored::No, Some(version)),
            Action::Update(version) => (Stored::Yes, Some(version)),
            Action::Remove => (Stored::Yes, None),
        };
        match self.edges.entry(EdgeKey { view, path }) {
            Entry::Occupied(mut entry) => {
                let pending = entry.get_mut();
                pending.version = version;
                if content.is_some() || version.is_none() {
                    pending.content = content;
                }
                if pending.stored == Stored::No && version.is_none() {
                    entry.remove();
                }
            }
            Entry::Vacant(entry) => {
                entry.insert(Pending { stored, version, content });
            }
        }
    }

    /// What waits may have been written already: an answer got lost. What is taken back is removed all the same. O(size).
    pub(crate) fn may_be_written(&mut self) {
        let unwritten = self.edges.values_mut().filter(|pending| pending.stored == Stored::No);
        unwritten.for_each(|pending| pending.stored = Stored::Perhaps);
    }

    /// Sets what is to be noted on a view's record.
    pub(crate) fn note(&mut self, view: Arc<View>, note: Note) {
        self.notes.insert(view.key().clone(), (view, note));
    }

    /// Forgets what waits for a view, and removes all that is stored of it before anything else is written.
    pub(crate) fn clear(&mut self, view: Arc<View>) {
        self.forget(view.key());
        self.clears.insert(view.key().clone(), view);
    }

    /// Forgets everything that waits for a view.
    pub(crate) fn forget(&mut self, key: &ViewKey) {
        self.edges.retain(|edge, _| edge.view.key() != key);
        self.notes.remove(key);
        self.clears.remove(key);
    }

    /// Forgets everything that waits for other views. O(size).
    pub(crate) fn keep(&mut self, is_kept: impl Fn(&ViewKey) -> bool) {
        self.edges.retain(|edge, _| is_kept(edge.view.key()));
        self.notes.retain(|key, _| is_kept(key));
        self.clears.retain(|key, _| is_kept(key));
    }

    /// Whether something waits for a view.
    pub(crate) fn contains(&self, key: &ViewKey) -> bool {
        let is_noted = self.notes.contains_key(key) || self.clears.contains_key(key);
        is_noted || self.edges.keys().any(|edge| edge.view.key() == key)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.edges.is_empty() && self.notes.is_empty() && self.clears.is_empty()
    }

    /// For how many rows something waits.
    pub(crate) fn len(&self) -> usize {
        self.edges.len()
    }

    pub(crate) fn edges(&self) -> impl Iterator<Item = NetEdge<'_>> {
        self.edges.iter().map(|(key, pending)| NetEdge {
            view: &key.view,
            path: &key.path,
            is_new: pending.stored != Stored::Yes,
            version: pending.version,
            content: pending.content.as_ref(),
        })
    }

    pub(crate) fn notes(&self) -> impl Iterator<Item = &(Arc<View>, Note)> {
        self.notes.values()
    }

    pub(crate) fn clears(&self) -> impl Iterator<Item = &Arc<View>> {
        self.clears.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use circuit::{Key, RecordId};

    fn view(key: &str) -> Arc<View> {
        Arc::new(View::for_test(key))
    }

    fn record(number: i64) -> Arc<Path> {
        Path::new(&Arc::new(RecordId::new("thread", Key::Int(number))), false, None)
    }

    fn op(view: Arc<View>, path: &Arc<Path>, action: Action) -> EdgeOp {
        EdgeOp { view, op: Op { path: path.clone(), action, content: None } }
    }

    /// Catches an edge that is written for nothing, or one that is left behind.
    #[test]
    fn only_the_net_effect_is_written() {
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
                buffer.push(op(view("v"), &record(1), *action));
            }
            let net: Vec<_> = buffer.edges().map(|edge| edge.version).collect();
            assert_eq!(net, expected.into_iter().collect::<Vec<_>>(), "{actions:?}");
        }
    }

    /// Catches an edge that was written without an answer, and is left behind when its row goes.
    #[test]
    fn what_may_have_been_written_is_removed() {
        let mut buffer = EdgeBuffer::default();
        buffer.push(op(view("v"), &record(1), Action::Add(1)));
        buffer.push(op(view("v"), &record(2), Action::Add(1)));
        buffer.may_be_written();
        buffer.push(op(view("v"), &record(1), Action::Remove));
        buffer.push(op(view("v"), &record(3), Action::Add(1)));
        buffer.push(op(view("v"), &record(3), Action::Remove));
        let mut net: Vec<_> = buffer.edges().map(|edge| (edge.version, edge.is_new)).collect();
        net.sort();
        assert_eq!(net, [(None, true), (Some(1), true)]);
    }

    /// Catches the content of a row that has gone meanwhile, and one that gets lost behind a later operation.
    #[test]
    fn the_last_content_is_written() {
        let group = Path::new(&Arc::new(RecordId::new("", Key::Array([].into()))), true, None);
        let with = |content: i64, action| EdgeOp {
            view: view("v"),
            op: Op { path: group.clone(), action, content: Some(content.into()) },
        };
        let bare = |action| op(view("v"), &group, action);
        for (ops, expected) in [
            (vec![with(1, Action::Add(1)), with(2, Action::Update(2))], Some(Some(2))),
            (vec![with(1, Action::Add(1)), bare(Action::Update(2))], Some(Some(1))),
            (vec![with(1, Action::Update(1)), bare(Action::Remove)], Some(None)),
            (vec![bare(Action::Remove), with(2, Action::Add(2))], Some(Some(2))),
        ] {
            let mut buffer = EdgeBuffer::default();
            ops.iter().for_each(|op| buffer.push(op.clone()));
            let net: Vec<_> = buffer.edges().map(|edge| edge.content.cloned()).collect();
            let expected: Vec<_> = expected.into_iter().map(|content: Option<i64>| content.map(Value::from)).collect();
            assert_eq!(net, expected, "{ops:?}");
        }
    }

    #[test]
    fn one_record_in_two_places_is_two_edges() {
        let (one, two, three) = (record(1), record(2), Arc::new(RecordId::new("user", Key::Int(3))));
        let (author, editor): (Arc<str>, Arc<str>) = ("author".into(), "editor".into());
        let mut buffer = EdgeBuffer::default();
        for (parent, relation) in [(&one, &author), (&two, &author), (&one, &editor), (&one, &author)] {
            let path = Path::new(&three, false, Some((parent, relation)));
            buffer.push(op(view("v"), &path, Action::Add(1)));
        }
        assert_eq!(buffer.len(), 3);
    }

    #[test]
    fn forgetting_a_view_leaves_the_others() {
        let mut buffer = EdgeBuffer::default();
        buffer.push(op(view("v"), &record(1), Action::Add(1)));
        buffer.push(op(view("w"), &record(1), Action::Add(1)));
        buffer.note(view("v"), Note::default());
        buffer.clear(view("v"));
        assert_eq!(buffer.clears().count(), 1);
        buffer.forget(view("v").key());
        let left: Vec<_> = buffer.edges().map(|edge| edge.view.key().to_string()).collect();
        assert_eq!(left, ["w"]);
        assert_eq!((buffer.notes().count(), buffer.clears().count()), (0, 0));
    }
}
