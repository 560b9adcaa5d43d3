//! Whole nodes in one process, on a network in memory: many that seal, and some that lie.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod convergence;
mod liars;
