//! What a view keeps in the database of what it shows, row by row.
//!
//! Of records it keeps edges. A row that is no record has a row record besides, with the row as the query shows it. The
//! engine counts the changes of such a row only since it was put to work, so its version is counted here: it goes on
//! from what is stored, and changes exactly if the content does.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use circuit::{ChangeKind, Child, Plan, RowChange, Shown, Value};
use database::as_stored;
use protocol::{ContentHash, EntryHasher, Format};

use crate::edge_buffer::Action;
use crate::path::Path;

/// What a plan is, as far as it matters to what is kept of its rows.
#[derive(Clone, Debug)]
pub(crate) struct Level {
    /// Whether the rows are no records.
    pub(crate) is_own: bool,
    /// Whether that is so of these rows or of any below them.
    has_own: bool,
    /// Whether several rows may have the same path.
    may_repeat: bool,
    /// Whether that is so of these rows or of any below them.
    has_repeats: bool,
    /// The subqueries under each row, with their names.
    pub(crate) children: Vec<(Arc<str>, Level)>,
}

/// The rows of a view that are kept one by one.
#[derive(Debug)]
pub(crate) struct Showing {
    format: Format,
    pub(crate) level: Arc<Level>,
    /// Rows that are no records.
    own: HashMap<Arc<Path>, Own>,
    /// The highest version of any of them so far. Each batch of changes takes the next one, so that a row which goes
    /// and comes back never has a version that it had before.
    clock: u64,
    /// How many rows each path stands for, where it may be more than one.
    repeated: HashMap<Arc<Path>, usize>,
}

/// What is stored of a row that is no record.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) version: u64,
    pub(crate) hash: ContentHash,
}

/// What is stored of a view.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// The version of each edge.
    pub(crate) edges: HashMap<Arc<Path>, u64>,
    pub(crate) own: HashMap<Arc<Path>, Own>,
    pub(crate) clock: u64,
}

impl Stored {
    /// The same after all of it has been removed: versions go on.
    pub(crate) fn removed(self) -> Stored {
        Stored { clock: self.clock, ..Stored::default() }
    }
}

/// What is to happen to what is kept of a row.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) path: Arc<Path>,
    pub(crate) action: Action,
    /// What a row that is no record shows, if that is new.
    pub(crate) content: Option<Value>,
}

/// A row that is kept.
struct Kept {
    version: u64,
    content: Option<Value>,
}

impl Level {
    pub(crate) fn of(plan: &Plan) -> Level {
        Level::under(plan, false)
    }

    /// `may_repeat` says whether the rows above may have the same path.
    fn under(plan: &Plan, may_repeat: bool) -> Level {
        let may_repeat = may_repeat || plan.may_repeat_rows();
        let below = |child: &Child| (child.relation.clone(), Level::under(&child.plan, may_repeat));
        let children: Vec<(Arc<str>, Level)> = plan.children().map(below).collect();
        let is_own = plan.has_own_rows();
        Level {
            is_own,
            has_own: is_own || children.iter().any(|(_, level)| level.has_own),
            may_repeat,
            has_repeats: may_repeat || children.iter().any(|(_, level)| level.has_repeats),
            children,
        }
    }

    /// Whether views that show the same result keep the same of it, so that one look at a change is enough for all.
    fn is_plain(&self) -> bool {
        !self.has_own && !self.has_repeats
    }

    /// Calls `visit` with each change, the row's path and what its level is. Rows that leave come first: another row may
    /// have entered in the same place.
    fn walk(
        &self,
        changes: &[RowChange],
        under: Option<(&Arc<Path>, &Arc<str>)>,
        visit: &mut impl FnMut(&RowChange, Arc<Path>, &Level),
    ) {
        let leaves = |change: &&RowChange| change.kind == ChangeKind::Leave;
        let stays = |change: &&RowChange| change.kind != ChangeKind::Leave;
        for change in changes.iter().filter(leaves).chain(changes.iter().filter(stays)) {
            let path = Path::new(&change.id, self.is_own, under);
            for nested in &change.nested {
                if let Some((relation, level)) = self.children.get(usize::from(nested.child)) {
                    level.walk(&nested.changes, Some((&path, relation)), visit);
                }
            }
            visit(change, path, self);
        }
    }

    /// What a change of a result means to the edges of a plain view.
    pub(crate) fn edge_ops(&self, changes: &[RowChange]) -> Vec<Op> {
        let mut ops = Vec::with_capacity(changes.len());
        self.walk(changes, None, &mut |change, path, _| {
            if let Some(action) = action_of(change) {
                ops.push(Op { path, action, content: None });
            }
        });
        ops
    }
}

