//! What the scheduler has delivered: each event once, in the order of the numbers, whatever is sent how often.

use std::sync::Arc;

use bytes::Bytes;
use cluster::Delivery;
use tokio::sync::{Mutex, mpsc};

/// Deliveries that may wait. Beyond that the scheduler waits.
const QUEUE: usize = 16;

/// Where deliveries arrive.
#[derive(Clone, Debug)]
pub(crate) struct Inbox {
    door: Arc<Mutex<Door>>,
}

#[derive(Debug)]
struct Door {
    /// Closed while the sidecar is no member, or has not said yet where events are to begin.
    opened: Option<Opened>,
}

#[derive(Debug)]
struct Opened {
    epoch: u64,
    /// The number of the event that is expected next.
    next: u64,
    arrived: mpsc::Sender<Arrived>,
}

/// What has arrived and is to be taken in.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) events: Vec<(u64, Bytes)>,
    /// The last event that there was when this was sent.
    pub(crate) head: u64,
}

/// Why a delivery is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misdelivery {
    #[error("this sidecar is not registered under epoch {0}")]
    Epoch(u64),
    #[error("the next event is {expected}, and this is {found}")]
    Gap { expected: u64, found: u64 },
}

impl Inbox {
    /// Nothing is taken yet.
    pub(crate) fn closed() -> Self {
        Inbox { door: Arc::new(Mutex::new(Door { opened: None })) }
    }

    /// From now on takes events behind a number that are meant for an epoch. What was taken before and not worked on is
    /// forgotten.
    pub(crate) async fn open(&self, epoch: u64, after: u64) -> mpsc::Receiver<Arrived> {
        let (arrived, receiver) = mpsc::channel(QUEUE);
        self.door.lock().await.opened = Some(Opened { epoch, next: after + 1, arrived });
        receiver
    }

    /// Takes nothing until it is opened again.
    pub(crate) async fn close(&self) {
        self.door.lock().await.opened = None;
    }

    /// Takes a delivery in; what has been taken before is left out. Answers the number of the last event that was taken.
    ///
    /// Waits while there is no room. Where the caller does not wait that long, nothing of the delivery is taken.
    pub(crate) async fn take_in(&self, delivery: Delivery) -> Result<u64, Misdelivery> {
        let mut door = self.door.lock().await;
        let Some(opened) = door.opened.as_mut().filter(|opened| opened.epoch == delivery.epoch) else {
            return Err(Misdelivery::Epoch(delivery.epoch));
        };
        let mut events = delivery.events;
        events.retain(|(sequence, _)| *sequence >= opened.next);
        let last = events.last().map(|(sequence, _)| *sequence);
        if let Some((found, _)) = events.first()
            && *found != opened.next
        {
            return Err(Misdelivery::Gap { expected: opened.next, found: *found });
        }
        if opened.arrived.send(Arrived { events, head: delivery.head }).await.is_err() {
            // Whoever worked on them is about to join anew.
            return Err(Misdelivery::Epoch(delivery.epoch));
        }
        if let Some(last) = last {
            opened.next = last + 1;
        }
        Ok(opened.next - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(epoch: u64, sequences: std::ops::Range<u64>) -> Delivery {
        let events = sequences.map(|sequence| (sequence, Bytes::from(sequence.to_string()))).collect();
        Delivery { epoch, head: 100, events }
    }

    fn numbers(receiver: &mut mpsc::Receiver<Arrived>) -> Vec<u64> {
        let mut numbers = Vec::new();
        while let Ok(arrived) = receiver.try_recv() {
            numbers.extend(arrived.events.into_iter().map(|(sequence, _)| sequence));
        }
        numbers
    }

    #[tokio::test]
    async fn each_event_is_taken_once_and_in_order() {
        let inbox = Inbox::closed();
        assert_eq!(inbox.take_in(delivery(1, 1..3)).await, Err(Misdelivery::Epoch(1)));
        let mut arrived = inbox.open(1, 4).await;
        assert_eq!(inbox.take_in(delivery(1, 3..7)).await, Ok(6));
        assert_eq!(inbox.take_in(delivery(1, 3..7)).await, Ok(6), "the answer to the first may have been lost");
        assert_eq!(inbox.take_in(delivery(1, 8..9)).await, Err(Misdelivery::Gap { expected: 7, found: 8 }));
        assert_eq!(inbox.take_in(delivery(1, 0..0)).await, Ok(6), "nothing but news of the head");
        assert_eq!(inbox.take_in(delivery(2, 7..9)).await, Err(Misdelivery::Epoch(2)));
        assert_eq!(numbers(&mut arrived), [5, 6]);
        let mut again = inbox.open(2, 4).await;
        assert_eq!(inbox.take_in(delivery(1, 7..9)).await, Err(Misdelivery::Epoch(1)), "of the former registration");
        assert_eq!(inbox.take_in(delivery(2, 5..6)).await, Ok(5));
        assert_eq!((numbers(&mut arrived), numbers(&mut again)), (vec![], vec![5]));
        inbox.close().await;
        assert_eq!(inbox.take_in(delivery(2, 6..7)).await, Err(Misdelivery::Epoch(2)));
    }

    /// Catches an event that is counted as taken although whoever brought it has given up.
    #[tokio::test]
    async fn what_finds_no_room_is_not_taken() {
        let inbox = Inbox::closed();
        let mut arrived = inbox.open(1, 0).await;
        let room = QUEUE as u64;
        for sequence in 1..=room {
            assert_eq!(inbox.take_in(delivery(1, sequence..sequence + 1)).await, Ok(sequence));
        }
        let late = inbox.take_in(delivery(1, room + 1..room + 2));
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), late).await.is_err());
        assert_eq!(numbers(&mut arrived), (1..=room).collect::<Vec<_>>());
        assert_eq!(inbox.take_in(delivery(1, room + 1..room + 3)).await, Ok(room + 2));
    }
}
