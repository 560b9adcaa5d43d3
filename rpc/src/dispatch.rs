//! From a request's bytes to an answer's bytes: the one door behind every transport.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use rustc_hash::FxBuildHasher;
use tokio::time::timeout_at;

use crate::connection::Caller;
use crate::error::{RESPONSE_TOO_LARGE, RpcError, TIMED_OUT};
use crate::json::{JsonOut, Raw};
use crate::limits;
use crate::method::{Handler, LocalFuture, Method, Reader};
use crate::pool::HeavyPool;
use crate::request::{self, Call, Message};

/// The limits of a dispatcher; the defaults are those of [`limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DispatchLimits {
    /// Most requests in a batch.
    pub batch_items: usize,
    /// Longest answer, in bytes.
    pub response_bytes: usize,
    /// Longest that a batch runs.
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
    /// JSON and a line feed, or nothing where nothing was asked.
    pub body: Vec<u8>,
    /// A connection that carries more than one request is closed after this answer,
    /// as geth does after a request that it cannot read.
    pub close: bool,
}

/// The methods that a transport offers, and how they are run.
pub struct Dispatcher<C> {
    context: Arc<C>,
    methods: HashMap<&'static str, Arc<Method<C>>, FxBuildHasher>,
    pool: HeavyPool,
    limits: DispatchLimits,
}