fn action_of(change: &RowChange) -> Option<Action> {
    match change.kind {
        ChangeKind::Enter => Some(Action::Add(change.version)),
        ChangeKind::Update => Some(Action::Update(change.version)),
        ChangeKind::Leave => Some(Action::Remove),
        ChangeKind::Stay => None,
    }
}

impl Showing {
    pub(crate) fn new(plan: &Plan, format: Format) -> Self {
        let level = Arc::new(Level::of(plan));
        Showing { format, level, own: HashMap::new(), clock: 0, repeated: HashMap::new() }
    }

    /// Whether the view keeps an edge for each row.
    pub(crate) fn has_edges(&self) -> bool {
        self.format == Format::Streaming
    }

    /// Whether the contents of rows are kept.
    pub(crate) fn has_contents(&self) -> bool {
        match self.format {
            Format::Streaming => self.level.has_own,
            Format::Flat => self.level.is_own,
            Format::Tree => false,
        }
    }

    /// Whether [`Level::edge_ops`] says all that a change means to this view.
    pub(crate) fn is_plain(&self) -> bool {
        self.has_edges() && self.level.is_plain()
    }

    /// Whether a row is kept.
    fn keeps(&self, path: &Path, level: &Level) -> bool {
        match self.format {
            Format::Streaming => true,
            Format::Flat => level.is_own && path.under().is_none(),
            Format::Tree => false,
        }
    }

    /// The version of a row that is no record, if that is kept.
    pub(crate) fn version_of(&self, path: &Path) -> Option<u64> {
        self.own.get(path).map(|own| own.version)
    }

    /// The highest version of a row that is no record so far.
    pub(crate) fn clock(&self) -> u64 {
        self.clock
    }

    /// What is stored of this view, given its rows. O(rows).
    pub(crate) fn stored(self, rows: &[RowChange]) -> Stored {
        Stored { edges: self.edges(rows), own: self.own, clock: self.clock }
    }

    /// What is to be stored of this view, given its rows. O(rows).
    pub(crate) fn expected(&self, rows: &[RowChange]) -> Stored {
        Stored { edges: self.edges(rows), own: self.own.clone(), clock: self.clock }
    }

    /// The version of each edge.
    fn edges(&self, rows: &[RowChange]) -> HashMap<Arc<Path>, u64> {
        let mut edges = HashMap::new();
        if self.has_edges() {
            self.level.walk(rows, None, &mut |change, path, level| {
                let version = if level.is_own { self.version_of(&path) } else { Some(change.version) };
                if let Some(version) = version {
                    edges.insert(path, version);
                }
            });
        }
        edges
    }

    /// Begins with rows as they are now, and answers what has to be done to what is stored. Gives rows that are no
    /// records their versions. O(rows).
    pub(crate) fn begin(&mut self, rows: &mut [Shown], stored: Stored) -> Vec<Op> {
        let Stored { mut edges, own, clock } = stored;
        (self.own, self.clock) = (own, clock);
        let mut kept = HashMap::new();
        let level = self.level.clone();
        self.collect(&level, rows, None, &mut kept);
        if kept.values().any(|row| row.content.is_some()) {
            self.clock += 1;
        }
        let mut ops = Vec::new();
        let mut gone: Vec<Arc<Path>> = self.own.keys().filter(|path| !kept.contains_key(*path)).cloned().collect();
        for path in &gone {
            self.own.remove(path);
            // Of a row that is no record the edge and the row record go together.
            edges.remove(path);
        }
        for (path, Kept { version, content }) in kept {
            let action = match edges.remove(&path) {
                Some(known) if known == version && content.is_none() => continue,
                None if !self.has_edges() && content.is_none() => continue,
                Some(_) => Action::Update(version),
                None => Action::Add(version),
            };
            ops.push(Op { path, action, content });
        }
        gone.extend(edges.into_keys());
        ops.extend(gone.into_iter().map(|path| Op { path, action: Action::Remove, content: None }));
        ops
    }

    fn collect(
        &mut self,
        level: &Level,
        rows: &mut [Shown],
        under: Option<(&Arc<Path>, &Arc<str>)>,
        kept: &mut HashMap<Arc<Path>, Kept>,
    ) {
        for row in rows {
            let path = Path::new(&row.id, level.is_own, under);
            for (child, rows) in &mut row.nested {
                if let Some((relation, level)) = level.children.get(usize::from(*child)) {
                    self.collect(level, rows, Some((&path, relation)), kept);
                }
            }
            if !self.keeps(&path, level) {
                continue;
            }
            let mut content = None;
            if level.is_own {
                content = self.take_in(&path, row);
                row.version = self.version_of(&path).unwrap_or(row.version);
            }
            if level.may_repeat {
                *self.repeated.entry(path.clone()).or_default() += 1;
            }
            kept.insert(path, Kept { version: row.version, content });
        }
    }

