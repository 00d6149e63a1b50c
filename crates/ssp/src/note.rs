//! What is noted on the record of a view: the hash and the size of its result, and for some formats the result itself.

use circuit::{Circuit, Digest, Value};
use protocol::{ContentHash, Format};

use crate::edge_buffer::Note;
use crate::path::Path;
use crate::showing::content_hash;
use crate::view::Registered;

/// The note of a view. O(1) for a view that keeps edges, O(result) for others.
pub(crate) fn note(circuit: &Circuit, registered: &Registered) -> Note {
    let digest = circuit.digest(registered.result).unwrap_or_default();
    let result = match registered.view.format() {
        Format::Streaming => return streamed(digest),
        Format::Flat => Ok(flat(circuit, registered)),
        Format::Tree => circuit.answer(registered.result, &registered.plan.output),
    };
    match result {
        Ok(result) => Note { hash: Some(content_hash(&result)), rows: digest.rows, result: Some(result), error: None },
        Err(failure) => Note { rows: digest.rows, error: Some(failure.0), ..Note::default() },
    }
}

/// The note of a view that keeps edges.
pub(crate) fn streamed(digest: Digest) -> Note {
    Note { hash: Some(ContentHash::from(digest.hash)), rows: digest.rows, result: None, error: None }
}

/// `[[id, version], …]`, in the order of the query.
fn flat(circuit: &Circuit, registered: &Registered) -> Value {
    let Registered { view, showing, .. } = registered;
    let entry = |row: circuit::Row| -> Value {
        let path = Path::new(&row.id, showing.level.is_own, None);
        let version = showing.version_of(&path).unwrap_or(row.version);
        [Value::from(view.out(&path)), Value::Int(version as i64)].into_iter().collect()
    };
    circuit.rows(registered.result).into_iter().map(entry).collect()
}
