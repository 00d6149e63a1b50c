//! What services tell about themselves: metrics to scrape, and the export of metrics and traces by OTLP.
//!
//! There is one instrumentation, OpenTelemetry's, and it has two readers: [`Metrics::text`] for Prometheus, and a
//! collector that is told at intervals, where the standard variables (`OTEL_…`) name one. Traces are spans of the
//! `tracing` crate that a layer hands on; without a collector there is no such layer, and they cost nothing.

mod caller;
mod client;
mod export;
mod metrics;
mod traces;

pub use caller::continue_trace;
pub use export::{Error, Export};
pub use metrics::Metrics;
pub use traces::Traces;

pub use opentelemetry::KeyValue;
pub use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};
