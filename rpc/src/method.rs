//! The method table: a row for each method.
//!
//! A row names the method and its arguments, says what it costs, and points to its
//! function. Names of arguments and their schemas serve `rpc.discover`; the cost
//! says where the function runs.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::connection::Caller;
use crate::error::RpcError;
use crate::json::{JsonOut, WriteJson};
use crate::metrics::MethodMetrics;
use crate::param::{self, FromParams};

/// What a method costs, and so where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// A read of a few microseconds through a view: on the connection's own thread.
    View,
    /// Work of unknown length (a call, a trace, a log query): on the bounded pool.
    Heavy,
    /// A question to an actor: awaited on the connection's own thread.
    Actor,
}

/// A future that need not leave its thread.
pub type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

pub(crate) type Reader<C> =
    dyn Fn(&C, Option<&str>, &mut JsonOut) -> Result<(), RpcError> + Send + Sync;
/// `None` where it is not for the connection's own thread.
type Trier<C> =
    dyn Fn(&C, Option<&str>, &mut JsonOut) -> Option<Result<(), RpcError>> + Send + Sync;
type Asker<C> =
    dyn Fn(Arc<C>, Option<&str>) -> LocalFuture<Result<Box<dyn WriteJson>, RpcError>> + Send + Sync;
/// Work that an actor's answer leaves to the pool.
pub(crate) type Work<C> =
    Box<dyn FnOnce(&C, &mut JsonOut) -> Result<(), RpcError> + Send + 'static>;
type Stager<C> =
    dyn Fn(Arc<C>, Option<&str>) -> LocalFuture<Result<Work<C>, RpcError>> + Send + Sync;
type Subscriber<C> =
    dyn Fn(&C, &Caller, Option<&str>, &mut JsonOut) -> Result<(), RpcError> + Send + Sync;

/// How a method is run.
pub(crate) enum Handler<C> {
    /// On the connection's own thread.
    View(Box<Reader<C>>),
    /// On the pool.
    Heavy(Arc<Reader<C>>),
    /// On the connection's own thread where that will do, else on the pool.
    Tried(Box<Trier<C>>, Arc<Reader<C>>),
    /// By an actor.
    Actor(Box<Asker<C>>),
    /// By an actor, then on the pool.
    Staged(Box<Stager<C>>),
    /// On a connection that takes notifications, on its own thread.
    Connection(Box<Subscriber<C>>),
}

/// An argument, as `rpc.discover` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParamInfo {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// Its JSON schema.
    pub schema: &'static str,
}

/// A row of the table. `C` is what handlers read from: the node.
pub struct Method<C> {
    /// `namespace_name`.
    pub name: &'static str,
    /// Its arguments.
    pub params: Vec<ParamInfo>,
    /// What was measured since the node started.
    pub metrics: MethodMetrics,
    pub(crate) handler: Handler<C>,
}

impl<C: Send + Sync + 'static> Method<C> {
    /// A cheap read.
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
            Handler::View(Box::new(reader(name, function))),
        )
    }

    /// Work of unknown length.
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
            Handler::Heavy(Arc::new(reader(name, function))),
        )
    }

    /// Work of unknown length that is known to be short at times: `attempt` answers it then, on
    /// the connection's own thread.
    pub(crate) fn tried<A, R>(
        name: &'static str,
        params: &'static [&'static str],
        attempt: impl Fn(&C, A) -> Option<Result<R, RpcError>> + Send + Sync + 'static,
        function: impl Fn(&C, A) -> Result<R, RpcError> + Send + Sync + 'static,
    ) -> Self
    where
        A: FromParams + 'static,
        R: WriteJson + 'static,
    {
        let trier = move |context: &C, raw: Option<&str>, out: &mut JsonOut| {
            let arguments = param::read::<A>(name, raw).ok()?;
            let result = attempt(context, arguments)?;
            Some(result.map(|result| result.write_json(out)))
        };
        let reader = Arc::new(reader(name, function));
        Self::row::<A>(name, params, Handler::Tried(Box::new(trier), reader))
    }

    /// A question to an actor.
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
        let asker = move |context: Arc<C>, raw: Option<&str>| {
            let question =
                param::read::<A>(name, raw).map(|arguments| function(context, arguments));
            let answer: LocalFuture<Result<Box<dyn WriteJson>, RpcError>> = Box::pin(async move {
                let result = question?.await?;
                Ok(Box::new(result) as Box<dyn WriteJson>)
            });
            answer
        };
        Self::row::<A>(name, params, Handler::Actor(Box::new(asker)))
    }

    /// A question to an actor, whose answer `run` then works with on the bounded pool.
    pub fn staged<A, Q, R, F>(
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
        let stager = move |context: Arc<C>, raw: Option<&str>| {
            let question = param::read::<A>(name, raw).map(|arguments| ask(context, arguments));
            let run = Arc::clone(&run);
            let work: LocalFuture<Result<Work<C>, RpcError>> = Box::pin(async move {
                let answer = question?.await?;
                let work: Work<C> = Box::new(move |context, out| {
                    run(context, answer)?.write_json(out);
                    Ok(())
                });
                Ok(work)
            });
            work
        };
        Self::row::<A>(name, params, Handler::Staged(Box::new(stager)))
    }

    /// What begins or ends notifications on the connection that it came over; elsewhere it
    /// answers that there are none.
    pub(crate) fn connection<A, R>(
        name: &'static str,
        params: &'static [&'static str],
        function: impl Fn(&C, &Caller, A) -> Result<R, RpcError> + Send + Sync + 'static,
    ) -> Self
    where
        A: FromParams + 'static,
        R: WriteJson + 'static,
    {
        let subscriber =
            move |context: &C, caller: &Caller, raw: Option<&str>, out: &mut JsonOut| {
                let arguments = param::read::<A>(name, raw)?;
                function(context, caller, arguments)?.write_json(out);
                Ok(())
            };
        Self::row::<A>(name, params, Handler::Connection(Box::new(subscriber)))
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
    /// What stands before the first underscore.
    pub fn namespace(&self) -> &'static str {
        self.name.split(['_', '.']).next().unwrap_or(self.name)
    }

    /// Where it runs.
    pub fn cost(&self) -> Cost {
        match self.handler {
            Handler::View(_) | Handler::Connection(_) => Cost::View,
            Handler::Heavy(_) | Handler::Tried(..) | Handler::Staged(_) => Cost::Heavy,
            Handler::Actor(_) => Cost::Actor,
        }
    }
}

fn reader<C, A, R>(
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
