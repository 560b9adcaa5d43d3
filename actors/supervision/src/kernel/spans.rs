//! Spans of `tracing` across mailboxes (the feature `spans`): the span in which a message is sent is
//! the parent of the one in which it is handled. Without the feature all of this is empty.
//!
//! A handler's span is called `handle`, has the target [`SPANS_TARGET`](crate::SPANS_TARGET) and the
//! fields `actor` and `message`, and `otel.name`, the name under which exporters for OpenTelemetry show
//! it; so has that of a job of a pool. The futures that a handler spawns, with later answers, run in it
//! as well, so that a message that they send continues the trace. A message that is sent outside of a
//! span is handled without one, and so are those of timers and streams: an actor begins a trace with
//! a span of its own. Until [`continue_spans`] is called, a message costs the check of that alone. An
//! exporter, such as one for OpenTelemetry, is a layer of the program's subscriber and no part of this
//! crate.

#[cfg(feature = "spans")]
pub use on::continue_spans;
#[cfg(feature = "spans")]
pub(crate) use on::{Handling, Origin, follow};

#[cfg(not(feature = "spans"))]
pub(crate) use off::*;

#[cfg(feature = "spans")]
mod on {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use tracing::span::EnteredSpan;
    use tracing::{Instrument, Span, info_span};

    use crate::SPANS_TARGET;

    /// Whether messages continue the spans of their senders.
    static IS_ON: AtomicBool = AtomicBool::new(false);

    /// Lets messages continue the spans in which they are sent, in the whole process from now on. For a
    /// program that exports spans; `tracing`'s own subscriber is one of the process as well.
    pub fn continue_spans() {
        IS_ON.store(true, Relaxed);
    }

    /// The span in which a message was sent. Boxed: few messages have one, and all are moved.
    pub(crate) struct Origin(Option<Box<Span>>);

    impl Origin {
        /// Returns the origin of a message that was not sent, such as that of a timer.
        pub(crate) fn none() -> Self {
            Self(None)
        }

        /// Returns the span of the code that runs on this thread.
        pub(crate) fn here() -> Self {
            // Asking the subscriber instead would confuse one whose layers have filters of their own.
            if !IS_ON.load(Relaxed) {
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
                info_span!(
                    target: SPANS_TARGET,
                    parent: &*parent,
                    "handle",
                    otel.name = %format_args!("{actor} {message}"),
                    actor,
                    message,
                )
                .entered()
            }))
        }
    }

    /// Runs a future in the span of the code that spawns it.
    pub(crate) fn follow<F: Future>(future: F) -> impl Future<Output = F::Output> {
        let is_on = IS_ON.load(Relaxed);
        future.instrument(if is_on { Span::current() } else { Span::none() })
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
