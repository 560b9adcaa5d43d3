//! What the vector tests of this crate share.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod archive;
pub mod json;
pub mod networks;
pub mod state;
