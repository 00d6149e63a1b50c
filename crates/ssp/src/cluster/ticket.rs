//! Under which numbers a member keeps its views, so that what comes late is known for that.

use std::collections::HashMap;

use protocol::ViewKey;

/// Of so many views it is remembered apart when they were given up.
const APART: usize = 10_000;

/// How a view came here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// The registration of this sidecar that it is meant for; 0 outside of a cluster.
    pub(crate) epoch: u64,
    /// Counts what the scheduler asks. Views that were kept when the sidecar joined again have 0.
    pub(crate) number: u64,
    /// Whether the sidecar is to keep the view under this number already.
    pub(crate) is_held: bool,
}

/// Why a view is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Turned {
    #[error("this comes late: the scheduler has decided otherwise meanwhile")]
    Late,
    #[error("this sidecar does not keep the view")]
    NotHeld,
}

/// What a member remembers of tickets.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    /// The current registration.
    epoch: u64,
    /// The highest number that was seen.
    highest: u64,
    /// The highest number that had been seen when a view was given up: what has that number, or a lower one, was asked before.
    given_up: HashMap<ViewKey, u64>,
    /// The same for all views, once there are too many.
    floor: u64,
}

impl Tickets {
    /// Whether a view may be taken under a ticket. `held` is the number under which it is kept now, if it is. O(1).
    pub(crate) fn check(&mut self, key: &ViewKey, ticket: Ticket, held: Option<u64>) -> Result<(), Turned> {
        if ticket.epoch != self.epoch {
            return Err(Turned::Late);
        }
        if self.epoch == 0 {
            return Ok(());
        }
        self.highest = self.highest.max(ticket.number);
        match ticket.is_held {
            true if held == Some(ticket.number) => Ok(()),
            true => Err(Turned::NotHeld),
            // Who asks again, as an answer got lost, finds it here.
            false if held.is_some() => Ok(()),
            false if ticket.number > self.floor.max(self.given_up.get(key).copied().unwrap_or_default()) => Ok(()),
            false => Err(Turned::Late),
        }
    }

    /// The number under which a view is kept that came here like this.
    pub(crate) fn number(&self, ticket: Ticket) -> u64 {
        if ticket.epoch == self.epoch { ticket.number } else { 0 }
    }

    /// A view is given up, or is to be, whether it has come here yet or not. Amortized O(1).
    pub(crate) fn give_up(&mut self, key: &ViewKey) {
        if self.given_up.len() >= APART {
            self.given_up.clear();
            self.floor = self.highest;
        }
        self.given_up.insert(key.clone(), self.highest);
    }

    /// Views are to be given up under a number. Answers whether that is of the current registration.
    pub(crate) fn is_current(&mut self, ticket: Ticket) -> bool {
        let is_current = ticket.epoch == self.epoch;
        if is_current {
            self.highest = self.highest.max(ticket.number);
        }
        is_current
    }

    /// The sidecar has joined again.
    pub(crate) fn begin(&mut self, epoch: u64) {
        *self = Tickets { epoch, ..Tickets::default() };
    }
}

/// Views that were to be kept and are not there.
pub(crate) type Missing = Vec<ViewKey>;

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(epoch: u64, number: u64, is_held: bool) -> Ticket {
        Ticket { epoch, number, is_held }
    }

    fn key(number: usize) -> ViewKey {
        format!("v{number}").parse().unwrap()
    }

    #[test]
    fn what_was_asked_before_a_view_was_given_up_is_late() {
        let mut tickets = Tickets::default();
        let view = key(0);
        assert_eq!(tickets.check(&view, Ticket::default(), None), Ok(()), "there is no cluster");
        tickets.begin(3);
        assert_eq!(tickets.check(&view, Ticket::default(), None), Err(Turned::Late));
        assert_eq!(tickets.check(&view, ticket(3, 5, false), None), Ok(()));
        tickets.give_up(&view);
        assert_eq!(tickets.check(&view, ticket(3, 5, false), None), Err(Turned::Late));
        assert_eq!(tickets.check(&view, ticket(3, 6, false), None), Ok(()));
        assert!(tickets.is_current(ticket(3, 9, false)) && !tickets.is_current(ticket(2, 10, false)));
        tickets.give_up(&view);
        assert_eq!(tickets.check(&view, ticket(3, 9, false), None), Err(Turned::Late));
        tickets.begin(4);
        assert_eq!(tickets.check(&view, ticket(3, 10, false), None), Err(Turned::Late));
        assert_eq!(tickets.check(&view, ticket(4, 1, false), None), Ok(()));
    }

    /// Catches a fail-over that never ends because other views come and go.
    #[test]
    fn that_a_view_is_given_up_does_not_concern_others() {
        let mut tickets = Tickets::default();
        tickets.begin(1);
        assert_eq!(tickets.check(&key(0), ticket(1, 8, false), None), Ok(()));
        tickets.give_up(&key(0));
        assert_eq!(tickets.check(&key(1), ticket(1, 7, false), None), Ok(()));
        // Unless there are so many of them that nobody can tell any more.
        (2..=APART + 1).for_each(|number| tickets.give_up(&key(number)));
        for number in [0, 1, 2, APART] {
            assert_eq!(tickets.check(&key(number), ticket(1, 8, false), None), Err(Turned::Late));
            assert_eq!(tickets.check(&key(number), ticket(1, 9, false), None), Ok(()));
        }
    }

    /// Catches an adoption that is asked for again and refused, although the view has been kept since the first time.
    #[test]
    fn a_view_that_is_kept_is_taken_again() {
        let mut tickets = Tickets::default();
        tickets.begin(1);
        assert_eq!(tickets.check(&key(0), ticket(1, 5, false), None), Ok(()));
        (1..=2 * APART).for_each(|number| tickets.give_up(&key(number)));
        assert_eq!(tickets.check(&key(0), ticket(1, 5, false), Some(5)), Ok(()));
    }

    #[test]
    fn a_view_is_refreshed_where_it_is_kept_only() {
        let mut tickets = Tickets::default();
        tickets.begin(1);
        let view = key(0);
        assert_eq!(tickets.check(&view, ticket(1, 7, true), Some(7)), Ok(()));
        assert_eq!(tickets.check(&view, ticket(1, 7, true), Some(0)), Err(Turned::NotHeld));
        assert_eq!(tickets.check(&view, ticket(1, 7, true), None), Err(Turned::NotHeld));
    }
}
