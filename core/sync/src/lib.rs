//! How a chain is fetched from peers: rules as state machines, without IO, clocks or threads.
//!
//! Whoever drives one tells it what came in and what time it is, and does what it asks for.

pub mod downloader;
mod parcel;
mod progress;

pub use parcel::{BlockParcel, BodyParcel, HashedHeader};
pub use progress::SyncProgress;
