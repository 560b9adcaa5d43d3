//! Reading and writing JSON without an intermediate tree.
//!
//! Requests are scanned in place ([`scan`]): handlers get slices of the body. Results are written
//! straight into the buffer of the answer ([`mod@write`]).

pub mod scan;
pub mod write;

pub use write::{JsonOut, ObjectWriter, Raw, Serialized, WriteJson};
