//! What operators need to know of a scheduler: looked up when somebody asks.
//!
//! The names of sidecars are labels. They are configured, so that there are few, and each is gone with its sidecar.

use std::collections::BTreeMap;

use serving::Status;
use telemetry::{KeyValue, Meter};

use crate::capture::Announcer;
use crate::coordinator::{Coordinator, Watched};
use crate::pool::ViewCounts;

/// All states of a sidecar, so that a series does not end when the last one leaves its state.
const STATES: [&str; 6] = ["awaited", "bootstrapping", "replaying", "ready", "dismissed", "lost"];

/// Observes the log, the replica, the sidecars and the views.
pub(crate) fn observe(meter: &Meter, status: &Status, coordinator: &Watched) {
    let status = status.clone();
    gauge(meter, coordinator, "spky.ready", "Whether the service is ready", move |_| u64::from(status.is_ready()));
    gauge(meter, coordinator, "spky.scheduler.log.head", "The number of the last event", Coordinator::head);
    gauge(meter, coordinator, "spky.scheduler.log.first", "The number of the first event that is still kept", |of| {
        of.first_kept()
    });
    gauge(
        meter,
        coordinator,
        "spky.scheduler.capture.interrupted",
        "Whether nothing is captured, as the database is away or the log has no room",
        |of| u64::from(of.is_interrupted()),
    );
    gauge(meter, coordinator, "spky.scheduler.replica.position", "The last event that the replica holds", |of| {
        *of.replica().position().borrow()
    });
    gauge(
        meter,
        coordinator,
        "spky.scheduler.replica.frozen",
        "Whether the replica stands still, as a sidecar loads it",
        |of| u64::from(of.is_frozen()),
    );
    series(meter, coordinator, "spky.scheduler.ssps", "Sidecars, by their state", "state", |of| {
        let mut counts = BTreeMap::from(STATES.map(|state| (state.to_owned(), 0)));
        for ssp in of.status().0 {
            *counts.entry(ssp.state).or_default() += 1;
        }
        counts
    });
    series(meter, coordinator, "spky.scheduler.ssp.behind", "Events that wait for a sidecar", "ssp", |of| {
        of.status().0.into_iter().map(|ssp| (ssp.ssp_id, ssp.behind)).collect()
    });
    series(meter, coordinator, "spky.scheduler.views", "Views, by where they are", "kind", |of| {
        let ViewCounts { owned, registering, adopting, releasing, orphans, refused } = of.counts();
        let counts = [
            ("owned", owned),
            ("registering", registering),
            ("adopting", adopting),
            ("releasing", releasing),
            ("orphan", orphans),
            ("refused", refused),
        ];
        counts.map(|(kind, count)| (kind.to_owned(), count as u64)).into()
    });
}

/// Observes what is announced and not settled.
pub(crate) fn observe_announced(meter: &Meter, announcer: &Announcer) {
    let open = announcer.watched();
    let gauge = meter.u64_observable_gauge("spky.scheduler.announced");
    let gauge = gauge.with_description("Records of which changes are announced that have not come yet");
    let gauge = gauge.with_callback(move |gauge| {
        if let Some(open) = open() {
            gauge.observe(open, &[]);
        }
    });
    gauge.build();
}

fn gauge(
    meter: &Meter,
    coordinator: &Watched,
    name: &'static str,
    help: &'static str,
    look: impl Fn(&Coordinator) -> u64 + Send + Sync + 'static,
) {
    let coordinator = coordinator.clone();
    let gauge = meter.u64_observable_gauge(name).with_description(help);
    let gauge = gauge.with_callback(move |gauge| {
        if let Some(coordinator) = coordinator.get() {
            gauge.observe(look(&coordinator), &[]);
        }
    });
    gauge.build();
}

/// A gauge for each value of a label.
fn series(
    meter: &Meter,
    coordinator: &Watched,
    name: &'static str,
    help: &'static str,
    label: &'static str,
    look: impl Fn(&Coordinator) -> BTreeMap<String, u64> + Send + Sync + 'static,
) {
    let coordinator = coordinator.clone();
    let gauge = meter.u64_observable_gauge(name).with_description(help);
    let gauge = gauge.with_callback(move |gauge| {
        for (value, count) in coordinator.get().iter().flat_map(&look) {
            gauge.observe(count, &[KeyValue::new(label, value)]);
        }
    });
    gauge.build();
}
