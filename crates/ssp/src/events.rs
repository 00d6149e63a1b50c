//! Changes of views, told to whoever follows them over HTTP.
//!
//! An event leaves when the edges that it tells of are in the database, so it never says what is not committed. Each has a
//! number; who comes back soon with the last one that it has seen is told what it has missed, anybody else begins with the
//! result.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use protocol::{ViewChange, ViewKey};
use tokio::sync::broadcast;

/// How many events are kept for those who come back, and how far a follower may stay behind.
const KEPT: usize = 256;
/// How long events are kept when nobody follows.
const PATIENCE: Duration = Duration::from_secs(60);

/// The number of an event: events of one channel count up, and another channel has another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventId {
    channel: u64,
    number: u64,
}

/// An event with its number.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    pub(crate) id: EventId,
    pub(crate) change: Arc<ViewChange>,
}

/// A place in the events of a view, and what follows.
#[derive(Debug)]
pub(crate) struct Following {
    pub(crate) at: EventId,
    pub(crate) missed: Vec<Numbered>,
    pub(crate) events: broadcast::Receiver<Numbered>,
}

/// The views that are followed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events {
    channels: Arc<Mutex<HashMap<ViewKey, Channel>>>,
    /// Their number, so that it costs nothing while there are none.
    count: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Channel {
    name: u64,
    last: u64,
    kept: VecDeque<Numbered>,
    followers: broadcast::Sender<Numbered>,
    deserted: Option<Instant>,
}

impl Events {
    /// Whether nobody follows anything.
    pub(crate) fn is_idle(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// The views that somebody follows, or did until a short while ago. O(followed views).
    pub(crate) fn followed(&self) -> HashSet<ViewKey> {
        let mut channels = self.channels();
        channels.retain(|_, channel| {
            if channel.followers.receiver_count() > 0 {
                channel.deserted = None;
            }
            channel.followers.receiver_count() > 0
                || channel.deserted.get_or_insert_with(Instant::now).elapsed() <= PATIENCE
        });
        self.count.store(channels.len(), Ordering::Relaxed);
        channels.keys().cloned().collect()
    }

    pub(crate) fn publish(&self, key: &ViewKey, change: ViewChange) {
        let mut channels = self.channels();
        let Some(channel) = channels.get_mut(key) else { return };
        channel.last += 1;
        let id = EventId { channel: channel.name, number: channel.last };
        let event = Numbered { id, change: Arc::new(change) };
        if channel.kept.len() == KEPT {
            channel.kept.pop_front();
        }
        channel.kept.push_back(event.clone());
        // Nobody may be listening at the moment.
        let _ = channel.followers.send(event);
    }

    /// Follows a view from now on.
    pub(crate) fn follow(&self, key: &ViewKey) -> Following {
        let mut channels = self.channels();
        let channel = channels.entry(key.clone()).or_insert_with(Channel::new);
        let following = Following {
            at: EventId { channel: channel.name, number: channel.last },
            missed: Vec::new(),
            events: channel.followers.subscribe(),
        };
        self.count.store(channels.len(), Ordering::Relaxed);
        following
    }

    /// Follows a view from an event on; nothing if it is not known any more what came after it.
    pub(crate) fn resume(&self, key: &ViewKey, seen: EventId) -> Option<Following> {
        let channels = self.channels();
        let channel = channels.get(key).filter(|channel| channel.name == seen.channel)?;
        let first = channel.kept.front().map_or(channel.last + 1, |event| event.id.number);
        if seen.number + 1 < first || seen.number > channel.last {
            return None;
        }
        let missed = channel.kept.iter().filter(|event| event.id.number > seen.number).cloned().collect();
        Some(Following { at: seen, missed, events: channel.followers.subscribe() })
    }

    /// Ends the events of a view: what is kept of it is another one from now on, or nothing.
    pub(crate) fn end(&self, key: &ViewKey) {
        if self.is_idle() {
            return;
        }
        let mut channels = self.channels();
        channels.remove(key);
        self.count.store(channels.len(), Ordering::Relaxed);
    }

    /// Ends what follows other views.
    pub(crate) fn keep(&self, is_kept: impl Fn(&ViewKey) -> bool) {
        let mut channels = self.channels();
        channels.retain(|key, _| is_kept(key));
        self.count.store(channels.len(), Ordering::Relaxed);
    }

    pub(crate) fn end_all(&self) {
        self.channels().clear();
        self.count.store(0, Ordering::Relaxed);
    }

    fn channels(&self) -> MutexGuard<'_, HashMap<ViewKey, Channel>> {
        // The map is whole even if somebody panicked while holding it.
        self.channels.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Channel {
    fn new() -> Channel {
        let followers = broadcast::Sender::new(KEPT);
        let name = uuid::Uuid::new_v4().as_u64_pair().0;
        Channel { name, last: 0, kept: VecDeque::new(), followers, deserted: None }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.channel, self.number)
    }
}

impl FromStr for EventId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (channel, number) = text.split_once('-').ok_or(())?;
        let channel = u64::from_str_radix(channel, 16).map_err(drop)?;
        Ok(EventId { channel, number: number.parse().map_err(drop)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(rows: u64) -> ViewChange {
        ViewChange { row_count: Some(rows), ..ViewChange::default() }
    }

    #[test]
    fn an_id_reads_back_and_nothing_else_does() {
        let id = EventId { channel: 0xabc, number: 17 };
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "1", "x-1", "1-x", "-", "1-1-1", "99999999999999999-1"] {
            assert!(text.parse::<EventId>().is_err(), "{text}");
        }
    }

    /// Catches an event that a follower who comes back is told twice, or never.
    #[test]
    fn who_comes_back_is_told_what_was_missed() {
        let (events, key) = (Events::default(), "v".parse().unwrap());
        assert!(events.is_idle());
        let Following { at, events: mut live, .. } = events.follow(&key);
        for rows in 1..=3 {
            events.publish(&key, change(rows));
        }
        let first = live.try_recv().unwrap();
        assert_eq!((first.id.number, first.change.row_count), (1, Some(1)));
        drop(live);
        let back = events.resume(&key, first.id).unwrap();
        assert_eq!(back.missed.iter().map(|event| event.id.number).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(events.resume(&key, at).unwrap().missed.len(), 3);
        assert!(events.resume(&key, EventId { number: 9, ..at }).is_none(), "not told yet");
        for rows in 0..KEPT as u64 {
            events.publish(&key, change(rows));
        }
        assert!(events.resume(&key, first.id).is_none(), "too long ago");
        events.end(&key);
        assert!(events.is_idle() && events.resume(&key, at).is_none());
        let again = events.follow(&key);
        assert_ne!(again.at.channel, at.channel, "numbers of another channel mean nothing");
    }
}
