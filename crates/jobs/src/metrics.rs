//! What the runner counts. Labels have the values of the configuration, never those of clients.

use std::time::Duration;

use telemetry::{Counter, Histogram, KeyValue, Meter};

use crate::health::{BackendHealth, Healths};

/// The upper bounds of what takes milliseconds to minutes, in seconds.
const BOUNDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0];

/// The instruments of the runner.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    attempts: Histogram<f64>,
    abandoned: Counter<u64>,
    callbacks: Counter<u64>,
}

impl Metrics {
    pub(crate) fn new(meter: &Meter, healths: &Healths) -> Self {
        observe(meter, healths, "spky.backend.up", "Whether the backend has answered the last attempt", |health| {
            u64::from(health.is_up)
        });
        observe(meter, healths, "spky.jobs.running", "Attempts at jobs under way", |health| health.running);
        let attempts = meter.f64_histogram("spky.jobs.attempt.duration").with_unit("s");
        let abandoned = meter.u64_counter("spky.jobs.abandoned");
        let callbacks = meter.u64_counter("spky.jobs.callbacks");
        Metrics {
            attempts: attempts
                .with_description("What calls of backends take, by what became of the job")
                .with_boundaries(BOUNDS.to_vec())
                .build(),
            callbacks: callbacks.with_description("Callbacks of executors, by what became of the job").build(),
            abandoned: abandoned
                .with_description("Attempts that were lost, or whose callback did not come, by what became of the job")
                .build(),
        }
    }

    pub(crate) fn attempt(&self, backend: &str, outcome: &'static str, duration: Duration) {
        self.attempts.record(duration.as_secs_f64(), &labels(backend, outcome));
    }

    pub(crate) fn callback(&self, backend: &str, outcome: &'static str) {
        self.callbacks.add(1, &labels(backend, outcome));
    }

    pub(crate) fn abandoned(&self, backend: &str, outcome: &'static str) {
        self.abandoned.add(1, &labels(backend, outcome));
    }
}

fn labels(backend: &str, outcome: &'static str) -> [KeyValue; 2] {
    [KeyValue::new("backend", backend.to_owned()), KeyValue::new("outcome", outcome)]
}

fn observe(meter: &Meter, healths: &Healths, name: &'static str, help: &'static str, look: fn(&BackendHealth) -> u64) {
    let healths = healths.clone();
    let gauge = meter.u64_observable_gauge(name).with_description(help);
    let observe = move |health: &BackendHealth| (look(health), [KeyValue::new("backend", health.name.clone())]);
    gauge
        .with_callback(move |gauge| {
            for (value, labels) in healths.get().iter().map(&observe) {
                gauge.observe(value, &labels);
            }
        })
        .build();
}
