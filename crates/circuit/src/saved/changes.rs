//! Changes as bytes, to be kept in a log or sent to another process.
//!
//! A change costs its values: names and shapes are written where they occur first, as in a saved state. What the bytes are
//! wrapped in has to tell their version, and whether they are whole.

use crate::saved::save::{SaveError, part, too_deep};
use crate::store::table::Change;
use crate::value::codec::{Decoder, Encoder, Malformed, TooDeep};

/// Appends changes to bytes. O(size).
///
/// # Errors
/// If a value is nested too deeply; what was appended then is of no use.
pub fn encode_changes(changes: &[Change], out: Vec<u8>) -> Result<Vec<u8>, SaveError> {
    let mut encoder = Encoder::behind(out);
    for change in changes {
        let written = match &change.content {
            Some(content) => {
                encoder.byte(part::ROW);
                encoder.number(change.version);
                encoder.record_id(&change.id).and_then(|()| encoder.content(content, &change.id))
            }
            None => {
                encoder.byte(part::GONE);
                encoder.number(change.version);
                encoder.record_id(&change.id)
            }
        };
        written.map_err(|TooDeep| too_deep(&change.id))?;
    }
    Ok(encoder.into_bytes())
}

/// Reads what [`encode_changes`] appended. Of any other bytes it makes an error or other changes: it never panics, and it
/// reserves memory in proportion to the bytes. O(size).
///
/// # Errors
/// If these are no changes.
pub fn decode_changes(bytes: &[u8]) -> Result<Vec<Change>, Malformed> {
    let mut decoder = Decoder::new(bytes);
    let mut changes = Vec::new();
    while !decoder.is_at_end() {
        let is_there = match decoder.byte()? {
            part::ROW => true,
            part::GONE => false,
            _ => return Err(Malformed("a change has an unknown tag")),
        };
        let version = decoder.number()?;
        let id = decoder.record_id()?;
        let content = if is_there { Some(decoder.content(&id)?) } else { None };
        changes.push(Change { id, version, content });
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Key, Object, RecordId, Value};

    fn changes() -> Vec<Change> {
        let row = |number: i64| {
            let id = RecordId::new("thread", Key::Int(number));
            let fields = [("id", id.clone().into()), ("title", Value::from("a title")), ("votes", Value::Int(number))];
            let fields = fields.map(|(name, value)| (name.into(), value));
            Change { id, version: 3, content: Some(Object::from_iter(fields)) }
        };
        let gone = Change { id: RecordId::new("user", Key::String("ann".into())), version: 7, content: None };
        vec![row(1), gone, row(2)]
    }

    #[test]
    fn changes_come_back_with_their_versions() {
        let bytes = encode_changes(&changes(), b"header".to_vec()).unwrap();
        let read = decode_changes(&bytes[6..]).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", changes()));
        assert!(decode_changes(&[]).unwrap().is_empty());
    }

    /// Catches a length that is believed before the bytes are there.
    #[test]
    fn what_is_cut_off_between_two_changes_is_shorter_and_anything_else_is_refused() {
        let bytes = encode_changes(&changes(), Vec::new()).unwrap();
        let whole: Vec<usize> = (0..bytes.len()).filter(|len| decode_changes(&bytes[..*len]).is_ok()).collect();
        assert_eq!(whole.len(), changes().len(), "{whole:?}");
        assert!(decode_changes(b"no changes").is_err());
    }
}
