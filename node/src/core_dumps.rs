//! No core dumps: they would hold the keys that are unlocked, and the passwords that are read.
//!
//! A dump is written to wherever the machine collects them, often for every user to read, and
//! outlives the process. `--allow-core-dumps` lets one be made, and lets debuggers and profilers of
//! the same user attach.

use rustix::process::{Resource, Rlimit, setrlimit};
use tracing::warn;

/// Forbids core dumps of this process. On Linux its memory can't be read through `/proc` or by a
/// debugger of the same user any more, either.
pub fn forbid() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = setrlimit(Resource::Core, none) {
        warn!(%error, "core dumps can't be limited: one would hold keys");
    }
    // The limit does not hold for dumps that the kernel hands to a program.
    #[cfg(any(target_os = "android", target_os = "linux"))]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            warn!(%error, "core dumps can't be forbidden: one would hold keys");
        }
    }
}
