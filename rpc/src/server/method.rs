//! The method table: one row for each method.
//!
//! A row names the method and its arguments, gives its cost, and holds its function. The names of
//! the arguments and their schemas serve `rpc.discover`; the cost decides where the function runs.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::error::RpcError;
use crate::server::connection::caller::Caller;
use crate::server::json::{JsonOut, WriteJson};
use crate::server::metrics::MethodMetrics;
use crate::server::param::{self, FromParams};

/// The cost of a method, which decides where the method runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// A read of a few microseconds through a view, on the connection's own thread.
    View,
    /// Work of unknown length (a call, a trace, a log query), on the bounded thread pool.
    Heavy,
    /// A question to an actor, awaited on the connection's own thread.
    Actor,
}

/// A future that stays on its thread.
pub type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// A function that runs to its end on one thread.
pub(crate) type SyncCall<C> =
    dyn Fn(&C, Option<&str>, &mut JsonOut) -> Result<(), RpcError> + Send + Sync;
/// A function that may answer on the connection's own thread. Returns `None` if the call is not fit
/// for that thread.
type InlineAttempt<C> =
    dyn Fn(&C, Option<&str>, &mut JsonOut) -> Option<Result<(), RpcError>> + Send + Sync;
/// A function that asks an actor for the result.
type ActorCall<C> =
    dyn Fn(Arc<C>, Option<&str>) -> LocalFuture<Result<Box<dyn WriteJson>, RpcError>> + Send + Sync;
/// The work on the thread pool that follows an actor's answer.
pub(crate) type PoolWork<C> =
    Box<dyn FnOnce(&C, &mut JsonOut) -> Result<(), RpcError> + Send + 'static>;
/// A function that asks an actor, and returns the work that its answer needs.
type ActorStage<C> =
    dyn Fn(Arc<C>, Option<&str>) -> LocalFuture<Result<PoolWork<C>, RpcError>> + Send + Sync;
/// A function that starts or ends notifications on the connection of its caller.
type ConnectionCall<C> =
    dyn Fn(&C, &Caller, Option<&str>, &mut JsonOut) -> Result<(), RpcError> + Send + Sync;

/// A future of an answer.
pub(crate) type AnswerFuture = LocalFuture<Result<Box<dyn WriteJson>, RpcError>>;
/// A function that submits something, and returns the future of its answer.
type SubmitCall<C> =
    dyn Fn(Arc<C>, Option<&str>) -> LocalFuture<Result<AnswerFuture, RpcError>> + Send + Sync;

/// The function of a method, by where it runs.
pub(crate) enum Handler<C> {
    /// Runs on the connection's own thread.
    View(Box<SyncCall<C>>),
    /// Runs on the thread pool.
    Heavy(Arc<SyncCall<C>>),
    /// Runs on the connection's own thread if that suffices, else on the thread pool.
    InlineThenPool(Box<InlineAttempt<C>>, Arc<SyncCall<C>>),
    /// Asks an actor.
    Actor(Box<ActorCall<C>>),
    /// Asks an actor, then runs on the thread pool.
    ActorThenPool(Box<ActorStage<C>>),
    /// Asks an actor, then waits for what follows from it. The next requests of a batch are
    /// submitted meanwhile.
    Submit(Box<SubmitCall<C>>),
    /// Runs on the connection's own thread, for a connection that takes notifications.
    Connection(Box<ConnectionCall<C>>),
}

/// An argument as `rpc.discover` describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParamInfo {
    /// The name.
    pub name: &'static str,
    /// Whether the argument is required.
    pub required: bool,
    /// The JSON schema.
    pub schema: &'static str,
}

/// A row of the method table. `C` is the context that handlers read from: the node.
pub struct Method<C> {
    /// The name, as `namespace_name`.
    pub name: &'static str,
    /// The arguments, in their order.
    pub params: Vec<ParamInfo>,
    /// The measurements since the node started.
    pub metrics: MethodMetrics,
    pub(crate) handler: Handler<C>,
}

