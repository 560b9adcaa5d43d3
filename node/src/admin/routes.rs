//! Routes of the admin page.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use actix_web::{
    Error, HttpResponse, Responder,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    guard,
    http::header::{self, HeaderMap, HeaderName, HeaderValue},
    middleware::{Next, from_fn},
    web::{self, Bytes, Data},
};
use actoreum_supervision::{NodeSnapshot, snapshot::State};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use super::{
    AdminState, chaos, history::SAMPLE_SECONDS, limits::MAX_EVENT_STREAMS, prometheus, starting,
};

/// Interval between two events.
const EVENT_PERIOD: Duration = Duration::from_secs(1);

/// Adds every route.
pub fn configure(app: &mut web::ServiceConfig) {
    app.service(
        web::scope("")
            .wrap(from_fn(check_host))
            .wrap(from_fn(add_headers))
            .route("/", web::get().to(page))
            .route("/style.css", web::get().to(style))
            .route("/app.js", web::get().to(script))
            .route("/kernel.js", web::get().to(kernel_script))
            .route("/api/events", web::get().to(events))
            .route("/api/actors", web::get().to(actors))
            .route("/api/arbiters", web::get().to(arbiters))
            .route("/api/incidents", web::get().to(incidents))
            .route("/api/status", web::get().to(status))
            .route(
                "/api/crash",
                web::post().guard(json_body()).to(chaos::crash),
            )
            .route("/api/hang", web::post().guard(json_body()).to(chaos::hang))
            .route(
                "/api/stop-arbiter",
                web::post().guard(json_body()).to(chaos::stop_arbiter),
            )
            .route("/metrics", web::get().to(metrics))
            .route("/health", web::get().to(health))
            .route("/ready", web::get().to(ready)),
    );
}

/// Requires the content type of JSON, which a form of another site can't send without a CORS
/// preflight.
fn json_body() -> impl guard::Guard {
    guard::Header("content-type", "application/json")
}

/// Security headers of every response: other sites may not embed or read it, and browsers may not
/// guess its content type.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
    (header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
];

/// Adds [`HEADERS`] to every response, errors included. Responses without a `Cache-Control` header
/// get `no-store`.
async fn add_headers<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let mut response = next.call(request).await?;
    let headers: &mut HeaderMap = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

/// Refuses requests with an unknown host name, against DNS rebinding.
async fn check_host<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let state = request.app_data::<Data<AdminState>>();
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let is_known = match (state, host) {
        (Some(state), Some(host)) => state.hosts.accepts(host),
        (Some(_), None) => true,
        (None, _) => false,
    };
    if is_known {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let refused = HttpResponse::Forbidden().body("invalid host specified\n");
    Ok(request.into_response(refused).map_into_right_body())
}

async fn page() -> impl Responder {
    asset("text/html; charset=utf-8", include_str!("page/index.html"))
}

async fn style() -> impl Responder {
    asset("text/css; charset=utf-8", include_str!("page/style.css"))
}

/// Content type of the scripts.
const SCRIPT: &str = "text/javascript; charset=utf-8";

async fn script() -> impl Responder {
    asset(SCRIPT, include_str!("page/app.js"))
}

async fn kernel_script() -> impl Responder {
    asset(SCRIPT, include_str!("page/kernel.js"))
}

fn asset(content_type: &'static str, body: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(body)
}

/// Returns a snapshot of the tree, or an error response if it has not started.
fn tree(state: &AdminState) -> Result<NodeSnapshot, HttpResponse> {
    match state.node.tree.get() {
        Some(tree) => Ok(tree.snapshot()),
        None => Err(starting()),
    }
}

async fn actors(state: Data<AdminState>) -> HttpResponse {
    match tree(&state) {
        Ok(tree) => HttpResponse::Ok().json(tree),
        Err(starting) => starting,
    }
}