impl<C: Send + Sync + 'static> Dispatcher<C> {
    /// Offers those of `methods` whose namespace is in `namespaces` (an empty list
    /// offers none), and `rpc_modules` and `rpc.discover` about them.
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
        for method in crate::rpc::methods(table.values()) {
            table.insert(method.name, Arc::new(method));
        }
        Self {
            context,
            methods: table,
            pool,
            limits,
        }
    }

    /// The methods that are offered, in no order.
    pub fn methods(&self) -> impl Iterator<Item = &Arc<Method<C>>> {
        self.methods.values()
    }

    /// Answers a body. Never fails and never panics: what goes wrong is in the answer.
    ///
    /// Dropping the future gives the work up: what waits is not begun, what runs on the pool is told
    /// to stop. Only a question that an actor was asked goes on to its end. A batch needs a runtime
    /// with a timer.
    pub async fn answer(&self, body: &[u8]) -> Answer {
        self.answer_to(body, None).await
    }

    /// As [`Self::answer`], on behalf of a connection that takes notifications: those that the
    /// body asks for begin when [`Caller::answered`] says that the answer is on its way.
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
                self.answer_batch(&calls, caller, &mut out).await;
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

    async fn answer_single(
        &self,
        call: &Call<'_>,
        caller: Option<&Caller>,
        out: &mut JsonOut,
    ) -> bool {
        match self.methods.get(&*call.method) {
            Some(method) => {
                self.run(method, call, caller, out).await;
                false
            }
            None => {
                // geth 1.8 cannot read a name without exactly one underscore: no id, and
                // the end of the connection.
                let readable = call.method.split('_').count() == 2;
                let error = RpcError::method_not_found(&call.method);
                write_failure(out, readable.then_some(call.id), &error);
                !readable
            }
        }
    }

    /// Answers one request after the other, in their order, until the batch's time is over.
    async fn answer_batch(&self, calls: &[Call<'_>], caller: Option<&Caller>, out: &mut JsonOut) {
        let deadline = tokio::time::Instant::now() + self.limits.batch_timeout;
        let mut turn = Instant::now();
        let mut is_over = false;
        out.raw_past_limit(b"[");
        for (index, call) in calls.iter().enumerate() {
            if index > 0 {
                out.raw_past_limit(b",");
            }
            if turn.elapsed() > limits::BATCH_TURN {
                tokio::task::yield_now().await;
                turn = Instant::now();
                is_over = tokio::time::Instant::now() >= deadline;
            }
            match self.methods.get(&*call.method) {
                _ if is_over => write_failure(out, Some(call.id), &timed_out()),
                _ if out.room() == 0 => write_failure(out, Some(call.id), &too_large()),
                Some(method) => {
                    let (started, start) = (Instant::now(), out.len());
                    let running = self.run(method, call, caller, out);
                    if timeout_at(deadline, running).await.is_err() {
                        is_over = true;
                        out.rewind(start);
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
        out.raw_past_limit(b"]");
    }

    async fn run(
        &self,
        method: &Arc<Method<C>>,
        call: &Call<'_>,
        caller: Option<&Caller>,
        out: &mut JsonOut,
    ) {
        let started = Instant::now();
        let start = out.len();
        write_head(out, Some(call.id));
        out.raw_past_limit(b"\"result\":");
        let result = self.result(method, call.params, caller, out).await;
        let result = if out.overflowed() {
            Err(too_large())
        } else {
            result
        };
        match &result {
            Ok(()) => out.raw_past_limit(b"}"),
            Err(error) => {
                out.rewind(start);
                write_failure(out, Some(call.id), error);
            }
        }
        method.metrics.record(started.elapsed(), result.is_err());
    }

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
            Handler::Tried(attempt, function) => {
                let mut is_done = false;
                let answer = guarded(method.name, || {
                    let answer = attempt(&self.context, params, out);
                    is_done = answer.is_some();
                    answer.unwrap_or(Ok(()))
                });
                match is_done || answer.is_err() {
                    true => answer,
                    false => self.read_on_pool(method.name, function, params, out).await,
                }
            }
            Handler::Actor(function) => {
                let question = function(Arc::clone(&self.context), params);
                to_its_end(question).await?.write_json(out);
                Ok(())
            }
            Handler::Staged(function) => {
                let question = function(Arc::clone(&self.context), params);
                let work = to_its_end(question).await?;
                self.run_on_pool(method.name, work, out).await
            }
            Handler::Connection(function) => {
                let caller =
                    caller.ok_or_else(|| RpcError::server("notifications not supported"))?;
                guarded(method.name, || function(&self.context, caller, params, out))
            }
        }
    }

    async fn read_on_pool(
        &self,
        name: &'static str,
        function: &Arc<Reader<C>>,
        params: Option<&str>,
        out: &mut JsonOut,
    ) -> Result<(), RpcError> {
        let function = Arc::clone(function);
        let params = params.map(str::to_owned);
        let work =
            move |context: &C, part: &mut JsonOut| function(context, params.as_deref(), part);
        self.run_on_pool(name, work, out).await
    }

    async fn run_on_pool(
        &self,
        name: &'static str,
        work: impl FnOnce(&C, &mut JsonOut) -> Result<(), RpcError> + Send + 'static,
        out: &mut JsonOut,
    ) -> Result<(), RpcError> {
        let (context, room) = (Arc::clone(&self.context), out.room());
        let written = self.pool.run(move || {
            let mut part = JsonOut::new(room);
            guarded(name, || work(&context, &mut part))?;
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
    /// See [`running_method`].
    static RUNNING: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// The method whose handler runs on this thread: for the panic hook, which writes the one line
/// about a handler that panicked.
pub fn running_method() -> Option<&'static str> {
    RUNNING.get()
}

/// Runs a handler; a panic becomes an error of this one request.
fn guarded(name: &'static str, run: impl FnOnce() -> Result<(), RpcError>) -> Result<(), RpcError> {
    RUNNING.set(Some(name));
    let outcome = catch_unwind(AssertUnwindSafe(run));
    RUNNING.set(None);
    outcome.unwrap_or_else(|_| Err(RpcError::internal("internal error")))
}

/// Awaits an actor's answer. Where this is dropped (the client is gone), the question still goes on
/// to its end: a transaction that was sent is in the pool, whether its sender waits for its hash or
/// not.
async fn to_its_end<T: 'static>(
    mut question: LocalFuture<Result<T, RpcError>>,
) -> Result<T, RpcError> {
    // Nothing to wait for, as where the arguments are wrong.
    if let Some(answer) = (&mut question).now_or_never() {
        return answer;
    }
    // Servers run under a system of actix's, on threads that take tasks which stay there.
    if actix_web::rt::System::try_current().is_none() {
        return question.await;
    }
    let task = actix_web::rt::spawn(question);
    let failed = |_| RpcError::internal("internal error");
    task.await.map_err(failed)?
}

fn timed_out() -> RpcError {
    RpcError::new(TIMED_OUT, "request timed out")
}

fn too_large() -> RpcError {
    RpcError::new(RESPONSE_TOO_LARGE, "response too large")
}

fn write_head(out: &mut JsonOut, id: Option<&str>) {
    out.raw_past_limit(b"{\"jsonrpc\":\"2.0\",");
    if let Some(id) = id {
        out.raw_past_limit(b"\"id\":");
        out.raw_past_limit(id.as_bytes());
        out.raw_past_limit(b",");
    }
}

fn write_failure(out: &mut JsonOut, id: Option<&str>, error: &RpcError) {
    // Written aside, so that an error fits where the limit was reached.
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
