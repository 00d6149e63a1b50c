//! The bytes of a segment.
//!
//! ```text
//! segment  magic 8 | version 4 | number of the first event 8 | seed 8 | checksum 8 | record …
//! record   number 8 | durable 8 | length 4 | kind 4 | checksum of the payload 8 | checksum of the header 8 | payload …
//! ```
//!
//! All numbers are little-endian, all checksums XXH3. The header of a record has a checksum of its own, so that its
//! length is believed before the payload is there, and so that headers can be looked for behind a place that is
//! damaged. That checksum takes the seed of the segment, drawn at random: whoever makes payloads can't make one that
//! looks like a header.
//!
//! `durable` says how far the segment had been brought to the disk when the record was written: up to where the group
//! begins that the record belongs to. What comes before must be whole, whatever happened since; what comes after may be
//! torn.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::log::Flaw;

/// The format of headers. Increased with every change.
pub(crate) const VERSION: u32 = 1;
/// The bytes in front of the first record of a segment.
pub(super) const SEGMENT_HEADER: usize = 36;
/// The bytes in front of a payload.
pub(super) const RECORD_HEADER: usize = 40;

const MAGIC: [u8; 8] = *b"\x89spylog\n";

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) first: u64,
    pub(super) seed: u64,
}

/// What a record is. The numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An event of an append that goes on with the next record.
    Continued = 1,
    /// The last event of an append.
    Last = 2,
    /// No event: what comes before it is durable. It has the number of the next event, which is written over it.
    Mark = 3,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) sequence: u64,
    pub(super) durable: u64,
    pub(super) length: u32,
    pub(super) kind: Kind,
    pub(super) checksum: u64,
}

impl SegmentHeader {
    pub(super) fn written(self) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.first.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.seed.to_le_bytes());
        let checksum = xxh3_64(&bytes[..28]);
        bytes[28..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub(super) fn read(bytes: &[u8; SEGMENT_HEADER]) -> Result<SegmentHeader, Flaw> {
        if bytes[..8] != MAGIC {
            return Err(Flaw::NoSegment);
        }
        // Where the version is not ours, the checksum need not be where ours is.
        let version = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        if version != VERSION {
            return Err(Flaw::UnsupportedVersion(version));
        }
        if number(bytes, 28) != xxh3_64(&bytes[..28]) {
            return Err(Flaw::Header);
        }
        Ok(SegmentHeader { first: number(bytes, 12), seed: number(bytes, 20) })
    }
}

impl Kind {
    fn read(number: u32) -> Option<Kind> {
        match number {
            1 => Some(Kind::Continued),
            2 => Some(Kind::Last),
            3 => Some(Kind::Mark),
            _ => None,
        }
    }
}

impl RecordHeader {
    /// The header of a payload. O(payload).
    pub(super) fn of(payload: &[u8], sequence: u64, durable: u64, kind: Kind) -> RecordHeader {
        RecordHeader { sequence, durable, length: payload.len() as u32, kind, checksum: xxh3_64(payload) }
    }

    pub(super) fn written(self, seed: u64) -> [u8; RECORD_HEADER] {
        let mut bytes = [0; RECORD_HEADER];
        bytes[..8].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.durable.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.length.to_le_bytes());
        bytes[20..24].copy_from_slice(&(self.kind as u32).to_le_bytes());
        bytes[24..32].copy_from_slice(&self.checksum.to_le_bytes());
        let checksum = xxh3_64_with_seed(&bytes[..32], seed);
        bytes[32..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Nothing if these bytes are no header.
    pub(super) fn read(bytes: &[u8; RECORD_HEADER], seed: u64) -> Option<RecordHeader> {
        let half = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        // The kind comes first: among bytes that are no headers, few have to be hashed.
        let kind = Kind::read(half(20))?;
        if number(bytes, 32) != xxh3_64_with_seed(&bytes[..32], seed) {
            return None;
        }
        Some(RecordHeader {
            sequence: number(bytes, 0),
            durable: number(bytes, 8),
            length: half(16),
            kind,
            checksum: number(bytes, 24),
        })
    }

    pub(super) fn fits(self, payload: &[u8]) -> bool {
        self.checksum == xxh3_64(payload)
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_they_were_written() {
        let segment = SegmentHeader { first: 1 << 40, seed: 7 };
        assert_eq!(SegmentHeader::read(&segment.written()), Ok(segment));
        for kind in [Kind::Continued, Kind::Last, Kind::Mark] {
            let record = RecordHeader::of(b"payload", u64::MAX - 1, 36, kind);
            assert_eq!(RecordHeader::read(&record.written(7), 7), Some(record));
            assert_eq!(RecordHeader::read(&record.written(7), 8), None, "of another segment");
            assert!(record.fits(b"payload") && !record.fits(b"pAyload"));
        }
    }

    /// Catches a part of a header that no check covers.
    #[test]
    fn every_flipped_bit_is_noticed() {
        let segment = SegmentHeader { first: 12, seed: 99 }.written();
        for bit in 0..SEGMENT_HEADER * 8 {
            let mut bad = segment;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::read(&bad).is_err(), "bit {bit}");
        }
        let record = RecordHeader::of(b"payload", 12, 36, Kind::Last).written(99);
        for bit in 0..RECORD_HEADER * 8 {
            let mut bad = record;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RecordHeader::read(&bad, 99), None, "bit {bit}");
        }
        assert_eq!(RecordHeader::read(&[0; RECORD_HEADER], 0), None, "zeros are no header");
    }
}
