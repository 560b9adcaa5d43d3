//! Tests of a development chain of real actors, driven through messages.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod chain;
#[path = "../common/mod.rs"]
mod common;
mod edits;
mod merged;
mod sealing;
mod user;
