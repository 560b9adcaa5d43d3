//! Headers of requests, and the frames of responses.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::{HttpResponse, HttpResponseBuilder};

/// Returns a header as text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    // A header that is not text becomes a text that matches nothing, as the checks want.
    headers
        .get(name)
        .map(|value| value.to_str().unwrap_or("\u{fffd}"))
}

/// Starts a response.
pub(super) fn builder(status: StatusCode, content_type: &'static str) -> HttpResponseBuilder {
    let mut builder = HttpResponse::build(status);
    builder.insert_header((header::CONTENT_TYPE, HeaderValue::from_static(content_type)));
    builder
}

/// Creates an error response with a reason as its body.
pub(super) fn refusal(status: StatusCode, reason: &str) -> HttpResponse {
    builder(status, "text/plain; charset=utf-8")
        .insert_header((
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .body(format!("{reason}\n"))
}

/// Marks a response as the last one of its connection.
pub(super) fn closing(mut response: HttpResponse) -> HttpResponse {
    response
        .head_mut()
        .set_connection_type(ConnectionType::Close);
    response
}
