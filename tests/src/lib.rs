//! Tests that need more than one crate, and the runner of the official Ethereum vectors.
//!
//! ```text
//!   fixtures/vectors/*.tar.zst -> archive (streams, never unpacks)
//!        -> a file at a time, over all cores -> suites::* (parse, run, compare)
//!        -> Report (counts by suite and fork, failures with the first differing field)
//! ```
//!
//! Beside the vectors, the crate has what tests of several crates need: [`p2p`] runs networks of
//! nodes in one process on a paused clock, and [`usb`] simulates hardware wallets.
//!
//! The fixtures are in the folder that `ACTOREUM_FIXTURES` names, or in `../shared/fixtures` from
//! the workspace's root. Run all vectors with `cargo test --release -p actoreum-tests vectors`.
//!
//! ```
//! use actoreum_tests::exceptions::{Refusal, classes};
//!
//! assert_eq!(classes("BlockException.INVALID_STATE_ROOT"), [Refusal::StateRoot]);
//! assert!(classes("NoSuchException").is_empty());
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "this crate is tests alone"
)]

pub mod archive;
pub mod exceptions;
pub mod fixtures;
pub mod json;
pub mod network;
pub mod p2p;
pub mod parallel;
pub mod refusals;
pub mod report;
pub mod state_map;
pub mod suites;
pub mod usb;
