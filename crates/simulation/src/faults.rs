//! What is done to a cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use turmoil::Sim;

use crate::cluster::{APPLICATION, Common, DATABASE, SCHEDULER, SSPS};

/// Something that is wrong for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The host is gone at once, as by SIGKILL or a loss of power, and comes back.
    Crash(&'static str),
    /// The service ends in good order, as by SIGTERM, and is started again.
    Stop(&'static str),
    /// Nothing gets from one host to the other or back. What is sent is lost.
    Partition(&'static str, &'static str),
    /// Nothing gets from one host to the other, but the other way.
    Deaf(&'static str, &'static str),
    /// What is sent between two hosts arrives when this is over, as from a process that was stopped.
    Hold(&'static str, &'static str),
    /// Messages between two hosts take long.
    Slow(&'static str, &'static str),
    /// The log has no room.
    Full,
}

/// Pairs of hosts that speak to each other.
const LINKS: [(&str, &str); 9] = [
    (SCHEDULER, SSPS[0]),
    (SCHEDULER, SSPS[1]),
    (SCHEDULER, SSPS[2]),
    (DATABASE, SSPS[0]),
    (DATABASE, SSPS[1]),
    (DATABASE, SSPS[2]),
    (DATABASE, SCHEDULER),
    (APPLICATION, SCHEDULER),
    (DATABASE, APPLICATION),
];

impl Fault {
    /// Makes one up.
    pub fn random(random: &mut StdRng) -> Fault {
        let ssp = *SSPS.choose(random).unwrap_or(&SSPS[0]);
        let (one, other) = *LINKS.choose(random).unwrap_or(&LINKS[0]);
        match random.random_range(0..14) {
            0..=2 => Fault::Crash(ssp),
            3 | 4 => Fault::Crash(SCHEDULER),
            5 => Fault::Stop(ssp),
            6 => Fault::Stop(SCHEDULER),
            7 => Fault::Crash(DATABASE),
            8 | 9 => Fault::Partition(one, other),
            10 if random.random() => Fault::Deaf(one, other),
            10 => Fault::Deaf(other, one),
            11 => Fault::Hold(one, other),
            12 => Fault::Slow(one, other),
            _ => Fault::Full,
        }
    }

    /// For how long it is to be: mostly shorter than anything notices, sometimes longer than all time-outs.
    pub fn duration(random: &mut StdRng) -> Duration {
        let longest = *[300, 3_000, 12_000].choose(random).unwrap_or(&300);
        Duration::from_millis(random.random_range(10..longest))
    }

    /// What can't be the matter twice at once.
    fn place(self) -> (&'static str, &'static str) {
        match self {
            Fault::Crash(host) | Fault::Stop(host) => (host, host),
            Fault::Partition(one, other)
            | Fault::Deaf(one, other)
            | Fault::Hold(one, other)
            | Fault::Slow(one, other) => (one.min(other), one.max(other)),
            Fault::Full => ("log", "log"),
        }
    }
}

/// What is wrong now.
#[derive(Debug, Default)]
pub struct Faults {
    places: BTreeSet<(&'static str, &'static str)>,
    /// How many there have been.
    pub count: usize,
}

/// How long a message takes otherwise, at most.
pub const LATENCY: Duration = Duration::from_millis(20);

impl Faults {
    /// Lets something go wrong, unless something is already wrong there. Answers whether it did.
    pub fn begin(&mut self, sim: &mut Sim<'_>, common: &Common, fault: Fault) -> bool {
        if !self.places.insert(fault.place()) {
            return false;
        }
        self.count += 1;
        tracing::info!(?fault, "begins");
        match fault {
            Fault::Crash(host) => sim.crash(host),
            Fault::Stop(host) => common.stop(host),
            Fault::Partition(one, other) => sim.partition(one, other),
            Fault::Deaf(one, other) => sim.partition_oneway(one, other),
            Fault::Hold(one, other) => sim.hold(one, other),
            Fault::Slow(one, other) => sim.set_link_max_message_latency(one, other, Duration::from_secs(2)),
            Fault::Full => common.disk.log().set_full(true),
        }
        true
    }

    /// Mends it.
    pub fn end(&mut self, sim: &mut Sim<'_>, common: &Common, fault: Fault) {
        tracing::info!(?fault, "is over");
        self.places.remove(&fault.place());
        match fault {
            Fault::Crash(host) => sim.bounce(host),
            // One that takes too long to end is killed, as supervisors do.
            Fault::Stop(host) => {
                sim.crash(host);
                sim.bounce(host);
            }
            Fault::Partition(one, other) => sim.repair(one, other),
            Fault::Deaf(one, other) => sim.repair_oneway(one, other),
            Fault::Hold(one, other) => sim.release(one, other),
            Fault::Slow(one, other) => sim.set_link_max_message_latency(one, other, LATENCY),
            Fault::Full => common.disk.log().set_full(false),
        }
    }
}
