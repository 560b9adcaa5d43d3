//! Batches: several requests in one body.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout_at;
use tracing::{Instrument as _, Span};

use super::{
    Dispatcher, NO_ID, guarded_future, invalid, run_to_completion, timed_out, too_large,
    write_failure, write_head,
};
use crate::error::RpcError;
use crate::server::connection::caller::Caller;
use crate::server::json::JsonOut;
use crate::server::limits;
use crate::server::method::{AnswerFuture, Handler, Method};
use crate::server::request::{Call, Item};
use crate::server::trace;

impl<C: Send + Sync + 'static> Dispatcher<C> {
    /// Answers the requests of a batch in their order, until the time of the batch is over.
    pub(super) async fn answer_batch(
        &self,
        items: &[Item<'_>],
        caller: Option<&Caller>,
        out: &mut JsonOut,
    ) {
        let start_of_batch = out.len();
        let deadline = tokio::time::Instant::now() + self.limits.batch_timeout;
        let mut slice_start = Instant::now();
        let mut is_over = false;
        let mut submitted = Vec::new();
        out.raw_past_limit(b"[");
        let first = out.len();
        for item in items {
            if slice_start.elapsed() > limits::BATCH_TIME_SLICE {
                tokio::task::yield_now().await;
                slice_start = Instant::now();
                is_over = tokio::time::Instant::now() >= deadline;
            }
            if let Item::Call(call) = item
                && let Some(method) = self.methods.get(&*call.method)
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
                    call,
                    method,
                    started,
                    span,
                    accepted: accepted.unwrap_or_else(|_| Err(timed_out())),
                });
                continue;
            }
            is_over |= answer_submitted(&mut submitted, first, deadline, out).await;
            let call = match item {
                Item::Call(call) => call,
                Item::Notification(call) => {
                    if !is_over {
                        let running = self.notified(call, caller, out.room(), true);
                        is_over = timeout_at(deadline, running).await.is_err();
                    }
                    continue;
                }
                Item::Invalid(id) => {
                    separate(first, out);
                    write_failure(out, id.unwrap_or(NO_ID), &invalid());
                    continue;
                }
            };
            separate(first, out);
            match self.methods.get(&*call.method) {
                _ if is_over => write_failure(out, call.id, &timed_out()),
                _ if out.room() == 0 => write_failure(out, call.id, &too_large()),
                Some(method) => {
                    let (started, start) = (Instant::now(), out.len());
                    let span = trace::request(method.name, call.id, true);
                    let running = self.run(method, call, caller, out, span.clone());
                    if timeout_at(deadline, running).await.is_err() {
                        is_over = true;
                        out.rewind(start);
                        trace::fail(&span, &timed_out());
                        write_failure(out, call.id, &timed_out());
                        method.metrics.record(started.elapsed(), true);
                    }
                }
                None => write_failure(out, call.id, &RpcError::method_not_found(&call.method)),
            }
        }
        answer_submitted(&mut submitted, first, deadline, out).await;
        if out.len() == first {
            out.rewind(start_of_batch);
        } else {
            out.raw_past_limit(b"]");
        }
    }
}

/// A request of a batch that was submitted, and is still to be answered.
struct Submission<'a, C> {
    call: &'a Call<'a>,
    method: &'a Method<C>,
    started: Instant,
    span: Span,
    accepted: Result<AnswerFuture, RpcError>,
}

/// Writes the answers of submitted requests, in their order. Returns whether the time is over.
/// `first` is the place of the batch's first answer.
async fn answer_submitted<C>(
    submitted: &mut Vec<Submission<'_, C>>,
    first: usize,
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
        separate(first, out);
        let start = out.len();
        let written = answer.and_then(|answer| {
            write_head(out, submission.call.id);
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
            write_failure(out, submission.call.id, error);
        }
        let metrics = &submission.method.metrics;
        metrics.record(submission.started.elapsed(), written.is_err());
    }
    is_over
}

/// Writes the comma before each answer of a batch but the first, which stands at `first`.
fn separate(first: usize, out: &mut JsonOut) {
    if out.len() > first {
        out.raw_past_limit(b",");
    }
}
