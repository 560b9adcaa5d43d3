//! How a chain is fetched from peers: rules as state machines, without IO, clocks or threads.
//!
//! Whoever drives one tells it what came in and what time it is, and does what it asks for.

mod progress;

pub use progress::SyncProgress;
