//! A network of nodes in one process.
//!
//! ```text
//!   FullNode (a TestNode with a chain, a pool and the eth protocol)
//!      |
//!   TestNode (the real actors of `actoreum_actors::net`, in a tree of their own)
//!      |  Transport
//!      v
//!   MemoryNet: hosts with addresses, streams and datagrams with a delay, loss, partitions
//! ```
//!
//! Everything runs on the thread of the test, so that the test can pause the clock: minutes of the
//! network pass in the time that its messages cost. A node is driven and observed by messages and
//! published views only.

mod chain;
mod chat;
mod filter_client;
mod full;
mod memory;
mod node;
mod raw_peer;

pub use chain::{NETWORK_ID, Sealers};
pub use chat::Chat;
pub use filter_client::FilterClient;
pub use full::FullNode;
pub use memory::{Host, MemoryNet};
pub use node::{TestNode, key, run, run_paused, settle, until};
pub use raw_peer::{RawPeer, UNCOMPRESSED, hello};
