//! Traces: spans of the `tracing` crate, handed on to the collector.

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

use crate::export::{Error, Export, resource};

/// The traces of one process.
#[derive(Clone, Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Traces of the process `name`, if they are to be exported.
    ///
    /// # Errors
    /// If the exporter can't be set up.
    pub fn new(name: &'static str, instance: &str, export: Option<&Export>) -> Result<Option<Self>, Error> {
        let Some(export) = export.filter(|export| export.traces) else { return Ok(None) };
        let exporter = SpanExporter::builder().with_http().with_http_client(export.client.clone());
        let exporter = exporter.build().map_err(|error| Error::Exporter(error.to_string()))?;
        let provider = SdkTracerProvider::builder().with_resource(resource(name, instance));
        Ok(Some(Traces { provider: provider.with_batch_exporter(exporter).build() }))
    }

    /// The layer of a subscriber that hands spans on.
    pub fn layer<S>(&self) -> OpenTelemetryLayer<S, SdkTracer>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer().with_tracer(self.provider.tracer("spky"))
    }

    /// Hands on what is left.
    pub async fn stop(self) {
        // It waits for a thread which sends on this runtime.
        let stopped = tokio::task::spawn_blocking(move || self.provider.shutdown()).await;
        if let Ok(Err(error)) = stopped {
            tracing::warn!(%error, "the last traces could not be exported");
        }
    }
}
