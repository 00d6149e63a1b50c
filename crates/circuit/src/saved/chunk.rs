//! The frame around each chunk of a saved state.
//!
//! ```text
//! magic 8 | version 4 | number 8 | length 8 | checksum of the content 8 | checksum of the header 8 | content …
//! ```
//!
//! All numbers are little-endian. The checksum of the content takes that of the chunk before as its seed, so that chunks
//! of two saves can't be mixed, and none can be left out. The header has a checksum of its own: whoever reads chunks from
//! a file believes the length before the content is there.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The number of bytes in front of the content of a chunk.
pub const CHUNK_HEADER: usize = 44;

const MAGIC: [u8; 8] = *b"\x89sp00ky\n";

/// The format of headers and contents. Increased with every change of either.
const VERSION: u32 = 1;

/// What is wrong with the frame of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    #[error("this is no chunk of a saved state")]
    WrongMagic,
    #[error("the format has version {0}, and only version {VERSION} is known")]
    UnsupportedVersion(u32),
    #[error("the checksum does not match")]
    ChecksumMismatch,
    #[error("the chunk ends too early")]
    Truncated,
    #[error("there is something behind the end of the chunk")]
    TrailingData,
    #[error("it is chunk {0} of a saved state")]
    OutOfOrder(u64),
}

#[derive(Clone, Copy, Debug)]
struct Header {
    number: u64,
    length: u64,
    checksum: u64,
}

/// The number of bytes behind a header, for whoever reads chunks that were written one behind the other.
pub fn chunk_length(header: &[u8; CHUNK_HEADER]) -> Result<u64, ChunkError> {
    Ok(Header::read(header)?.length)
}

/// Fills in the header of a chunk whose content stands behind an empty one. `previous` is the answer for the chunk
/// before, and 0 for the first. O(content).
pub(crate) fn seal(chunk: &mut [u8], number: u64, previous: u64) -> u64 {
    let Some((header, content)) = chunk.split_first_chunk_mut::<CHUNK_HEADER>() else { return previous };
    let checksum = xxh3_64_with_seed(content, previous);
    *header = Header { number, length: content.len() as u64, checksum }.written();
    checksum
}

/// The content of a chunk, and what [`seal`] answered for it. O(content).
pub(crate) fn open(chunk: &[u8], number: u64, previous: u64) -> Result<(&[u8], u64), ChunkError> {
    let Some((header, content)) = chunk.split_first_chunk::<CHUNK_HEADER>() else {
        let is_chunk = !chunk.is_empty() && chunk.iter().zip(&MAGIC).all(|(byte, magic)| byte == magic);
        return Err(if is_chunk { ChunkError::Truncated } else { ChunkError::WrongMagic });
    };
    let header = Header::read(header)?;
    match header.length.cmp(&(content.len() as u64)) {
        std::cmp::Ordering::Greater => return Err(ChunkError::Truncated),
        std::cmp::Ordering::Less => return Err(ChunkError::TrailingData),
        std::cmp::Ordering::Equal => {}
    }
    if header.number != number {
        return Err(ChunkError::OutOfOrder(header.number));
    }
    if header.checksum != xxh3_64_with_seed(content, previous) {
        return Err(ChunkError::ChecksumMismatch);
    }
    Ok((content, header.checksum))
}

impl Header {
    fn written(self) -> [u8; CHUNK_HEADER] {
        let mut bytes = [0; CHUNK_HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.number.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.length.to_le_bytes());
        bytes[28..36].copy_from_slice(&self.checksum.to_le_bytes());
        let checksum = xxh3_64(&bytes[..36]);
        bytes[36..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8; CHUNK_HEADER]) -> Result<Header, ChunkError> {
        let number = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(number)
        };
        if bytes[..8] != MAGIC {
            return Err(ChunkError::WrongMagic);
        }
        // Where the version is not ours, the checksum need not be where ours is.
        let version = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        if version != VERSION {
            return Err(ChunkError::UnsupportedVersion(version));
        }
        if number(36) != xxh3_64(&bytes[..36]) {
            return Err(ChunkError::ChecksumMismatch);
        }
        Ok(Header { number: number(12), length: number(20), checksum: number(28) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(number: u64, previous: u64, content: &[u8]) -> (Vec<u8>, u64) {
        let mut chunk = vec![0; CHUNK_HEADER];
        chunk.extend_from_slice(content);
        let checksum = seal(&mut chunk, number, previous);
        (chunk, checksum)
    }

    #[test]
    fn a_sealed_chunk_opens_in_its_place_only() {
        let (first, after_first) = chunk(0, 0, b"one");
        let (second, _) = chunk(1, after_first, b"two");
        assert_eq!(open(&first, 0, 0), Ok((&b"one"[..], after_first)));
        assert_eq!(open(&second, 1, after_first).map(|(content, _)| content), Ok(&b"two"[..]));
        assert_eq!(open(&second, 0, 0), Err(ChunkError::OutOfOrder(1)));
        let (_, after_other) = chunk(0, 0, b"other");
        assert_eq!(open(&second, 1, after_other), Err(ChunkError::ChecksumMismatch), "of another save");
        assert_eq!(chunk_length(second.first_chunk().expect("a header")), Ok(3));
    }

    /// Catches a part of the frame that no check covers.
    #[test]
    fn every_flipped_bit_and_every_missing_byte_is_noticed() {
        let (good, _) = chunk(0, 0, b"some content");
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&bad, 0, 0).is_err(), "bit {bit}");
        }
        for len in 0..good.len() {
            assert!(open(&good[..len], 0, 0).is_err(), "{len} bytes");
        }
        assert_eq!(open(&good[..20], 0, 0), Err(ChunkError::Truncated));
        assert_eq!(open(&[&good[..], b"x"].concat(), 0, 0), Err(ChunkError::TrailingData));
        assert_eq!(open(b"{\"views\": []}", 0, 0), Err(ChunkError::WrongMagic));
    }
}