async fn arbiters(state: Data<AdminState>) -> HttpResponse {
    match state.node.tree.get() {
        Some(tree) => HttpResponse::Ok().json(tree.arbiters()),
        None => starting(),
    }
}

async fn incidents(state: Data<AdminState>) -> HttpResponse {
    match state.node.tree.get() {
        Some(tree) => HttpResponse::Ok().json(tree.incidents().since(0).1),
        None => starting(),
    }
}

async fn status(state: Data<AdminState>) -> HttpResponse {
    HttpResponse::Ok().json(state.status())
}

async fn metrics(state: Data<AdminState>) -> HttpResponse {
    let Some(tree) = state.node.tree.get() else {
        return starting();
    };
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(prometheus::render(
            &tree.snapshot(),
            &tree.arbiters(),
            tree.incidents(),
            &state,
        ))
}

/// Answers the liveness check.
async fn health() -> HttpResponse {
    HttpResponse::Ok().body("ok\n")
}

/// Answers the readiness check: every actor is running and answers its probe.
async fn ready(state: Data<AdminState>) -> HttpResponse {
    let tree = match tree(&state) {
        Ok(tree) => tree,
        Err(starting) => return starting,
    };
    let unhealthy = tree
        .walk()
        .into_iter()
        .find(|node| node.stuck.is_some() || node.state != State::Running);
    match unhealthy {
        None => HttpResponse::Ok().body("ready\n"),
        Some(node) => {
            let why = if node.stuck.is_some() {
                "stuck"
            } else {
                "not running"
            };
            HttpResponse::ServiceUnavailable().body(format!("{} is {why}\n", node.path))
        }
    }
}

/// Streams one event per second with everything that the page draws.
async fn events(state: Data<AdminState>) -> HttpResponse {
    let Some(slot) = StreamSlot::acquire(&state.streams) else {
        return HttpResponse::ServiceUnavailable().body("too many pages are open\n");
    };
    let mut ticks = interval(EVENT_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let begin = (state, ticks, slot, 0);
    let stream = futures_util::stream::unfold(begin, |(state, mut ticks, slot, seen)| async move {
        ticks.tick().await;
        let (event, seen) = event(&state, seen);
        let next = (state, ticks, slot, seen);
        Some((Ok::<_, Error>(Bytes::from(event)), next))
    });
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(stream)
}

/// Slot for one of the [`MAX_EVENT_STREAMS`], released on drop.
struct StreamSlot(Arc<AtomicUsize>);

impl StreamSlot {
    fn acquire(streams: &Arc<AtomicUsize>) -> Option<Self> {
        let add_one = |open: usize| (open < MAX_EVENT_STREAMS).then_some(open + 1);
        streams.fetch_update(Relaxed, Relaxed, add_one).ok()?;
        Some(Self(Arc::clone(streams)))
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Returns an event and the number of incidents that the stream has then sent, `seen` before. The
/// first event of a stream has all incidents, the others the new ones.
fn event(state: &AdminState, seen: u64) -> (String, u64) {
    match state.node.tree.get() {
        Some(handle) => {
            let (added, new) = handle.incidents().since(seen);
            let dropped = handle.incidents().dropped();
            let incidents = json!({ "is_first": seen == 0, "new": new, "dropped": dropped });
            let (tree, status) = (handle.snapshot(), state.status());
            let arbiters = handle.arbiters();
            let history = state.history.lock();
            let all = json!({
                "tree": tree, "arbiters": arbiters, "status": status, "history": &*history,
                "incidents": incidents,
            });
            (format!("data: {all}\n\n"), added)
        }
        None => (": the node is starting\n\n".into(), seen),
    }
}

/// Samples the tree for the sparklines, for as long as the node runs.
pub async fn keep_history(state: Arc<AdminState>) {
    let mut ticks = interval(Duration::from_secs(SAMPLE_SECONDS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Some(tree) = state.node.tree.get() {
            let (tree, sample) = (tree.snapshot(), state.sample());
            state.history.lock().add(&tree, sample);
        }
    }
}
