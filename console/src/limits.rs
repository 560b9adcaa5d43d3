//! Limits of the console: what a node, a script or a terminal can fill.

use std::time::Duration;

/// Maximum size of an answer of the node, in bytes. Without it a hostile or broken server could fill
/// the memory. A trace of a large block takes tens of megabytes, so that less would refuse results.
pub const MAX_ANSWER_BYTES: usize = 256 << 20;

/// Maximum memory of the JavaScript engine, in bytes: a script that never ends collecting fails instead
/// of filling the machine. An answer of [`MAX_ANSWER_BYTES`] takes several times its size as objects, so
/// that the largest ones fail with an error of the engine.
pub const MAX_ENGINE_BYTES: usize = 1 << 30;

/// Maximum stack of scripts, in bytes, after which a recursion is a `RangeError`. It is below the stack
/// of the engine's thread ([`ENGINE_STACK_BYTES`]), which printing and native functions use as well.
pub const MAX_SCRIPT_STACK_BYTES: usize = 2 << 20;

/// Stack of the engine's thread, in bytes, which the system provides when it is used.
pub const ENGINE_STACK_BYTES: usize = 8 << 20;

/// Maximum size of a script that is loaded from a file, in bytes.
pub const MAX_SCRIPT_BYTES: u64 = 64 << 20;

/// Maximum size of the history file that is read, in bytes; of a larger one the end is read.
pub const MAX_HISTORY_BYTES: u64 = 1 << 20;

/// Maximum number of entries of the history, as in geth's line editor.
pub const MAX_HISTORY_ENTRIES: usize = 1_000;

/// Maximum size of a line of piped input and of a password, in bytes.
pub const MAX_LINE_BYTES: usize = 1 << 20;

/// Interval at which a wait (for an answer, for the end of a sleep, for a key) looks for an interrupt.
pub const INTERRUPT_POLL: Duration = Duration::from_millis(50);

/// Time after which a completion without an answer is given up: a getter that it evaluates asks the
/// node, and the engine may be busy with a timer.
pub const COMPLETION_TIMEOUT: Duration = Duration::from_secs(3);
