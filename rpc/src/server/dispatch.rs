//! The dispatcher: answers the bytes of a request with the bytes of an answer, for every transport.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use rustc_hash::FxBuildHasher;
use tokio::time::timeout_at;
use tracing::{Instrument as _, Span};

use crate::error::{RESPONSE_TOO_LARGE, RpcError, TIMED_OUT};
use crate::server::connection::caller::Caller;
use crate::server::json::{JsonOut, Raw};
use crate::server::limits;
use crate::server::method::{AnswerFuture, Handler, LocalFuture, Method, SyncCall};
use crate::server::pool::HeavyPool;
use crate::server::request::{self, Call, Message};
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
    /// Whether a connection that carries more than one request is to be closed after this answer,
    /// as geth does after a request that it cannot read.
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
            Ok(Message::Single(call)) => self.answer_single(&call, caller, &mut out).await,
            Ok(Message::Batch(calls)) => {
                let span = trace::batch(calls.len());
                let answering = self.answer_batch(&calls, caller, &mut out);
                answering.instrument(span).await;
                false
            }
            Err(error) => {
                write_failure(&mut out, None, &error);
                true
            }
        };
        out.raw_past_limit(b"\n");
        Answer {
            body: out.into_bytes(),
            close,
        }
    }

    /// Answers a single request. Returns whether the connection is to be closed.
    async fn answer_single(
        &self,
        call: &Call<'_>,
        caller: Option<&Caller>,
        out: &mut JsonOut,
    ) -> bool {
        match self.methods.get(&*call.method) {
            Some(method) => {
                let span = trace::request(method.name, call.id, false);
                self.run(method, call, caller, out, span).await;
                false
            }
            None => {
                // geth 1.8 cannot read a name without exactly one underscore: it answers without an
                // id and closes the connection.
                let readable = call.method.split('_').count() == 2;
                let error = RpcError::method_not_found(&call.method);
                write_failure(out, readable.then_some(call.id), &error);
                !readable
            }
        }
    }

    /// Answers the requests of a batch in their order, until the time of the batch is over.
    async fn answer_batch(&self, calls: &[Call<'_>], caller: Option<&Caller>, out: &mut JsonOut) {
        let deadline = tokio::time::Instant::now() + self.limits.batch_timeout;
        let mut slice_start = Instant::now();
        let mut is_over = false;
        let mut submitted = Vec::new();
        out.raw_past_limit(b"[");
        for (index, call) in calls.iter().enumerate() {
            if slice_start.elapsed() > limits::BATCH_TIME_SLICE {
                tokio::task::yield_now().await;
                slice_start = Instant::now();
                is_over = tokio::time::Instant::now() >= deadline;
            }
            let method = self.methods.get(&*call.method);
            if let Some(method) = method
                && let Handler::Submit(function) = &method.handler
                && !is_over
                && out.room() > 0
            {
                let started = Instant::now();
                let span = trace::request(method.name, call.id, true);
                let question = async {
                    run_to_completion(function(Arc::clone(&self.context), call.params)).await
                };
                let accepted = timeout_at(deadline, question.instrument(span.clone())).await;
                is_over |= accepted.is_err();
                submitted.push(Submission {
                    index,
                    call,
                    method,
                    started,
                    span,
                    accepted: accepted.unwrap_or_else(|_| Err(timed_out())),
                });
                continue;
            }
            is_over |= answer_submitted(&mut submitted, deadline, out).await;
            separate(index, out);
            match method {
                _ if is_over => write_failure(out, Some(call.id), &timed_out()),
                _ if out.room() == 0 => write_failure(out, Some(call.id), &too_large()),
                Some(method) => {
                    let (started, start) = (Instant::now(), out.len());
                    let span = trace::request(method.name, call.id, true);
                    let running = self.run(method, call, caller, out, span.clone());
                    if timeout_at(deadline, running).await.is_err() {
                        is_over = true;
                        out.rewind(start);
                        trace::fail(&span, &timed_out());
                        write_failure(out, Some(call.id), &timed_out());
                        method.metrics.record(started.elapsed(), true);
                    }
                }
                None => {
                    let error = RpcError::method_not_found(&call.method);
                    write_failure(out, Some(call.id), &error);
                }
            }
        }
        answer_submitted(&mut submitted, deadline, out).await;
        out.raw_past_limit(b"]");
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
        write_head(out, Some(call.id));
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
                write_failure(out, Some(call.id), error);
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

/// A request of a batch that was submitted, and is still to be answered.
struct Submission<'a, C> {
    index: usize,
    call: &'a Call<'a>,
    method: &'a Method<C>,
    started: Instant,
    span: Span,
    accepted: Result<AnswerFuture, RpcError>,
}

/// Writes the answers of submitted requests, in their order. Returns whether the time is over.
async fn answer_submitted<C>(
    submitted: &mut Vec<Submission<'_, C>>,
    deadline: tokio::time::Instant,
    out: &mut JsonOut,
) -> bool {
    let mut is_over = false;
    for submission in submitted.drain(..) {
        let answer = match submission.accepted {
            Ok(answer) => {
                let answer = guarded_future(answer).instrument(submission.span.clone());
                let answer = timeout_at(deadline, answer).await;
                is_over |= answer.is_err();
                answer.unwrap_or_else(|_| Err(timed_out()))
            }
            Err(error) => Err(error),
        };
        separate(submission.index, out);
        let start = out.len();
        let written = answer.and_then(|answer| {
            write_head(out, Some(submission.call.id));
            out.raw_past_limit(b"\"result\":");
            answer.write_json(out);
            out.raw_past_limit(b"}");
            if out.overflowed() {
                return Err(too_large());
            }
            Ok(())
        });
        if let Err(error) = &written {
            out.rewind(start);
            trace::fail(&submission.span, error);
            write_failure(out, Some(submission.call.id), error);
        }
        let metrics = &submission.method.metrics;
        metrics.record(submission.started.elapsed(), written.is_err());
    }
    is_over
}

/// Writes the comma before each answer of a batch but the first.
fn separate(index: usize, out: &mut JsonOut) {
    if index > 0 {
        out.raw_past_limit(b",");
    }
}

fn timed_out() -> RpcError {
    RpcError::new(TIMED_OUT, "request timed out")
}

fn too_large() -> RpcError {
    RpcError::new(RESPONSE_TOO_LARGE, "response too large")
}

/// Writes the beginning of an answer.
fn write_head(out: &mut JsonOut, id: Option<&str>) {
    out.raw_past_limit(b"{\"jsonrpc\":\"2.0\",");
    if let Some(id) = id {
        out.raw_past_limit(b"\"id\":");
        out.raw_past_limit(id.as_bytes());
        out.raw_past_limit(b",");
    }
}

/// Writes an error answer.
fn write_failure(out: &mut JsonOut, id: Option<&str>, error: &RpcError) {
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

#[cfg(test)]
mod tests;
