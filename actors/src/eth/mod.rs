//! The eth protocol: who has which blocks and transactions, and how they get here and from here.
//!
//! ```text
//!   PeerActor (a connection)
//!       `- conversation ----- requests of the peer ----> serving (a pool) -> ChainReader, pool
//!              |   `--------- answers --------------+
//!              |  joins, leaves                     |
//!              v                                    v
//!           EthPeers  ----- list, best ------->  EthPeer::headers, bodies, ...   <- whoever asks
//!
//!   conversation -- blocks, announcements --> FetcherActor -- ImportBlocks --> ChainActor
//!        `--------- transactions -----------> the pool           |                 |
//!                                                                v PropagateBlock  v ChainChanged
//!   peers <--- blocks, transactions, announcements --- ProtocolManagerActor <---- NewTransactions
//! ```
//!
//! ```text
//! eth                    rest_for_one
//! |- serving             the threads that read, decode and check for peers
//! |- protocol manager    ProtocolManagerActor: who is told what
//! |- fetcher             FetcherActor: what peers announce
//! `- downloader          DownloaderActor: what peers have and we do not
//! ```
//!
//! A conversation runs in its peer's actor. Whoever wants something of a peer takes an
//! [`EthPeer`] from [`EthPeers`] and awaits the answer in a future of its own; no mailbox is
//! between. Every bound is in [`limits`].

mod conversation;
pub mod downloader;
pub mod fetcher;
mod greeting;
pub mod limits;
mod peer;
mod peers;
mod propagated;
pub mod protocol_manager;
mod serve;
mod setup;
mod state_library;
mod transactions;

pub use conversation::EthProtocol;
pub use greeting::{Greeter, Greeting};
pub use peer::{EthPeer, PeerHead, RequestError};
pub use peers::EthPeers;
pub use setup::EthSetup;
