//! Exit reasons of actors and supervisors.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::kernel::hang::ArbiterLoss;
use crate::limits::MAX_REASON_CHARS;

/// The error that an actor fails with; any error type.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The exit reason of a child's generation.
#[derive(Debug, Clone)]
pub enum Exit {
    /// The child stopped itself: its work was done.
    Normal,
    /// The child was stopped by its supervisor.
    Shutdown,
    /// The child stopped itself with an error.
    Failed(Arc<dyn Error + Send + Sync>),
    /// The child panicked.
    Panicked {
        /// The activity that panicked: a message type, a hook, or a future that a handler spawned.
        doing: Option<String>,
        /// The panic's message.
        text: String,
    },
    /// The child's factory or its `started` hook returned an error.
    StartFailed(Arc<dyn Error + Send + Sync>),
    /// The child did not start, or stop, within its timeout, and its task was aborted.
    Killed {
        /// The activity when the child was killed.
        doing: Option<String>,
    },
    /// The child did not return from its own code, and was given up with its thread
    /// ([`WhenStuck`](crate::WhenStuck)).
    Hung {
        /// The activity that did not return.
        doing: Option<String>,
    },
    /// The thread that the child ran on has ended, or was given up with another actor.
    ArbiterLost(ArbiterLoss),
    /// The supervisor failed because a child hung whose failure it escalates.
    Escalated {
        /// The child's path.
        child: String,
        /// The child's exit.
        cause: Box<Exit>,
    },
    /// The supervisor gave up: a child failed more often than the intensity allows.
    GaveUp {
        /// The child's path.
        child: String,
        /// The child's last exit.
        cause: Box<Exit>,
    },
}

impl Exit {
    /// Returns true unless the child stopped normally or was stopped by its supervisor.
    pub fn is_failure(&self) -> bool {
        !matches!(self, Self::Normal | Self::Shutdown)
    }

    pub(crate) fn failed(failure: Failure) -> Self {
        Self::Failed(failure.into())
    }

    pub(crate) fn start_failed(failure: Failure) -> Self {
        Self::StartFailed(failure.into())
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => formatter.write_str("normal"),
            Self::Shutdown => formatter.write_str("shutdown"),
            Self::Failed(error) => write!(formatter, "failed: {}", chain_of(error.as_ref())),
            Self::Panicked {
                doing: Some(doing),
                text,
            } => {
                write!(formatter, "panicked in {doing}: {text}")
            }
            Self::Panicked { doing: None, text } => write!(formatter, "panicked: {text}"),
            Self::StartFailed(error) => {
                write!(formatter, "could not start: {}", chain_of(error.as_ref()))
            }
            Self::Killed { doing: Some(doing) } => write!(formatter, "killed in {doing}"),
            Self::Killed { doing: None } => formatter.write_str("killed"),
            Self::Hung { doing } => {
                let doing = doing.as_deref().unwrap_or("its own code");
                write!(formatter, "hung in {doing} and was given up")
            }
            Self::ArbiterLost(loss) => loss.fmt(formatter),
            Self::Escalated { child, cause } => {
                write!(formatter, "escalated the failure of {child}: {cause}")
            }
            Self::GaveUp { child, cause } => {
                write!(
                    formatter,
                    "gave up after too many restarts of {child}: {cause}"
                )
            }
        }
    }
}

/// Returns the text of an error with its sources, cut to [`MAX_REASON_CHARS`]. The text is made by
/// code of the actor, which must not end the supervisor that reports it.
fn chain_of(error: &(dyn Error + 'static)) -> String {
    contain(|| uncontained_chain_of(error))
        .unwrap_or_else(|text| format!("an error whose text panicked: {text}"))
}

fn uncontained_chain_of(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    bounded(&text)
}

/// Cuts a text, which may quote large input, to [`MAX_REASON_CHARS`].
pub(crate) fn bounded(text: &str) -> String {
    match text.char_indices().nth(MAX_REASON_CHARS) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Runs code that a supervisor does not trust: destructors and closures of its children. A panic is
/// returned as its message.
pub(crate) fn contain<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(take_panic_text)
}

/// Returns the message of a panic and drops its payload, whose destructor may panic in turn.
pub(crate) fn take_panic_text(payload: Box<dyn Any + Send>) -> String {
    let text = panic_text(payload.as_ref());
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
    text
}

/// Returns the message of a panic's payload.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        return bounded(text);
    }
    match payload.downcast_ref::<String>() {
        Some(text) => bounded(text),
        None => "a payload that is not text".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_displays_its_reason() {
        let cause = Exit::Panicked {
            doing: Some("Tick".to_owned()),
            text: "boom".to_owned(),
        };
        assert_eq!(cause.to_string(), "panicked in Tick: boom");
        let gave_up = Exit::GaveUp {
            child: "a/b".to_owned(),
            cause: Box::new(cause),
        };
        assert_eq!(
            gave_up.to_string(),
            "gave up after too many restarts of a/b: panicked in Tick: boom"
        );
        assert_eq!(
            Exit::failed("disk full".into()).to_string(),
            "failed: disk full"
        );
        assert!(gave_up.is_failure());
        assert!(!Exit::Normal.is_failure() && !Exit::Shutdown.is_failure());
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character_boundary() {
        let text = "é".repeat(MAX_REASON_CHARS + 1);
        assert_eq!(bounded(&text).chars().count(), MAX_REASON_CHARS + 3);
        assert_eq!(bounded("short"), "short");
        assert_eq!(panic_text(&7_u8), "a payload that is not text");
    }
}
