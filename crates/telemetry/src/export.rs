//! Whether and what is exported: the standard variables of the environment.
//!
//! Read here: `OTEL_SDK_DISABLED`, `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_PROTOCOL`, their variants for
//! `TRACES` and `METRICS`, `OTEL_TRACES_EXPORTER` and `OTEL_METRICS_EXPORTER`. All others (headers, timeouts, intervals,
//! the sampler, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`) are read by the SDK itself.

use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;

use crate::client::Client;

/// Why nothing can be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A variable asks for what there is not.
    #[error("{variable} is `{value}`, expected {expected}")]
    Variable {
        /// The name of the variable.
        variable: String,
        /// What it says.
        value: String,
        /// What it may say.
        expected: &'static str,
    },
    /// The client can't be set up.
    #[error("can't set up the client for the collector: {0}")]
    Client(#[source] reqwest::Error),
    /// The exporter can't be set up: the endpoint is no address, or its settings contradict each other.
    #[error("can't set up the export by OTLP: {0}")]
    Exporter(String),
}

/// What is to be exported.
#[derive(Clone, Debug)]
pub struct Export {
    pub(crate) client: Client,
    pub(crate) traces: bool,
    pub(crate) metrics: bool,
}

impl Export {
    /// What the environment asks for; `None` if it names no collector. To be called on the runtime that sends.
    ///
    /// # Errors
    /// [`Error::Variable`] if it asks for a protocol or an exporter other than OTLP over HTTP with protobuf.
    pub fn from_environment() -> Result<Option<Export>, Error> {
        let wanted = Wanted::read(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))?;
        if wanted == Wanted::default() {
            return Ok(None);
        }
        let client = Client::new().map_err(Error::Client)?;
        Ok(Some(Export { client, traces: wanted.traces, metrics: wanted.metrics }))
    }
}

/// The signals that have a collector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wanted {
    traces: bool,
    metrics: bool,
}

impl Wanted {
    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(Wanted::default());
        }
        Ok(Wanted { traces: is_wanted("TRACES", &variable)?, metrics: is_wanted("METRICS", &variable)? })
    }
}

fn is_wanted(signal: &str, variable: impl Fn(&str) -> Option<String>) -> Result<bool, Error> {
    let of_signal = |name: &str| {
        let own = format!("OTEL_EXPORTER_OTLP_{signal}_{name}");
        let common = format!("OTEL_EXPORTER_OTLP_{name}");
        let set = |variable_name: String| variable(&variable_name).map(|value| (variable_name, value));
        set(own).or_else(|| set(common))
    };
    let exporter = format!("OTEL_{signal}_EXPORTER");
    match variable(&exporter).as_deref() {
        None | Some("otlp") => {}
        Some("none") => return Ok(false),
        Some(other) => {
            let expected = "`otlp` or `none`";
            return Err(Error::Variable { variable: exporter, value: other.to_owned(), expected });
        }
    }
    if of_signal("ENDPOINT").is_none() {
        return Ok(false);
    }
    match of_signal("PROTOCOL") {
        Some((variable, value)) if value != "http/protobuf" => {
            Err(Error::Variable { variable, value, expected: "`http/protobuf`" })
        }
        _ => Ok(true),
    }
}

/// Who it is that tells: what the environment says, `name` where it does not.
pub(crate) fn resource(name: &'static str, instance: &str) -> Resource {
    let service_name = Key::from_static_str("service.name");
    let given = Resource::builder().build().get(&service_name);
    let own = [
        KeyValue::new("service.instance.id", instance.to_owned()),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
    ];
    let resource = Resource::builder().with_attributes(own);
    match given {
        Some(given) if !given.as_str().starts_with("unknown_service") => resource.build(),
        _ => resource.with_service_name(name).build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<(bool, bool), String> {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Wanted::read(find).map(|wanted| (wanted.traces, wanted.metrics)).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_exported_unless_a_collector_is_named() {
        assert_eq!(read(&[]), Ok((false, false)));
        assert_eq!(read(&[("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_SERVICE_NAME", "x")]), Ok((false, false)));
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        assert_eq!(read(&[all]), Ok((true, true)));
        assert_eq!(read(&[all, ("OTEL_SDK_DISABLED", "True")]), Ok((false, false)));
        assert_eq!(read(&[all, ("OTEL_METRICS_EXPORTER", "none")]), Ok((true, false)));
        let metrics = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://collector:4318/v1/metrics");
        assert_eq!(read(&[metrics]), Ok((false, true)));
    }

    #[test]
    fn what_is_not_spoken_is_refused_and_not_ignored() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");
        let refused = read(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap_err();
        assert_eq!(refused, "OTEL_EXPORTER_OTLP_PROTOCOL is `grpc`, expected `http/protobuf`");
        let own = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf");
        let refused = read(&[endpoint, own, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]).unwrap_err();
        assert!(refused.contains("http/json"), "metrics have no protocol of their own: {refused}");
        assert!(read(&[endpoint, ("OTEL_METRICS_EXPORTER", "prometheus")]).unwrap_err().contains("`none`"));
    }
}
