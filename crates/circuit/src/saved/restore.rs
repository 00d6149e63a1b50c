//! A circuit from a saved state.

use std::error::Error;
use std::sync::Arc;

use crate::circuit::Circuit;
use crate::expr::library::Library;
use crate::saved::chunk::{ChunkError, open};
use crate::saved::save::part;
use crate::store::table::Change;
use crate::value::codec::{Decoder, Malformed};

/// Why a saved state can't be restored. Chunks count from 0.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError<E: Error + 'static> {
    #[error("chunk {chunk} can't be had")]
    Source {
        chunk: u64,
        #[source]
        source: E,
    },
    #[error("chunk {chunk} is damaged")]
    Chunk {
        chunk: u64,
        #[source]
        source: ChunkError,
    },
    #[error("the content of chunk {chunk} makes no sense")]
    Content {
        chunk: u64,
        #[source]
        source: Malformed,
    },
    #[error("the state ends after {chunks} chunks, and was not complete")]
    Incomplete { chunks: u64 },
    #[error("chunk {chunk} follows the last one")]
    TrailingChunk { chunk: u64 },
    #[error("there are {found} rows, and {saved} were saved")]
    RowsMissing { saved: u64, found: u64 },
}

/// How the content of a chunk ends.
enum Ending {
    Continued,
    Complete { rows: u64, metadata: Vec<u8> },
}

impl Circuit {
    /// A circuit that holds the rows of a saved state, and the metadata of its last chunk. Plans are to be registered
    /// again. Whatever is wrong with the chunks is an error: no row is taken from a chunk that is damaged. O(rows).
    pub fn restore<E: Error + 'static>(
        library: Arc<dyn Library>,
        chunks: impl IntoIterator<Item = Result<Vec<u8>, E>>,
    ) -> Result<(Circuit, Vec<u8>), RestoreError<E>> {
        let mut circuit = Circuit::new(library);
        let mut complete = None;
        let mut checksum = 0;
        let mut count = 0;
        for chunk in chunks {
            let number = count;
            if complete.is_some() {
                return Err(RestoreError::TrailingChunk { chunk: number });
            }
            let bytes = chunk.map_err(|source| RestoreError::Source { chunk: number, source })?;
            let opened = open(&bytes, number, checksum);
            let (content, next) = opened.map_err(|source| RestoreError::Chunk { chunk: number, source })?;
            let (changes, ending) = read(content).map_err(|source| RestoreError::Content { chunk: number, source })?;
            circuit.step(changes);
            if let Ending::Complete { rows, metadata } = ending {
                complete = Some((rows, metadata));
            }
            checksum = next;
            count += 1;
        }
        let Some((saved, metadata)) = complete else { return Err(RestoreError::Incomplete { chunks: count }) };
        let found = circuit.tables().map(|(_, rows)| rows as u64).sum();
        if saved != found {
            return Err(RestoreError::RowsMissing { saved, found });
        }
        Ok((circuit, metadata))
    }
}

/// The changes in a chunk.
fn read(content: &[u8]) -> Result<(Vec<Change>, Ending), Malformed> {
    let mut decoder = Decoder::new(content);
    let mut changes = Vec::new();
    let ending = loop {
        match decoder.byte()? {
            part::ROW => {
                let version = decoder.number()?;
                let id = decoder.record_id()?;
                let content = Some(decoder.content(&id)?);
                changes.push(Change { id, version, content });
            }
            part::GONE => changes.push(Change { id: decoder.record_id()?, version: 0, content: None }),
            part::CONTINUED => break Ending::Continued,
            part::END => {
                break Ending::Complete { rows: decoder.number()?, metadata: decoder.bytes()?.to_vec() };
            }
            _ => return Err(Malformed("a part has an unknown tag")),
        }
    };
    if decoder.is_at_end() { Ok((changes, ending)) } else { Err(Malformed("something follows its end")) }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::saved::chunk::{CHUNK_HEADER, seal};
    use crate::value::{Geometry, Key, Object, RecordId, Value};

    #[derive(Debug)]
    struct NoFunctions;

    impl Library for NoFunctions {
        fn regex_matches(&self, _: &str, _: &str) -> bool {
            false
        }

        fn geometry_contains(&self, _: &Geometry, _: &Geometry) -> bool {
            false
        }

        fn geometry_intersects(&self, _: &Geometry, _: &Geometry) -> bool {
            false
        }

        fn fold(&self, _: crate::Fold, _: &mut dyn Iterator<Item = &Value>, _: &[Value]) -> Value {
            Value::None
        }
    }

    fn saved() -> Vec<Vec<u8>> {
        let mut circuit = Circuit::new(Arc::new(NoFunctions));
        let change = |number: i64| {
            let id = RecordId::new("thread", Key::Int(number));
            let fields = [("id", id.clone().into()), ("title", Value::from("a title")), ("votes", Value::Int(number))];
            let content: Object = fields.into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
            Change { id, version: 1, content: Some(content) }
        };
        circuit.step((0..30).map(change).collect());
        circuit.begin_save();
        let chunks = std::iter::from_fn(|| circuit.save_chunk(200, b"position 7").expect("nothing is too deep"));
        chunks.collect()
    }

    fn restored(chunks: &[Vec<u8>]) -> Result<(Circuit, Vec<u8>), RestoreError<Infallible>> {
        Circuit::restore(Arc::new(NoFunctions), chunks.iter().cloned().map(Ok))
    }

    /// Seals the chunks again, as somebody would who can't be caught by the checksums.
    fn sealed(mut chunks: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let mut checksum = 0;
        for (chunk, number) in chunks.iter_mut().zip(0..) {
            checksum = seal(chunk, number, checksum);
        }
        chunks
    }

    /// Catches a panic behind the checksums: where only a bug, or malice, gets.
    #[test]
    fn contents_that_pass_the_checksums_are_restored_or_refused() {
        let good = saved();
        assert!(good.len() > 3);
        let mut state = 7u64;
        let mut below = |bound: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % bound
        };
        let mut refused = 0;
        for _ in 0..5_000 {
            let mut bad = good.clone();
            let at = below(bad.len());
            let chunk = &mut bad[at];
            for _ in 0..=below(3) {
                let content = chunk.len() - CHUNK_HEADER;
                match below(4) {
                    _ if content == 0 => {}
                    0 => chunk.truncate(CHUNK_HEADER + below(content)),
                    1 => chunk.insert(CHUNK_HEADER + below(content), below(256) as u8),
                    _ => chunk[CHUNK_HEADER + below(content)] = below(256) as u8,
                }
            }
            refused += usize::from(restored(&sealed(bad)).is_err());
        }
        assert!(refused > 2_000, "only {refused} were noticed");
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let good = saved();
        assert!(matches!(restored(&good), Ok((_, metadata)) if metadata == b"position 7"));
        let mut missing = good.clone();
        missing.remove(1);
        let refused = restored(&sealed(missing));
        assert!(matches!(refused, Err(RestoreError::RowsMissing { saved: 30, found }) if found < 30));
        let mut longer = good.clone();
        longer[0].push(0);
        let refused = restored(&sealed(longer));
        assert!(matches!(
            refused,
            Err(RestoreError::Content { chunk: 0, source: Malformed("something follows its end") })
        ));
        let mut twice = good.clone();
        twice.push(good[good.len() - 1].clone());
        let chunks = good.len() as u64;
        assert!(matches!(restored(&sealed(twice)), Err(RestoreError::TrailingChunk { chunk }) if chunk == chunks));
    }
}
