//! What the vector tests of this crate share.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

pub mod archive;
pub mod json;
pub mod networks;
pub mod state;
