//! The dispatcher: answers the bytes of a request with the bytes of an answer, for every transport.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use rustc_hash::FxBuildHasher;
use tracing::{Instrument as _, Span};

use crate::error::{INVALID_REQUEST, RESPONSE_TOO_LARGE, RpcError, TIMED_OUT};
use crate::server::connection::caller::Caller;
use crate::server::json::{JsonOut, Raw};
use crate::server::limits;
use crate::server::method::{Handler, LocalFuture, Method, SyncCall};
use crate::server::pool::HeavyPool;
use crate::server::request::{self, Call, Item, Message, Unreadable};
use crate::server::trace;

/// The limits of a dispatcher. The defaults are those of [`limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DispatchLimits {
    /// Maximum number of requests in a batch.
    pub batch_items: usize,
    /// Maximum size of an answer, in bytes.
    pub response_bytes: usize,
    /// Maximum run time of a batch.
    pub batch_timeout: Duration,
}

impl Default for DispatchLimits {
    fn default() -> Self {
        Self {
            batch_items: limits::MAX_BATCH_ITEMS,
            response_bytes: limits::MAX_RESPONSE_BYTES,
            batch_timeout: limits::BATCH_TIMEOUT,
        }
    }
}

/// The answer to a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// JSON and a line feed; empty if the body asked for nothing.
    pub body: Vec<u8>,
    /// Whether a connection that carries more than one request is to be closed after this answer:
    /// after a body that is not JSON, as in geth.
    pub close: bool,
}

/// The methods that a transport offers, and the means to run them.
pub struct Dispatcher<C> {
    context: Arc<C>,
    methods: HashMap<&'static str, Arc<Method<C>>, FxBuildHasher>,
    pool: HeavyPool,
    limits: DispatchLimits,
}

