//! The handler of HTTP requests.

use std::time::Duration;

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method as Verb, StatusCode};
use actix_web::web::{Bytes, BytesMut, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use actoreum_supervision::Pool;
use futures_util::StreamExt as _;
use tokio::sync::watch;
use tokio::time::timeout_at;

use super::counted_body::CountedBody;
use super::deadlines::{RequestInProgress, body_due};
use super::response::{builder, closing, refusal, text};
use super::websocket::{self, Upgrades};
use super::{Endpoints, Hosts, HttpConfig, Origins, gzip};
use crate::server::connection::figures::Reporter;
use crate::server::connection::grace::disconnect_grace;
use crate::server::dispatch::Dispatcher;
use crate::server::limits::UNCOUNTED_BYTES;
use crate::server::quota::{ByteCount, ClientQuota};
use crate::server::trace;

/// The content types that geth accepts.
const CONTENT_TYPES: [&str; 3] = [
    "application/json",
    "application/json-rpc",
    "application/jsonrequest",
];

/// The state that the workers share.
pub(super) struct State<C> {
    endpoints: Endpoints<C>,
    upgrades: Upgrades,
    vhosts: Hosts,
    origins: Origins,
    path_prefix: String,
    ws_path_prefix: String,
    body_bytes: usize,
    read_timeout: Duration,
    quota: ClientQuota,
    gzip: Option<Pool>,
}

impl<C> State<C> {
    pub(super) fn new(
        config: &HttpConfig,
        endpoints: Endpoints<C>,
        closing: watch::Receiver<bool>,
        reporter: Option<Reporter>,
    ) -> Self {
        let quota = config.quota.for_network();
        Self {
            endpoints,
            upgrades: Upgrades::new(
                config.body_bytes,
                quota.clone(),
                closing,
                &config.connections,
                reporter,
            ),
            vhosts: config.vhosts.clone(),
            origins: config.cors_origins.clone(),
            path_prefix: config.path_prefix.clone(),
            ws_path_prefix: config.ws_path_prefix.clone(),
            body_bytes: config.body_bytes,
            read_timeout: config.limits.timeouts.read,
            quota,
            gzip: config.gzip.clone(),
        }
    }
}

/// Checks a request in geth's order, then answers it. JSON-RPC errors are sent with HTTP status
/// 200.
pub(super) async fn handle<C: Send + Sync + 'static>(
    request: HttpRequest,
    payload: Payload,
    state: Data<State<C>>,
) -> HttpResponse {
    let headers = request.headers();
    if !state.vhosts.accepts(host(&request)) {
        return refusal(StatusCode::FORBIDDEN, "invalid host specified");
    }
    if let Some(endpoint) = &state.endpoints.websocket
        && websocket::is_upgrade(&request)
    {
        if !request.path().starts_with(&state.ws_path_prefix) {
            return refusal(StatusCode::NOT_FOUND, "not found");
        }
        return state.upgrades.upgrade(&request, payload, endpoint);
    }
    let Some(dispatcher) = &state.endpoints.http else {
        return refusal(StatusCode::NOT_FOUND, "only websocket is served here");
    };
    if !request.path().starts_with(&state.path_prefix) {
        return refusal(StatusCode::NOT_FOUND, "not found");
    }
    let origin = text(headers, &header::ORIGIN).filter(|_| !state.origins.is_empty());
    let preflight = *request.method() == Verb::OPTIONS
        && origin.is_some()
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight {
        HttpResponse::Ok().finish()
    } else {
        serve(&request, payload, dispatcher, &state).await
    };
    if let Some(origin) = origin {
        allow_origin(
            &mut response,
            &state.origins,
            origin,
            preflight.then_some(headers),
        );
    }
    response
}

