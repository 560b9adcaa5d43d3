//! How a chain is fetched from peers: rules as state machines, without IO, clocks or threads.
//!
//! Whoever drives one tells it what came in and what time it is, and does what it asks for.

pub mod downloader;
pub mod fetcher;
mod parcel;
mod progress;
pub mod state;
pub mod transactions;

pub use parcel::{BlockParcel, BodyParcel, HashedHeader, ReceiptsParcel};
pub use progress::SyncProgress;
