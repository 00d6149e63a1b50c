//! What waits to be written, apart by how soon it has to be: views may be in a hurry, or not.
//!
//! The operations of a view are all in one lane, so that of what happens to a row while it waits only the net effect is
//! left. A lane's window begins with the first operation that waits in it.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::ViewKey;
use tokio::time::Instant;

use crate::command::Edges;
use crate::edge_buffer::EdgeBuffer;

/// As many rows of a lane are written in one transaction before its window is over.
const FLUSH_AT: usize = 5_000;

/// All lanes, by the length of their windows.
#[derive(Debug, Default)]
pub(crate) struct Lanes(BTreeMap<Duration, Lane>);

#[derive(Debug, Default)]
struct Lane {
    buffer: EdgeBuffer,
    /// When the window that has begun is over.
    deadline: Option<Instant>,
}

impl Lanes {
    pub(crate) fn take_in(&mut self, edges: &mut Edges, now: Instant) {
        for view in edges.clears.drain(..) {
            self.buffer(view.interval).clear(view);
        }
        for op in edges.ops.drain(..) {
            self.buffer(op.view.interval).push(op);
        }
        for (view, note) in edges.notes.drain().map(|(_, noted)| noted) {
            self.buffer(view.interval).note(view, note);
        }
        for (interval, lane) in &mut self.0 {
            if lane.deadline.is_none() && !lane.buffer.is_empty() {
                lane.deadline = Some(now + *interval);
            }
        }
    }

    fn buffer(&mut self, interval: Duration) -> &mut EdgeBuffer {
        &mut self.0.entry(interval).or_default().buffer
    }

    /// Forgets everything that waits for a view.
    pub(crate) fn forget(&mut self, key: &ViewKey) {
        self.0.values_mut().for_each(|lane| lane.buffer.forget(key));
    }

    /// Forgets everything that waits for other views.
    pub(crate) fn keep(&mut self, is_kept: impl Fn(&ViewKey) -> bool) {
        self.0.values_mut().for_each(|lane| lane.buffer.keep(&is_kept));
    }

    /// Whether something waits for a view in another lane than that of this interval.
    pub(crate) fn is_elsewhere(&self, key: &ViewKey, interval: Duration) -> bool {
        self.0.iter().any(|(other, lane)| *other != interval && lane.buffer.contains(key))
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.0.values().filter_map(|lane| lane.deadline).min()
    }

    /// Whether a lane holds as much as may be written at once.
    pub(crate) fn is_full(&self) -> bool {
        self.0.values().any(|lane| lane.buffer.len() >= FLUSH_AT)
    }

    /// Takes what is due: of the lanes whose windows are over, and of full ones.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<(Duration, EdgeBuffer)> {
        self.take(|lane| lane.deadline.is_some_and(|deadline| deadline <= now) || lane.buffer.len() >= FLUSH_AT)
    }

    /// Takes everything.
    pub(crate) fn take_all(&mut self) -> Vec<(Duration, EdgeBuffer)> {
        self.take(|_| true)
    }

    fn take(&mut self, is_due: impl Fn(&Lane) -> bool) -> Vec<(Duration, EdgeBuffer)> {
        // Where nothing is left the window is over as well: else it would be due for good.
        let lanes = self.0.iter_mut().filter(|(_, lane)| is_due(lane));
        let taken = lanes.map(|(interval, lane)| (*interval, std::mem::take(lane).buffer));
        taken.filter(|(_, buffer)| !buffer.is_empty()).collect()
    }

    /// Gives back what could not be written yet, and is due. Nothing may have been taken in meanwhile.
    pub(crate) fn put_back(&mut self, buffers: Vec<(Duration, EdgeBuffer)>, now: Instant) {
        for (interval, buffer) in buffers {
            self.0.insert(interval, Lane { buffer, deadline: Some(now) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use circuit::{Key, RecordId};

    use super::*;
    use crate::edge_buffer::Action;
    use crate::path::Path;
    use crate::showing::Op;
    use crate::view::View;

    fn edges(key: &str, interval: Duration, action: Action) -> Edges {
        let mut view = View::for_test(key);
        view.interval = interval;
        let path = Path::new(&Arc::new(RecordId::new("thread", Key::Int(1))), false, None);
        let mut edges = Edges::default();
        edges.push(&Arc::new(view), [Op { path, action, content: None }]);
        edges
    }

    /// Catches a view in a hurry that waits for another one, and the other way round.
    #[test]
    fn each_view_waits_as_long_as_it_wants() {
        let (soon, late) = (Duration::from_millis(100), Duration::from_secs(5));
        let mut lanes = Lanes::default();
        assert_eq!(lanes.next_deadline(), None);
        let start = Instant::now();
        lanes.take_in(&mut edges("late", late, Action::Add(1)), start);
        lanes.take_in(&mut edges("soon", soon, Action::Add(1)), start);
        assert_eq!(lanes.next_deadline(), Some(start + soon));
        assert!(lanes.take_due(start).is_empty());
        let due = lanes.take_due(start + soon);
        assert!(due.len() == 1 && due[0].0 == soon);
        assert_eq!(lanes.next_deadline(), Some(start + late));
        // A later change does not make the first one wait longer, and takes it back here.
        lanes.take_in(&mut edges("late", late, Action::Remove), start + soon);
        assert_eq!(lanes.take_due(start + late).len(), 0);
        assert!(lanes.take_all().is_empty(), "added and removed in one window");
    }

    /// Catches a writer that has something due for good, and nothing to write.
    #[test]
    fn a_window_in_which_nothing_is_left_is_over() {
        let mut lanes = Lanes::default();
        let (start, window) = (Instant::now(), Duration::from_secs(1));
        lanes.take_in(&mut edges("v", window, Action::Add(1)), start);
        lanes.forget(&"v".parse().unwrap());
        assert!(lanes.take_due(start + window).is_empty());
        assert_eq!(lanes.next_deadline(), None);
    }

    #[test]
    fn what_is_given_back_is_due_at_once() {
        let mut lanes = Lanes::default();
        let now = Instant::now();
        lanes.take_in(&mut edges("v", Duration::from_secs(5), Action::Add(1)), now);
        let taken = lanes.take_all();
        assert_eq!((taken.len(), lanes.next_deadline()), (1, None));
        lanes.put_back(taken, now);
        assert_eq!(lanes.take_due(now).len(), 1);
        assert!(!lanes.is_elsewhere(&"v".parse().unwrap(), Duration::ZERO));
    }
}