/// Checks a request to the JSON-RPC endpoint, reads its body and answers it.
async fn serve<C: Send + Sync + 'static>(
    request: &HttpRequest,
    payload: Payload,
    dispatcher: &Dispatcher<C>,
    state: &State<C>,
) -> HttpResponse {
    let body_bytes = state.body_bytes;
    let length = text(request.headers(), &header::CONTENT_LENGTH)
        .and_then(|length| length.parse::<u64>().ok());
    match *request.method() {
        Verb::GET if length.unwrap_or(0) == 0 && request.query_string().is_empty() => {
            return HttpResponse::Ok().finish();
        }
        Verb::PUT | Verb::DELETE => {
            return refusal(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
        }
        _ => {}
    }
    if let Some(length) = length.filter(|length| *length > body_bytes as u64) {
        return too_long(length, body_bytes);
    }
    if *request.method() != Verb::OPTIONS && !is_json(request.headers()) {
        return refusal(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "invalid content type, only application/json is supported",
        );
    }
    let due = body_due(request, state.read_timeout);
    let mut counted = state.quota.bytes();
    let reading = timeout_at(due, read_body(payload, body_bytes, &mut counted));
    match reading.await {
        Ok(Ok(body)) => answer(request, dispatcher, state, body, counted).await,
        Ok(Err(BodyError::TooLong(read))) => too_long(read as u64, body_bytes),
        Ok(Err(BodyError::Busy)) => closing(busy()),
        Ok(Err(BodyError::Broken)) => {
            refusal(StatusCode::BAD_REQUEST, "the body could not be read")
        }
        Err(_) => closing(refusal(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive in time",
        )),
    }
}

/// Answers a body, unless the client disconnects meanwhile. `counted` holds the bytes of the body,
/// and then those of the answer.
async fn answer<C: Send + Sync + 'static>(
    request: &HttpRequest,
    dispatcher: &Dispatcher<C>,
    state: &State<C>,
    body: Bytes,
    mut counted: ByteCount,
) -> HttpResponse {
    let serving = RequestInProgress::begin(request);
    let leaving = async {
        serving.client_ended().await;
        disconnect_grace(&body).await;
    };
    let answering = trace::continued(request.headers(), dispatcher.answer(&body));
    let answer = tokio::select! {
        biased;
        answer = answering => answer.body,
        () = leaving => return closing(HttpResponse::Ok().finish()),
    };
    drop(body);
    counted.clear();
    let mut response = builder(StatusCode::OK, "application/json");
    let length = answer.len();
    if length > UNCOUNTED_BYTES && !counted.try_add(length) {
        return busy();
    }
    if !gzip::is_wanted(request.headers(), length) {
        return if length > UNCOUNTED_BYTES {
            response.body(CountedBody::new(answer, counted))
        } else {
            response.body(answer)
        };
    }
    let answer = Bytes::from(answer);
    match gzip::compress(&answer, state.gzip.as_ref()).await {
        Ok(None) => response.body(CountedBody::new(answer, counted)),
        Ok(Some(compressed)) => {
            counted.remove(length.saturating_sub(compressed.len()));
            let body = CountedBody::new(compressed, counted);
            let encoding = (header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response.insert_header(encoding).body(body)
        }
        Err(error) => {
            tracing::error!(%error, "an answer could not be compressed");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
        }
    }
}

/// The reason for which a body cannot be read.
enum BodyError {
    /// The body exceeds the limit; the number of bytes so far.
    TooLong(usize),
    /// The client disconnected or sent a malformed body.
    Broken,
    /// All connections together hold too many bytes.
    Busy,
}

/// Creates the response for the case that all connections together hold too many bytes.
fn busy() -> HttpResponse {
    let reason = "server is busy: all connections hold too many bytes";
    refusal(StatusCode::SERVICE_UNAVAILABLE, reason)
}

/// Reads the body, and counts its bytes in `counted`. The body is usually a single chunk, which is
/// not copied.
async fn read_body(
    mut payload: Payload,
    limit: usize,
    counted: &mut ByteCount,
) -> Result<Bytes, BodyError> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| BodyError::Broken)?;
        let length = first.len() + whole.len() + chunk.len();
        if length > limit {
            return Err(BodyError::TooLong(length));
        }
        if length > UNCOUNTED_BYTES && !counted.try_add(chunk.len()) {
            return Err(BodyError::Busy);
        }
        if first.is_empty() && whole.is_empty() {
            first = chunk;
            continue;
        }
        whole.extend_from_slice(&std::mem::take(&mut first));
        whole.extend_from_slice(&chunk);
    }
    Ok(if whole.is_empty() {
        first
    } else {
        whole.freeze()
    })
}

/// Returns the host that the request names in its absolute target or its `Host` header.
fn host(request: &HttpRequest) -> &str {
    let target = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    target
        .or_else(|| text(request.headers(), &header::HOST))
        .unwrap_or_default()
}

/// Returns whether the content type is one of [`CONTENT_TYPES`].
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = text(headers, &header::CONTENT_TYPE) else {
        return false;
    };
    let media_type = value.split(';').next().unwrap_or(value).trim();
    CONTENT_TYPES
        .iter()
        .any(|accepted| media_type.eq_ignore_ascii_case(accepted))
}

/// Creates the response to a body that exceeds the limit.
fn too_long(length: u64, limit: usize) -> HttpResponse {
    let reason = format!("content length too large ({length}>{limit})");
    // The rest of the body is not read, so the connection cannot be used again.
    closing(refusal(StatusCode::PAYLOAD_TOO_LARGE, &reason))
}

/// Adds the CORS headers if the origin is allowed. `preflight` holds the headers of a preflight
/// request.
fn allow_origin(
    response: &mut HttpResponse,
    origins: &Origins,
    origin: &str,
    preflight: Option<&HeaderMap>,
) {
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let asked = preflight.and_then(|asked| text(asked, &header::ACCESS_CONTROL_REQUEST_METHOD));
    let method_allowed = asked.is_none_or(|method| matches!(method, "POST" | "GET"));
    if !origins.accepts(origin) || !method_allowed {
        return;
    }
    let shown = if origins.accepts_any() { "*" } else { origin };
    let mut insert = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, shown);
    if let Some(asked) = preflight {
        insert(header::ACCESS_CONTROL_ALLOW_METHODS, "POST, GET");
        insert(header::ACCESS_CONTROL_MAX_AGE, "600");
        if let Some(wanted) = text(asked, &header::ACCESS_CONTROL_REQUEST_HEADERS) {
            insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
        }
    }
}
