//! The figures that the pool goes by.

use std::time::Duration;

/// How an SSP is chosen for a view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadBalance {
    /// One after the other.
    RoundRobin,
    /// The one with the fewest views.
    #[default]
    LeastQueries,
    /// The one with the lowest sum of CPU and memory at its last heartbeat; of equal ones, that with the fewest views.
    LeastLoad,
}

/// The figures that the pool goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How an SSP is chosen for a view.
    pub load_balance: LoadBalance,
    /// An SSP that says nothing for this long is lost.
    pub heartbeat_timeout: Duration,
    /// An SSP that is not ready this long after it has registered starts over.
    pub bootstrap_timeout: Duration,
    /// A ready SSP for which more events wait than this starts over.
    pub max_buffer_per_ssp: u64,
    /// An SSP that replays is ready if no more than this many events are left, and all that there were when it began
    /// are behind it.
    pub ready_within: u64,
    /// How many views an SSP is asked to adopt at once.
    pub adopt_at_once: usize,
    /// How many views may be without an owner for the sake of balance, and how many an SSP is asked to release at once.
    pub moved_at_once: usize,
    /// What is not confirmed this long after it was asked for is asked for again.
    pub ask_again: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            load_balance: LoadBalance::default(),
            heartbeat_timeout: Duration::from_secs(15),
            bootstrap_timeout: Duration::from_secs(120),
            max_buffer_per_ssp: 10_000,
            ready_within: 1_000,
            adopt_at_once: 200,
            moved_at_once: 50,
            ask_again: Duration::from_secs(5),
        }
    }
}