    /// Gives rows that are no records the versions that they are kept with. O(rows).
    pub(crate) fn give_versions(&self, rows: &mut [Shown]) {
        self.give_versions_under(&self.level, rows, None);
    }

    fn give_versions_under(&self, level: &Level, rows: &mut [Shown], under: Option<(&Arc<Path>, &Arc<str>)>) {
        for row in rows.iter_mut().filter(|_| level.has_own) {
            let path = Path::new(&row.id, level.is_own, under);
            for (child, rows) in &mut row.nested {
                if let Some((relation, level)) = level.children.get(usize::from(*child)) {
                    self.give_versions_under(level, rows, Some((&path, relation)));
                }
            }
            if level.is_own {
                row.version = self.version_of(&path).unwrap_or(row.version);
            }
        }
    }

    /// Takes in what a row that is no record shows. Answers the content if it is new.
    fn take_in(&mut self, path: &Arc<Path>, row: &Shown) -> Option<Value> {
        // Where SurrealDB would answer an error there is nothing to show.
        let content = row.value.as_ref().map(as_stored).unwrap_or_default();
        let hash = content_hash(&content);
        if self.own.get(path).is_some_and(|own| own.hash == hash) {
            return None;
        }
        self.own.insert(path.clone(), Own { version: self.clock + 1, hash });
        Some(content)
    }

    /// What changes of the result mean to what is kept. Of rows that are no records only what leaves: the others are
    /// told by [`Showing::refresh`]. O(changes).
    pub(crate) fn follow(&mut self, changes: &[RowChange]) -> Vec<Op> {
        let mut ops = Vec::new();
        let level = self.level.clone();
        level.walk(changes, None, &mut |change, path, level| {
            if !self.keeps(&path, level) || (level.may_repeat && !self.count(change.kind, &path)) {
                return;
            }
            if level.is_own {
                if change.kind == ChangeKind::Leave && self.own.remove(&path).is_some() {
                    ops.push(Op { path, action: Action::Remove, content: None });
                }
            } else if let Some(action) = action_of(change) {
                ops.push(Op { path, action, content: None });
            }
        });
        ops
    }

    /// Counts rows of the same path. False if another one of them is still or already there.
    fn count(&mut self, kind: ChangeKind, path: &Arc<Path>) -> bool {
        match kind {
            ChangeKind::Enter => {
                let count = self.repeated.entry(path.clone()).or_default();
                *count += 1;
                *count == 1
            }
            ChangeKind::Leave => {
                let Some(count) = self.repeated.get_mut(path) else { return false };
                *count -= 1;
                if *count == 0 {
                    self.repeated.remove(path);
                }
                !self.repeated.contains_key(path)
            }
            ChangeKind::Update | ChangeKind::Stay => true,
        }
    }

    /// What it means that these rows may show something else now. O(rows and all under them).
    pub(crate) fn refresh(&mut self, rows: &[Shown]) -> Vec<Op> {
        let mut ops = Vec::new();
        let level = self.level.clone();
        let before = self.clock;
        self.refresh_under(&level, rows, None, &mut ops);
        if !ops.is_empty() {
            self.clock = before + 1;
        }
        ops
    }

    fn refresh_under(
        &mut self,
        level: &Level,
        rows: &[Shown],
        under: Option<(&Arc<Path>, &Arc<str>)>,
        ops: &mut Vec<Op>,
    ) {
        for row in rows {
            let path = Path::new(&row.id, level.is_own, under);
            for (child, rows) in &row.nested {
                if let Some((relation, below)) =
                    level.children.get(usize::from(*child)).filter(|(_, below)| below.has_own)
                {
                    self.refresh_under(below, rows, Some((&path, relation)), ops);
                }
            }
            if !level.is_own || !self.keeps(&path, level) {
                continue;
            }
            let is_known = self.own.contains_key(&path);
            if let Some(content) = self.take_in(&path, row) {
                let version = self.clock + 1;
                let action = if is_known { Action::Update(version) } else { Action::Add(version) };
                ops.push(Op { path, action, content: Some(content) });
            }
        }
    }
}

/// The hash of a value.
pub(crate) fn content_hash(value: &Value) -> ContentHash {
    let mut hasher = EntryHasher::new();
    circuit::value::identity::hash_identity(value, &mut hasher);
    hasher.content_hash()
}
