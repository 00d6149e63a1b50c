//! Metrics: counted once, read by whoever scrapes and by the collector.

use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_otlp::{MetricExporter, WithHttpConfig};
use opentelemetry_prometheus_text_exporter::PrometheusExporter;
use opentelemetry_sdk::metrics::SdkMeterProvider;

use crate::export::{Error, Export, resource};

/// The metrics of one service.
#[derive(Clone, Debug)]
pub struct Metrics {
    provider: SdkMeterProvider,
    text: PrometheusExporter,
}

impl Metrics {
    /// Metrics of the service `name`, of which this process runs the instance `instance`.
    ///
    /// # Errors
    /// If the exporter can't be set up.
    pub fn new(name: &'static str, instance: &str, export: Option<&Export>) -> Result<Self, Error> {
        let text = PrometheusExporter::builder().without_scope_info().build();
        let provider = SdkMeterProvider::builder().with_resource(resource(name, instance)).with_reader(text.clone());
        let provider = match export {
            Some(export) if export.metrics => {
                let exporter = MetricExporter::builder().with_http().with_http_client(export.client.clone());
                let exporter = exporter.build().map_err(|error| Error::Exporter(error.to_string()))?;
                provider.with_periodic_exporter(exporter)
            }
            _ => provider,
        };
        Ok(Metrics { provider: provider.build(), text })
    }

    /// Where instruments are made.
    pub fn meter(&self) -> Meter {
        self.provider.meter("spky")
    }

    /// All metrics, in Prometheus' text format. Runs the callbacks of observed instruments.
    ///
    /// # Errors
    /// If the metrics have been stopped.
    pub fn text(&self) -> std::io::Result<String> {
        let mut text = Vec::new();
        self.text.export(&mut text)?;
        String::from_utf8(text).map_err(std::io::Error::other)
    }

    /// Tells the collector for the last time. A collector that does not answer is not waited for for long.
    pub async fn stop(self) {
        // It waits for a thread which sends on this runtime.
        let stopped = tokio::task::spawn_blocking(move || self.provider.shutdown()).await;
        if let Ok(Err(error)) = stopped {
            tracing::warn!(%error, "the last metrics could not be exported");
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;

    use super::*;

    /// Catches a change of the names that dashboards rely on.
    #[test]
    fn metrics_are_named_as_prometheus_wants_it() {
        let metrics = Metrics::new("test", "test-1", None).unwrap();
        let meter = metrics.meter();
        meter.u64_counter("spky.changes.effective").build().add(3, &[]);
        let histogram =
            meter.f64_histogram("spky.step.duration").with_unit("s").with_boundaries(vec![0.5, 1.0]).build();
        histogram.record(0.7, &[KeyValue::new("outcome", "a \"b\"\n")]);
        meter.u64_observable_gauge("spky.rows").with_callback(|rows| rows.observe(7, &[])).build();
        let text = metrics.text().unwrap();
        for line in [
            "# TYPE spky_changes_effective_total counter",
            "spky_changes_effective_total 3",
            r#"spky_step_duration_seconds_bucket{outcome="a \"b\"\n",le="0.5"} 0"#,
            r#"spky_step_duration_seconds_bucket{outcome="a \"b\"\n",le="+Inf"} 1"#,
            "spky_rows 7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        assert!(text.contains(r#"service_instance_id="test-1""#) && text.contains(r#"service_name="test""#), "{text}");
    }
}
