//! Disables core dumps, which would contain unlocked keys and passwords.
//!
//! A dump is written to the place where the machine collects them, is often readable by every user,
//! and outlives the process. `--allow-core-dumps` allows core dumps, and lets debuggers and
//! profilers of the same user attach.

use rustix::process::{Resource, Rlimit, setrlimit};
use tracing::warn;

/// Disables core dumps of this process. On Linux this also keeps a debugger of the same user, and
/// readers of `/proc`, from its memory.
pub fn disable() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = setrlimit(Resource::Core, none) {
        warn!(%error, "core dumps can't be limited: one would hold keys");
    }
    // The limit does not apply to dumps that the kernel pipes to a program.
    #[cfg(any(target_os = "android", target_os = "linux"))]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            warn!(%error, "core dumps can't be forbidden: one would hold keys");
        }
    }
}
