//! Requests that make actors fail, for tests of supervision (`--admin.chaos`).

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{self, Data},
};
use actoreum_supervision::{CrashError, TreeHandle};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::timeout;

use super::{
    AdminState,
    limits::{BODY_TIMEOUT, MAX_BODY_BYTES, MAX_HANG},
    starting,
};

/// The body of `/api/crash`.
#[derive(Debug, Deserialize)]
struct Crash {
    path: String,
}

/// The body of `/api/hang`.
#[derive(Debug, Deserialize)]
struct Hang {
    path: String,
    /// Time in milliseconds.
    ms: u64,
}

/// The body of `/api/stop-arbiter`.
#[derive(Debug, Deserialize)]
struct StopArbiter {
    arbiter: String,
}

/// Makes an actor panic in a handler.
pub async fn crash(
    state: Data<AdminState>,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    match admit::<Crash>(&state, &request, body, "{\"path\": \"…\"}").await {
        Ok((tree, Crash { path })) => answer(&path, "crashed\n", tree.crash(&path)),
        Err(refused) => refused,
    }
}

/// Makes a handler of an actor hold its thread.
pub async fn hang(
    state: Data<AdminState>,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    let format = "{\"path\": \"…\", \"ms\": …}";
    match admit::<Hang>(&state, &request, body, format).await {
        Ok((tree, Hang { path, ms })) => {
            let time = Duration::from_millis(ms).min(MAX_HANG);
            answer(&path, "hangs\n", tree.hang(&path, time))
        }
        Err(refused) => refused,
    }
}

/// Stops an arbiter with the actors that run on it.
pub async fn stop_arbiter(
    state: Data<AdminState>,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    match admit::<StopArbiter>(&state, &request, body, "{\"arbiter\": \"…\"}").await {
        Ok((tree, StopArbiter { arbiter })) if tree.stop_arbiter(&arbiter) => {
            HttpResponse::Accepted().body("stopped\n")
        }
        Ok((_, StopArbiter { arbiter })) => {
            HttpResponse::NotFound().body(format!("{arbiter}: no such arbiter\n"))
        }
        Err(refused) => refused,
    }
}

/// Returns the tree and the body of a request, or the response that refuses it. `format` is the
/// format of the body.
async fn admit<T: DeserializeOwned>(
    state: &AdminState,
    request: &HttpRequest,
    body: web::Payload,
    format: &str,
) -> Result<(TreeHandle, T), HttpResponse> {
    // The checks that need no body come before the body is read.
    if !state.chaos {
        return Err(
            HttpResponse::Forbidden().body("start the node with --admin.chaos to crash actors\n")
        );
    }
    let tree = state.node.tree.get().cloned().ok_or_else(starting)?;
    let bytes = read(request, body)
        .await
        .map_err(|(status, why)| HttpResponse::build(status).body(why))?;
    let read = serde_json::from_slice(&bytes);
    read.map(|body| (tree, body)).map_err(|_| {
        HttpResponse::BadRequest().body(format!("the body is not of the form {format}\n"))
    })
}

/// Reads the body without decompressing it: actix's extractors decompress a body first.
async fn read(
    request: &HttpRequest,
    body: web::Payload,
) -> Result<web::Bytes, (StatusCode, &'static str)> {
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding != "identity") {
        return Err((
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "compressed bodies are not accepted\n",
        ));
    }
    match timeout(BODY_TIMEOUT, body.to_bytes_limited(MAX_BODY_BYTES)).await {
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body takes too long\n")),
        Ok(Err(_)) => Err((StatusCode::PAYLOAD_TOO_LARGE, "the body is too long\n")),
        Ok(Ok(Err(_))) => Err((StatusCode::BAD_REQUEST, "the body can't be read\n")),
        Ok(Ok(Ok(bytes))) => Ok(bytes),
    }
}

/// Returns the response to a request to an actor.
fn answer(path: &str, done: &'static str, result: Result<(), CrashError>) -> HttpResponse {
    match result {
        Ok(()) => HttpResponse::Accepted().body(done),
        Err(error) => {
            let status = match error {
                CrashError::NoSuchActor => StatusCode::NOT_FOUND,
                CrashError::Supervisor => StatusCode::BAD_REQUEST,
                CrashError::Down | CrashError::Crashing => StatusCode::CONFLICT,
            };
            HttpResponse::build(status).body(format!("{path}: {error}\n"))
        }
    }
}
