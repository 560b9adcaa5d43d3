//! JSON in and out, without an intermediate tree.
//!
//! Requests are walked in place ([`scan`]): what a handler gets are slices of the
//! body. Results are written straight into the answer's buffer ([`write`]).

pub mod scan;
pub mod write;

pub use write::{JsonOut, ObjectWriter, Raw, Serialized, WriteJson};
