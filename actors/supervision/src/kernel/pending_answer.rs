//! Answers that come after the handler has returned.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use futures_util::future::{Either, select};

use crate::kernel::actor::Message;
use crate::kernel::answer::Later;
use crate::kernel::clock::Nanos;
use crate::kernel::reply_to::ReplyTo;
use crate::observe::metrics::MessageMetrics;
use crate::observe::node::Node;
use crate::observe::waits::Waiting;

/// A pending answer, counted in the metrics and among those that the generation owes until it is
/// dropped.
pub(crate) struct PendingAnswer {
    node: Arc<Node>,
    metrics: Arc<MessageMetrics>,
    owed: Rc<Cell<usize>>,
    since: Nanos,
}

impl PendingAnswer {
    pub(crate) fn new(
        node: &Arc<Node>,
        metrics: &Arc<MessageMetrics>,
        owed: &Rc<Cell<usize>>,
        since: Nanos,
    ) -> Self {
        metrics.owed.fetch_add(1, Relaxed);
        owed.set(owed.get() + 1);
        Self {
            node: Arc::clone(node),
            metrics: Arc::clone(metrics),
            owed: Rc::clone(owed),
            since,
        }
    }
}

impl Drop for PendingAnswer {
    fn drop(&mut self) {
        self.metrics.owed.fetch_sub(1, Relaxed);
        self.owed.set(self.owed.get() - 1);
    }
}

/// Waits for an answer that comes later, and sends it to its caller. Where the caller leaves, a query
/// (`is_query`) is given up, and other requests run to their end.
pub(crate) async fn answer_later<M: Message>(
    later: Later<M::Result>,
    caller: Option<(ReplyTo<M>, Waiting)>,
    owed: PendingAnswer,
    is_query: bool,
) {
    let Some((mut reply, waiting)) = caller else {
        settle::<M>(later.resolve().await, None, owed);
        return;
    };
    let mut later = pin!(later.resolve());
    let resolved = unless_closed(later.as_mut(), &mut reply).await;
    let resolved = match resolved {
        Some(resolved) => resolved,
        None if is_query => {
            owed.metrics.abandoned.fetch_add(1, Relaxed);
            return;
        }
        None => {
            // Nobody waits any more.
            drop(waiting);
            settle::<M>(later.await, None, owed);
            return;
        }
    };
    drop(waiting);
    settle(resolved, Some(reply), owed);
}

fn settle<M: Message>(
    (value, is_failure): (Option<M::Result>, bool),
    reply: Option<ReplyTo<M>>,
    owed: PendingAnswer,
) {
    owed.metrics
        .answering
        .record(owed.node.now().saturating_sub(owed.since));
    if is_failure {
        owed.metrics.failed.fetch_add(1, Relaxed);
    }
    drop(owed);
    if let (Some(reply), Some(value)) = (reply, value) {
        reply.send(Ok(value));
    }
}

/// Returns the future's output, or `None` once the caller behind `reply` no longer waits.
async fn unless_closed<F: Future, M: Message>(
    future: F,
    reply: &mut ReplyTo<M>,
) -> Option<F::Output> {
    let closed = pin!(reply.closed());
    match select(pin!(future), closed).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}
