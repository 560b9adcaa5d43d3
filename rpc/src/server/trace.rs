//! The spans of requests, with the names and attributes of geth's. The messages and the jobs that a
//! request causes continue its trace. While no subscriber wants them, they cost next to nothing.

use actix_web::http::header::HeaderMap;
use actoreum_supervision::SPANS_TARGET;
use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::error::RpcError;

/// Maximum length of a text in a span that a client can choose, in bytes: thousands of spans wait for
/// their export.
const MAX_TEXT: usize = 256;

/// Begins the span of a request. `is_in_batch`: that of the batch is around it.
///
/// The names are those of OpenTelemetry's conventions for remote procedure calls.
pub(super) fn request(method: &str, id: &str, is_in_batch: bool) -> Span {
    let (service, name) = method.split_once('_').unwrap_or(("", method));
    info_span!(
        target: SPANS_TARGET,
        "request",
        otel.name = %format_args!("jsonrpc.{service}/{name}"),
        otel.kind = if is_in_batch { "internal" } else { "server" },
        otel.status_code = Empty,
        otel.status_message = Empty,
        rpc.system = "jsonrpc",
        rpc.service = service,
        rpc.method = name,
        rpc.jsonrpc.request_id = bounded(id),
        rpc.jsonrpc.error_code = Empty,
    )
}

/// Begins the span of a batch of `size` requests.
pub(super) fn batch(size: usize) -> Span {
    info_span!(
        target: SPANS_TARGET,
        "batch",
        otel.name = "jsonrpc.batch",
        otel.kind = "server",
        rpc.system = "jsonrpc",
        rpc.batch.size = size,
    )
}

/// Records that a request has failed.
pub(super) fn fail(span: &Span, error: &RpcError) {
    if !span.is_disabled() {
        span.record("otel.status_code", "ERROR");
        span.record("otel.status_message", bounded(&error.message));
        span.record("rpc.jsonrpc.error_code", error.code);
    }
}

/// Cuts off a text at [`MAX_TEXT`].
fn bounded(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT))
        .unwrap_or(text)
}

/// Answers a request of HTTP. Its spans continue the trace that its headers name, if they name one.
#[cfg(feature = "otel")]
pub(super) fn continued<F: Future>(
    headers: &HeaderMap,
    answer: F,
) -> impl Future<Output = F::Output> + use<F> {
    use futures_util::future::Either;
    use opentelemetry::trace::FutureExt as _;
    use opentelemetry::{global, propagation::Extractor};

    struct Headers<'a>(&'a HeaderMap);

    impl Extractor for Headers<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            self.0.get(key)?.to_str().ok()
        }

        fn keys(&self) -> Vec<&str> {
            self.0.keys().map(|name| name.as_str()).collect()
        }
    }

    // Nearly no request has a trace, and none is continued unless traces are exported.
    if !headers.contains_key("traceparent") {
        return Either::Left(answer);
    }
    let context = global::get_text_map_propagator(|it| it.extract(&Headers(headers)));
    Either::Right(answer.with_context(context))
}

/// Answers a request of HTTP. Without the feature `otel` no trace is continued.
#[cfg(not(feature = "otel"))]
pub(super) fn continued<F: Future>(_: &HeaderMap, answer: F) -> F {
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_in_a_span_is_cut_off() {
        assert_eq!(bounded("short"), "short");
        let long = format!("{}é{}", "a".repeat(MAX_TEXT - 1), "b".repeat(1 << 20));
        assert_eq!(bounded(&long), "a".repeat(MAX_TEXT - 1));
    }
}
