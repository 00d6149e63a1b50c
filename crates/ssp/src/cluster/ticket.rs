//! Under which numbers a member keeps its views, so that what comes late is known for that.

use protocol::ViewKey;

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
    /// What has a number up to this one was asked before a view was given up: it may be that view that it is about.
    floor: u64,
}

impl Tickets {
    /// Whether a view may be taken under a ticket. `held` is the number under which it is kept now, if it is.
    pub(crate) fn check(&mut self, ticket: Ticket, held: Option<u64>) -> Result<(), Turned> {
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
            false if ticket.number > self.floor => Ok(()),
            false => Err(Turned::Late),
        }
    }

    /// The number under which a view is kept that came here like this.
    pub(crate) fn number(&self, ticket: Ticket) -> u64 {
        if ticket.epoch == self.epoch { ticket.number } else { 0 }
    }

    /// A view is given up.
    pub(crate) fn give_up(&mut self) {
        self.floor = self.highest;
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
        *self = Tickets { epoch, highest: 0, floor: 0 };
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

    #[test]
    fn what_was_asked_before_a_view_was_given_up_is_late() {
        let mut tickets = Tickets::default();
        assert_eq!(tickets.check(Ticket::default(), None), Ok(()), "there is no cluster");
        tickets.begin(3);
        assert_eq!(tickets.check(Ticket::default(), None), Err(Turned::Late));
        assert_eq!(tickets.check(ticket(3, 5, false), None), Ok(()));
        assert_eq!(tickets.check(ticket(3, 4, false), None), Ok(()), "of another view, and nothing was given up");
        tickets.give_up();
        assert_eq!(tickets.check(ticket(3, 5, false), None), Err(Turned::Late));
        assert_eq!(tickets.check(ticket(3, 6, false), None), Ok(()));
        assert!(tickets.is_current(ticket(3, 9, false)) && !tickets.is_current(ticket(2, 10, false)));
        tickets.give_up();
        assert_eq!(tickets.check(ticket(3, 9, false), None), Err(Turned::Late));
        tickets.begin(4);
        assert_eq!(tickets.check(ticket(3, 10, false), None), Err(Turned::Late));
        assert_eq!(tickets.check(ticket(4, 1, false), None), Ok(()));
    }

    #[test]
    fn a_view_is_refreshed_where_it_is_kept_only() {
        let mut tickets = Tickets::default();
        tickets.begin(1);
        assert_eq!(tickets.check(ticket(1, 7, true), Some(7)), Ok(()));
        assert_eq!(tickets.check(ticket(1, 7, true), Some(0)), Err(Turned::NotHeld));
        assert_eq!(tickets.check(ticket(1, 7, true), None), Err(Turned::NotHeld));
    }
}
