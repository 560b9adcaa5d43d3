//! Spans of `tracing` across mailboxes (the feature `spans`): the span in which a message is sent is
//! the parent of the one in which it is handled. Without the feature all of this is empty.
//!
//! A handler's span is called `handle`, has the target [`SPANS_TARGET`](crate::SPANS_TARGET) and the
//! fields `actor` and `message`, and `otel.name`, the name under which exporters for OpenTelemetry show
//! it; so has that of a job of a pool. The futures that a handler spawns, with later answers, run in it as
//! well, so that a message that they send continues the trace. A message that is sent outside of a
//! span is handled without one, and so are those of timers and streams: an actor begins a trace with
//! a span of its own. While no subscriber wants the target, a message costs the check of that alone.
//! An exporter, such as one for OpenTelemetry, is a layer of the program's subscriber and no part of
//! this crate.

#[cfg(feature = "spans")]
pub(crate) use on::*;

#[cfg(not(feature = "spans"))]
pub(crate) use off::*;

#[cfg(feature = "spans")]
mod on {
    use tracing::span::EnteredSpan;
    use tracing::{Instrument, Level, Span, info_span, span_enabled};

    use crate::SPANS_TARGET;

    /// The span in which a message was sent. Boxed: few messages have one, and all are moved.
    pub(crate) struct Origin(Option<Box<Span>>);

    impl Origin {
        /// Returns the origin of a message that was not sent, such as that of a timer.
        pub(crate) fn none() -> Self {
            Self(None)
        }

        /// Returns the span of the code that runs on this thread.
        pub(crate) fn here() -> Self {
            if !span_enabled!(target: SPANS_TARGET, Level::INFO) {
                return Self(None);
            }
            let span = Span::current();
            Self((!span.is_none()).then(|| Box::new(span)))
        }
    }

    /// The span of a handler, until it is dropped.
    pub(crate) struct Handling(
        #[allow(dead_code, reason = "dropped at the end")] Option<EnteredSpan>,
    );

    impl Handling {
        /// Begins the span of a handler. The origin is used up.
        pub(crate) fn begin(origin: &mut Origin, actor: &str, message: &str) -> Self {
            let parent = origin.0.take();
            Self(parent.map(|parent| {
                info_span!(target: SPANS_TARGET, parent: &*parent, "handle", actor, message)
                    .entered()
            }))
        }
    }

    /// Runs a future in the span of the code that spawns it.
    pub(crate) fn follow<F: Future>(future: F) -> impl Future<Output = F::Output> {
        future.instrument(Span::current())
    }
}

#[cfg(not(feature = "spans"))]
mod off {
    /// The span in which a message was sent: none.
    pub(crate) struct Origin;

    impl Origin {
        #[inline]
        pub(crate) fn none() -> Self {
            Self
        }

        #[inline]
        pub(crate) fn here() -> Self {
            Self
        }
    }

    /// The span of a handler: none.
    pub(crate) struct Handling;

    impl Handling {
        #[inline]
        pub(crate) fn begin(_: &mut Origin, _: &str, _: &str) -> Self {
            Self
        }
    }

    #[inline]
    pub(crate) fn follow<F: Future>(future: F) -> F {
        future
    }
}