impl<C: Send + Sync + 'static> Method<C> {
    /// Creates a row for a cheap read.
    pub fn view<A, R>(
        name: &'static str,
        params: &'static [&'static str],
        function: impl Fn(&C, A) -> Result<R, RpcError> + Send + Sync + 'static,
    ) -> Self
    where
        A: FromParams + 'static,
        R: WriteJson + 'static,
    {
        Self::row::<A>(
            name,
            params,
            Handler::View(Box::new(sync_call(name, function))),
        )
    }

    /// Creates a row for work of unknown length.
    pub fn heavy<A, R>(
        name: &'static str,
        params: &'static [&'static str],
        function: impl Fn(&C, A) -> Result<R, RpcError> + Send + Sync + 'static,
    ) -> Self
    where
        A: FromParams + 'static,
        R: WriteJson + 'static,
    {
        Self::row::<A>(
            name,
            params,
            Handler::Heavy(Arc::new(sync_call(name, function))),
        )
    }

    /// Creates a row for work of unknown length that is sometimes known to be short: then `attempt`
    /// answers on the connection's own thread. If `attempt` returns `None`, `function` runs on the
    /// thread pool.
    pub(crate) fn inline_then_pool<A, R>(
        name: &'static str,
        params: &'static [&'static str],
        attempt: impl Fn(&C, A) -> Option<Result<R, RpcError>> + Send + Sync + 'static,
        function: impl Fn(&C, A) -> Result<R, RpcError> + Send + Sync + 'static,
    ) -> Self
    where
        A: FromParams + 'static,
        R: WriteJson + 'static,
    {
        let inline_attempt = move |context: &C, raw: Option<&str>, out: &mut JsonOut| {
            let arguments = param::read::<A>(name, raw).ok()?;
            let result = attempt(context, arguments)?;
            Some(result.map(|result| result.write_json(out)))
        };
        let sync_call = Arc::new(sync_call(name, function));
        Self::row::<A>(
            name,
            params,
            Handler::InlineThenPool(Box::new(inline_attempt), sync_call),
        )
    }

    /// Creates a row for a question to an actor.
    pub fn actor<A, R, F>(
        name: &'static str,
        params: &'static [&'static str],
        function: impl Fn(Arc<C>, A) -> F + Send + Sync + 'static,
    ) -> Self
    where
        A: FromParams + 'static,
        R: WriteJson + 'static,
        F: Future<Output = Result<R, RpcError>> + 'static,
    {
        let actor_call = move |context: Arc<C>, raw: Option<&str>| {
            let question =
                param::read::<A>(name, raw).map(|arguments| function(context, arguments));
            let answer: LocalFuture<Result<Box<dyn WriteJson>, RpcError>> = Box::pin(async move {
                let result = question?.await?;
                Ok(Box::new(result) as Box<dyn WriteJson>)
            });
            answer
        };
        Self::row::<A>(name, params, Handler::Actor(Box::new(actor_call)))
    }

    /// Creates a row for a question to an actor, from whose answer `run` computes the result on the
    /// bounded thread pool.
    pub fn actor_then_pool<A, Q, R, F>(
        name: &'static str,
        params: &'static [&'static str],
        ask: impl Fn(Arc<C>, A) -> F + Send + Sync + 'static,
        run: impl Fn(&C, Q) -> Result<R, RpcError> + Send + Sync + 'static,
    ) -> Self
    where
        A: FromParams + 'static,
        Q: Send + 'static,
        R: WriteJson + 'static,
        F: Future<Output = Result<Q, RpcError>> + 'static,
    {
        let run = Arc::new(run);
        let actor_stage = move |context: Arc<C>, raw: Option<&str>| {
            let question = param::read::<A>(name, raw).map(|arguments| ask(context, arguments));
            let run = Arc::clone(&run);
            let work: LocalFuture<Result<PoolWork<C>, RpcError>> = Box::pin(async move {
                let answer = question?.await?;
                let work: PoolWork<C> = Box::new(move |context, out| {
                    run(context, answer)?.write_json(out);
                    Ok(())
                });
                Ok(work)
            });
            work
        };
        Self::row::<A>(name, params, Handler::ActorThenPool(Box::new(actor_stage)))
    }

    /// Creates a row for a method that submits something to an actor: `submit` returns once it is
    /// accepted, with the future of the answer.
    pub(crate) fn submit<A, R, F, G>(
        name: &'static str,
        params: &'static [&'static str],
        submit: impl Fn(Arc<C>, A) -> F + Send + Sync + 'static,
    ) -> Self
    where
        A: FromParams + 'static,
        R: WriteJson + 'static,
        F: Future<Output = Result<G, RpcError>> + 'static,
        G: Future<Output = Result<R, RpcError>> + 'static,
    {
        let submit_call = move |context: Arc<C>, raw: Option<&str>| {
            let submission =
                param::read::<A>(name, raw).map(|arguments| submit(context, arguments));
            let accepted: LocalFuture<Result<AnswerFuture, RpcError>> = Box::pin(async move {
                let done = submission?.await?;
                let answer: AnswerFuture = Box::pin(async move {
                    let result = done.await?;
                    Ok(Box::new(result) as Box<dyn WriteJson>)
                });
                Ok(answer)
            });
            accepted
        };
        Self::row::<A>(name, params, Handler::Submit(Box::new(submit_call)))
    }

    /// Creates a row for a method that starts or ends notifications on its connection. Over a
    /// transport without notifications it answers that they are not supported.
    pub(crate) fn connection<A, R>(
        name: &'static str,
        params: &'static [&'static str],
        function: impl Fn(&C, &Caller, A) -> Result<R, RpcError> + Send + Sync + 'static,
    ) -> Self
    where
        A: FromParams + 'static,
        R: WriteJson + 'static,
    {
        let connection_call =
            move |context: &C, caller: &Caller, raw: Option<&str>, out: &mut JsonOut| {
                let arguments = param::read::<A>(name, raw)?;
                function(context, caller, arguments)?.write_json(out);
                Ok(())
            };
        Self::row::<A>(name, params, Handler::Connection(Box::new(connection_call)))
    }

    fn row<A: FromParams>(
        name: &'static str,
        params: &'static [&'static str],
        handler: Handler<C>,
    ) -> Self {
        debug_assert_eq!(params.len(), A::COUNT, "{name} names each of its arguments");
        let params = params
            .iter()
            .zip(A::schemas())
            .map(|(name, (required, schema))| ParamInfo {
                name,
                required,
                schema,
            })
            .collect();
        Self {
            name,
            params,
            metrics: MethodMetrics::default(),
            handler,
        }
    }
}

impl<C> Method<C> {
    /// Returns the part of the name before the first underscore or dot.
    pub fn namespace(&self) -> &'static str {
        self.name.split(['_', '.']).next().unwrap_or(self.name)
    }

    /// Returns the cost of the method.
    pub fn cost(&self) -> Cost {
        match self.handler {
            Handler::View(_) | Handler::Connection(_) => Cost::View,
            Handler::Heavy(_) | Handler::InlineThenPool(..) | Handler::ActorThenPool(_) => {
                Cost::Heavy
            }
            Handler::Actor(_) | Handler::Submit(_) => Cost::Actor,
        }
    }
}

/// Wraps `function` so that it reads its arguments from JSON and writes its result as JSON.
fn sync_call<C, A, R>(
    name: &'static str,
    function: impl Fn(&C, A) -> Result<R, RpcError> + Send + Sync,
) -> impl Fn(&C, Option<&str>, &mut JsonOut) -> Result<(), RpcError> + Send + Sync
where
    A: FromParams,
    R: WriteJson,
{
    move |context, raw, out| {
        let arguments = param::read::<A>(name, raw)?;
        function(context, arguments)?.write_json(out);
        Ok(())
    }
}
