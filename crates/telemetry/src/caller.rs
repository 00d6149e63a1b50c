//! Traces that begin at the caller of a service.

use http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Makes the span of a request a part of its caller's trace, if the request names one (`traceparent` of W3C Trace
/// Context), and traces are exported. To be called before the span is entered.
pub fn continue_trace(span: &Span, headers: &HeaderMap) {
    // Without the header, or where no layer hands spans on (the span is disabled then), there is nothing to look up.
    if span.is_disabled() || !headers.contains_key("traceparent") {
        return;
    }
    let caller = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
    if !caller.span().span_context().is_valid() {
        tracing::debug!("the traceparent of a request is malformed and ignored");
        return;
    }
    // It fails where spans are logged and not exported: there is no trace then that could go on.
    let _ = span.set_parent(caller);
}
