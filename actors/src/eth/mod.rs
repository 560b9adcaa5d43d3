//! The eth protocol: sessions with peers, and the actors that fetch and gossip blocks and
//! transactions.
//!
//! ```text
//!   PeerActor (a connection)
//!       |  batches of messages
//!       v
//!   EthSessionActor --------- requests of the peer ----> serving (threads) -> ChainReader, pool
//!              |   `--------- answers --------------+
//!              |  joins, leaves                     |
//!              v                                    v
//!           EthPeers  ----- list, best ------->  EthPeer::headers, bodies, ...   <- any caller
//!
//!   session -- blocks, announcements --> FetcherActor -- ImportBlocks --> ChainActor
//!        `---- transactions -----------> the pool           |                 |
//!                                                           v PropagateBlock  v ChainChanged
//!   peers <--- blocks, transactions, announcements --- ProtocolManagerActor <-- NewTransactions
//! ```
//!
//! ```text
//! eth                    rest_for_one
//! |- serving             the threads that read, decode and check for peers
//! |- protocol manager    ProtocolManagerActor: gossip of blocks and transactions
//! |- fetcher             FetcherActor: announced blocks and transactions
//! `- downloader          DownloaderActor: synchronisation
//! ```
//!
//! Each connection has an EthSessionActor, below the network's supervisor `sessions`. A caller that
//! wants something from a peer takes an [`EthPeer`] from [`EthPeers`], which asks that actor, and
//! awaits the answer in its own future. Sessions and actors share the references of [`EthShared`]; a reference that only one
//! of them needs is in its own set-up. Every bound is in [`limits`].

pub mod downloader;
pub mod fetcher;
pub mod limits;
mod peer;
mod peers;
mod propagated;
pub mod protocol_manager;
mod serve;
mod session;
mod shared;
mod state_node_cache;
mod status_handshake;
mod transactions;

pub use peer::{EthInfo, EthPeer, PeerHead, RequestError};
pub use peers::EthPeers;
pub use session::EthProtocol;
pub use shared::EthShared;
pub use status_handshake::{NegotiatedStatus, StatusHandshake};