impl<C: Send + Sync + 'static> Dispatcher<C> {
    /// Creates a dispatcher that offers the methods whose namespace is in `namespaces` (an empty
    /// list offers none), and `rpc_modules` and `rpc.discover`, which list them.
    pub fn new(
        context: Arc<C>,
        methods: &[Arc<Method<C>>],
        namespaces: &[String],
        pool: HeavyPool,
        limits: DispatchLimits,
    ) -> Self {
        let offered = methods
            .iter()
            .filter(|method| namespaces.iter().any(|name| name == method.namespace()));
        let mut table: HashMap<_, _, FxBuildHasher> = offered
            .map(|method| (method.name, Arc::clone(method)))
            .collect();
        for method in crate::namespaces::rpc::methods(table.values()) {
            table.insert(method.name, Arc::new(method));
        }
        Self {
            context,
            methods: table,
            pool,
            limits,
        }
    }

    /// Returns the offered methods, in no particular order.
    pub fn methods(&self) -> impl Iterator<Item = &Arc<Method<C>>> {
        self.methods.values()
    }

    /// Answers a body. Never fails and never panics: errors are part of the answer.
    ///
    /// Dropping the future cancels the work: requests that wait do not start, and work on the
    /// thread pool is told to stop. Only a question that was sent to an actor runs to its end. A
    /// batch needs a runtime with a timer.
    pub async fn answer(&self, body: &[u8]) -> Answer {
        self.answer_to(body, None).await
    }

    /// Answers a body on behalf of a connection that takes notifications, like [`Self::answer`].
    /// The subscriptions that the body asks for start when [`Caller::start_subscriptions`] is
    /// called, after the answer was queued.
    pub(crate) async fn answer_to(&self, body: &[u8], caller: Option<&Caller>) -> Answer {
        let mut out = JsonOut::new(self.limits.response_bytes);
        let close = match request::parse(body, self.limits.batch_items) {
            Ok(Message::Nothing) => {
                return Answer {
                    body: Vec::new(),
                    close: false,
                };
            }
            Ok(Message::Single(item)) => {
                self.answer_single(&item, caller, &mut out).await;
                false
            }
            Ok(Message::Batch(items)) => {
                let span = trace::batch(items.len());
                let answering = self.answer_batch(&items, caller, &mut out);
                answering.instrument(span).await;
                false
            }
            Err(Unreadable::Batch(error)) => {
                write_failure(&mut out, NO_ID, &error);
                false
            }
            Err(Unreadable::NotJson(error)) => {
                write_failure(&mut out, NO_ID, &error);
                true
            }
        };
        // Notifications alone have no answer.
        if !out.is_empty() {
            out.raw_past_limit(b"\n");
        }
        Answer {
            body: out.into_bytes(),
            close,
        }
    }

    /// Answers a single request.
    async fn answer_single(&self, item: &Item<'_>, caller: Option<&Caller>, out: &mut JsonOut) {
        let call = match item {
            Item::Call(call) => call,
            Item::Notification(call) => {
                return self.notified(call, caller, out.room(), false).await;
            }
            Item::Invalid(id) => return write_failure(out, id.unwrap_or(NO_ID), &invalid()),
        };
        match self.methods.get(&*call.method) {
            Some(method) => {
                let span = trace::request(method.name, call.id, false);
                self.run(method, call, caller, out, span).await;
            }
            None => write_failure(out, call.id, &RpcError::method_not_found(&call.method)),
        }
    }

    /// Runs a notification: a request without an answer.
    async fn notified(
        &self,
        call: &Call<'_>,
        caller: Option<&Caller>,
        room: usize,
        is_in_batch: bool,
    ) {
        if let Some(method) = self.methods.get(&*call.method) {
            let span = trace::request(method.name, call.id, is_in_batch);
            let mut unread = JsonOut::new(room);
            // Notifications are rare, and the future of every request would be twice as large.
            Box::pin(self.run(method, call, caller, &mut unread, span)).await;
        }
    }

    /// Runs a method in its span and writes its answer, with its envelope.
    async fn run(
        &self,
        method: &Arc<Method<C>>,
        call: &Call<'_>,
        caller: Option<&Caller>,
        out: &mut JsonOut,
        span: Span,
    ) {
        let started = Instant::now();
        let start = out.len();
        write_head(out, call.id);
        out.raw_past_limit(b"\"result\":");
        let running = self.result(method, call.params, caller, out);
        let result = running.instrument(span.clone()).await;
        let result = if out.overflowed() {
            Err(too_large())
        } else {
            result
        };
        match &result {
            Ok(()) => out.raw_past_limit(b"}"),
            Err(error) => {
                out.rewind(start);
                trace::fail(&span, error);
                write_failure(out, call.id, error);
            }
        }
        method.metrics.record(started.elapsed(), result.is_err());
    }

    /// Runs a method where its handler says, and writes its result.
    async fn result(
        &self,
        method: &Arc<Method<C>>,
        params: Option<&str>,
        caller: Option<&Caller>,
        out: &mut JsonOut,
    ) -> Result<(), RpcError> {
        match &method.handler {
            Handler::View(function) => {
                guarded(method.name, || function(&self.context, params, out))
            }
            Handler::Heavy(function) => self.read_on_pool(method.name, function, params, out).await,
            Handler::InlineThenPool(attempt, function) => {
                let mut is_done = false;
                let answer = guarded(method.name, || {
                    let answer = attempt(&self.context, params, out);
                    is_done = answer.is_some();
                    answer.unwrap_or(Ok(()))
                });
                if is_done || answer.is_err() {
                    answer
                } else {
                    self.read_on_pool(method.name, function, params, out).await
                }
            }
            Handler::Actor(function) => {
                let question = function(Arc::clone(&self.context), params);
                run_to_completion(question).await?.write_json(out);
                Ok(())
            }
            Handler::Submit(function) => {
                let question = function(Arc::clone(&self.context), params);
                let answer = run_to_completion(question).await?;
                guarded_future(answer).await?.write_json(out);
                Ok(())
            }
            Handler::ActorThenPool(function) => {
                let question = function(Arc::clone(&self.context), params);
                let work = run_to_completion(question).await?;
                self.run_on_pool(method.name, work, out).await
            }
            Handler::Connection(function) => {
                let caller =
                    caller.ok_or_else(|| RpcError::server("notifications not supported"))?;
                guarded(method.name, || function(&self.context, caller, params, out))
            }
        }
    }

    /// Runs a function on the thread pool.
    async fn read_on_pool(
        &self,
        name: &'static str,
        function: &Arc<SyncCall<C>>,
        params: Option<&str>,
        out: &mut JsonOut,
    ) -> Result<(), RpcError> {
        let function = Arc::clone(function);
        let params = params.map(str::to_owned);
        let work =
            move |context: &C, part: &mut JsonOut| function(context, params.as_deref(), part);
        self.run_on_pool(name, work, out).await
    }

    /// Runs work on the thread pool and appends its result to `out`.
    async fn run_on_pool(
        &self,
        name: &'static str,
        work: impl FnOnce(&C, &mut JsonOut) -> Result<(), RpcError> + Send + 'static,
        out: &mut JsonOut,
    ) -> Result<(), RpcError> {
        let (context, room) = (Arc::clone(&self.context), out.room());
        let written = self.pool.run(name, move || {
            let mut part = JsonOut::new(room);
            // A panic ends the job, which the pool counts as failed.
            {
                let _running = Running::begin(name);
                work(&context, &mut part)?;
            }
            if part.overflowed() {
                Err(too_large())
            } else {
                Ok(part.into_bytes())
            }
        });
        out.raw_bytes(&written.await??);
        Ok(())
    }
}

