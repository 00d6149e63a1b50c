//! From what has been written to what is told to whoever follows a view.

use std::collections::HashMap;

use database::json;
use protocol::{ChangedRow, RowAction, ViewChange, ViewKey};

use crate::batch::Buffers;
use crate::edge_buffer::NetEdge;
use crate::events::Events;
use crate::path::Path;

/// Tells whoever follows a view what has been written of it. O(what was written).
pub(crate) fn publish(events: &Events, buffers: &Buffers) {
    let followed = events.followed();
    let mut changes: HashMap<&ViewKey, ViewChange> = HashMap::new();
    for (_, buffer) in buffers {
        buffer.clears().for_each(|view| events.end(view.key()));
        for edge in buffer.edges().filter(|edge| followed.contains(edge.view.key())) {
            changes.entry(edge.view.key()).or_default().changes.push(changed_row(&edge));
        }
        for (view, note) in buffer.notes().filter(|(view, _)| followed.contains(view.key())) {
            let change = changes.entry(view.key()).or_default();
            (change.hash, change.row_count) = (note.hash, Some(note.rows));
            change.result = note.result.as_ref().map(json::to_json);
            change.error = note.error.as_deref().map(str::to_owned);
        }
    }
    // What was announced, not committed and taken back again leaves a note, and nothing to tell.
    changes.retain(|_, change| !change.changes.is_empty() || change.result.is_some() || change.error.is_some());
    for (key, change) in changes {
        events.publish(key, change);
    }
}

fn changed_row(edge: &NetEdge<'_>) -> ChangedRow {
    let NetEdge { view, path, is_new, version, content } = edge;
    let action = match (version, is_new) {
        (None, _) => RowAction::Delete,
        (Some(_), true) => RowAction::Create,
        (Some(_), false) => RowAction::Update,
    };
    let id = |path: &Path| json::id_text(&view.out(path));
    ChangedRow {
        action,
        id: id(path),
        version: *version,
        parent: path.under().map(|(parent, _)| id(parent)),
        relation: path.under().map(|(_, relation)| relation.to_string()),
        record: content.map(json::to_json),
    }
}
