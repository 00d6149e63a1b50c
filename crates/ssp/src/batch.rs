//! What waits, as what the database is to write.

use std::collections::HashMap;
use std::time::Duration;

use database::{ResultInfo, WriteBatch};
use protocol::{Format, ViewKey};

use crate::edge_buffer::{EdgeBuffer, NetEdge, Note};
use crate::view::View;

/// What is written together, with the lanes that it comes from.
pub(crate) type Buffers = [(Duration, EdgeBuffer)];

/// All of it.
pub(crate) fn batch(buffers: &Buffers) -> WriteBatch {
    let mut batch = WriteBatch::default();
    for (_, buffer) in buffers {
        buffer.clears().for_each(|view| batch.clears.push(view.place()));
        buffer.edges().for_each(|edge| put(&edge, &mut batch));
        buffer.notes().for_each(|(view, note)| batch.results.push(info(view, note)));
    }
    batch
}

/// The part of each view.
pub(crate) fn parts(buffers: &Buffers) -> HashMap<ViewKey, WriteBatch> {
    let mut parts: HashMap<ViewKey, WriteBatch> = HashMap::new();
    for (_, buffer) in buffers {
        for view in buffer.clears() {
            parts.entry(view.key().clone()).or_default().clears.push(view.place());
        }
        for edge in buffer.edges() {
            put(&edge, parts.entry(edge.view.key().clone()).or_default());
        }
        for (view, note) in buffer.notes() {
            parts.entry(view.key().clone()).or_default().results.push(info(view, note));
        }
    }
    parts
}

fn put(edge: &NetEdge<'_>, batch: &mut WriteBatch) {
    let NetEdge { view, path, is_new, version, content } = edge;
    let Some(version) = *version else {
        batch.removes.push(view.edge_id(path));
        batch.gone.extend(view.row_id(path));
        return;
    };
    if view.format() == Format::Streaming {
        let edges = if *is_new { &mut batch.puts } else { &mut batch.updates };
        edges.push(view.edge(path, version));
    }
    batch.rows.extend(content.and_then(|content| view.row_record(path, version, content.clone())));
}

fn info(view: &View, note: &Note) -> ResultInfo {
    ResultInfo {
        query: view.key().clone(),
        hash: note.hash,
        row_count: note.rows,
        result: note.result.clone(),
        error: note.error.as_deref().map(str::to_owned),
    }
}
