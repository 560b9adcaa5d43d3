//! Snap sync: fetches a state in ranges of its hashed keys (snap/1).
//!
//! So far this module has the plan of the key space alone, [`KeyRanges`]: what of it has been fetched
//! and verified, what is next, and the record from which a restarted node goes on.

mod key_ranges;
pub mod limits;

pub use key_ranges::{KeyRange, KeyRanges, RecordError};
