//! Tests on generated chains: built by the builder, sealed by the engines, imported again.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, too, stop at the unexpected"
)]

mod events;
mod every_fork;
mod future;
mod kills;
mod maker;
mod probes;
mod trees;
mod windows;