thread_local! {
    /// The method that runs on this thread, see [`running_method`].
    static RUNNING: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Returns the method whose handler runs on this thread. The panic hook logs it with the panic of a
/// handler.
pub fn running_method() -> Option<&'static str> {
    RUNNING.get()
}

/// Marks this thread as running a method, until the mark is dropped (also by a panic).
struct Running;

impl Running {
    fn begin(name: &'static str) -> Self {
        RUNNING.set(Some(name));
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.set(None);
    }
}

/// Runs a handler. A panic becomes an error of this request alone.
fn guarded(name: &'static str, run: impl FnOnce() -> Result<(), RpcError>) -> Result<(), RpcError> {
    let _running = Running::begin(name);
    let outcome = catch_unwind(AssertUnwindSafe(run));
    outcome.unwrap_or_else(|_| Err(RpcError::internal("internal error")))
}

/// Awaits an actor's answer. If this future is dropped because the client has gone, the question
/// still runs to its end: a transaction that was sent enters the pool, whether or not its sender
/// waits for its hash. A panic becomes an error of this request alone.
async fn run_to_completion<T: 'static>(
    question: LocalFuture<Result<T, RpcError>>,
) -> Result<T, RpcError> {
    let failed = || RpcError::internal("internal error");
    let mut question = AssertUnwindSafe(question).catch_unwind();
    // The answer may be there at once, as for invalid arguments.
    if let Some(answer) = (&mut question).now_or_never() {
        return answer.map_err(|_| failed())?;
    }
    // Only a thread that runs an actix system can spawn a task that stays on it.
    if actix_web::rt::System::try_current().is_none() {
        return question.await.map_err(|_| failed())?;
    }
    let task = actix_web::rt::spawn(question.in_current_span());
    let answer = task.await.map_err(|_| failed())?;
    answer.map_err(|_| failed())?
}

/// Awaits an answer. A panic becomes an error of this request alone.
async fn guarded_future<T>(answer: LocalFuture<Result<T, RpcError>>) -> Result<T, RpcError> {
    let answer = AssertUnwindSafe(answer).catch_unwind().await;
    answer.unwrap_or_else(|_| Err(RpcError::internal("internal error")))
}

fn timed_out() -> RpcError {
    RpcError::new(TIMED_OUT, "request timed out")
}

fn too_large() -> RpcError {
    RpcError::new(RESPONSE_TOO_LARGE, "response too large")
}

/// The id of an answer to something whose id cannot be read.
const NO_ID: &str = "null";

fn invalid() -> RpcError {
    RpcError::new(INVALID_REQUEST, "invalid request")
}

/// Writes the beginning of an answer.
fn write_head(out: &mut JsonOut, id: &str) {
    out.raw_past_limit(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.raw_past_limit(id.as_bytes());
    out.raw_past_limit(b",");
}

/// Writes an error answer.
fn write_failure(out: &mut JsonOut, id: &str, error: &RpcError) {
    // A separate buffer lets an error fit even if the limit was reached.
    let mut part = JsonOut::new(usize::MAX);
    part.object()
        .field("code", Raw(error.code.to_string()))
        .field("message", &*error.message);
    if let Some(data) = &error.data {
        part.raw(",\"data\":");
        part.raw(data);
    }
    write_head(out, id);
    out.raw_past_limit(b"\"error\":");
    out.raw_past_limit(&part.into_bytes());
    out.raw_past_limit(b"}}");
}

mod batch;
#[cfg(test)]
mod tests;
