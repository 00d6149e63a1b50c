//! Events on their way to a sidecar: the body of one request.
//!
//! ```text
//! epoch 8 | head 8 | ( sequence 8 | length 8 | event … ) …
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::event::MAX_EVENT;

/// Events under their numbers, which follow each other without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The registration of the sidecar that this is meant for.
    pub epoch: u64,
    /// The number of the last event that the log had. Whoever has taken in that one is up to date.
    pub head: u64,
    /// The events as the log has them. There may be none, which tells the head.
    pub events: Vec<(u64, Bytes)>,
}

/// Bytes are no delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// It ends within an event.
    #[error("the delivery is not complete")]
    Incomplete,
    /// Events are missing, or twice.
    #[error("event {found} follows event {previous}")]
    OutOfOrder {
        /// The event before.
        previous: u64,
        /// The event that should be the next.
        found: u64,
    },
}

impl Delivery {
    /// The most bytes of a delivery: of the largest event, or of many small ones.
    pub const MOST_BYTES: usize = MAX_EVENT + (1 << 20);

    /// The delivery as bytes. O(size).
    pub fn encode(&self) -> Bytes {
        let size: usize = self.events.iter().map(|(_, event)| 16 + event.len()).sum();
        let mut out = BytesMut::with_capacity(16 + size);
        out.put_u64_le(self.epoch);
        out.put_u64_le(self.head);
        for (sequence, event) in &self.events {
            out.put_u64_le(*sequence);
            out.put_u64_le(event.len() as u64);
            out.put_slice(event);
        }
        out.freeze()
    }

    /// Reads what was encoded; the events share its memory. O(events).
    ///
    /// # Errors
    /// If this is no delivery, or if its events don't follow each other.
    pub fn decode(mut bytes: Bytes) -> Result<Delivery, DeliveryError> {
        let incomplete = |_| DeliveryError::Incomplete;
        let epoch = bytes.try_get_u64_le().map_err(incomplete)?;
        let head = bytes.try_get_u64_le().map_err(incomplete)?;
        let mut events: Vec<(u64, Bytes)> = Vec::new();
        while bytes.has_remaining() {
            let sequence = bytes.try_get_u64_le().map_err(incomplete)?;
            let length = bytes.try_get_u64_le().map_err(incomplete)?;
            let length = usize::try_from(length).ok().filter(|length| *length <= bytes.len());
            if let Some((previous, _)) = events.last()
                && previous.checked_add(1) != Some(sequence)
            {
                return Err(DeliveryError::OutOfOrder { previous: *previous, found: sequence });
            }
            events.push((sequence, bytes.split_to(length.ok_or(DeliveryError::Incomplete)?)));
        }
        Ok(Delivery { epoch, head, events })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery() -> Delivery {
        let events = vec![(4, Bytes::from_static(b"four")), (5, Bytes::new()), (6, Bytes::from_static(b"six"))];
        Delivery { epoch: 3, head: 9, events }
    }

    #[test]
    fn a_delivery_comes_back() {
        assert_eq!(Delivery::decode(delivery().encode()).unwrap(), delivery());
        let empty = Delivery { events: Vec::new(), ..delivery() };
        assert_eq!(Delivery::decode(empty.encode()).unwrap(), empty);
    }

    #[test]
    fn a_delivery_that_is_cut_off_has_fewer_events_or_is_refused() {
        let bytes = delivery().encode();
        let whole: Vec<usize> = (0..=bytes.len()).filter(|len| Delivery::decode(bytes.slice(..*len)).is_ok()).collect();
        assert_eq!(whole, [16, 36, 52, 71]);
        let mut lies = bytes.to_vec();
        lies[24..32].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(Delivery::decode(lies.into()), Err(DeliveryError::Incomplete));
    }

    #[test]
    fn a_gap_is_refused() {
        let mut gap = delivery();
        gap.events.remove(1);
        assert_eq!(Delivery::decode(gap.encode()), Err(DeliveryError::OutOfOrder { previous: 4, found: 6 }));
    }
}
