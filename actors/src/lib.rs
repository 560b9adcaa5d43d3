//! The actors of the node.
//!
//! A module is an actor, or a group of actors, that owns state, handles messages (from
//! `actoreum_messages`), applies the rules of the crates in `core/`, and sends messages. The actors
//! run on [`actoreum_supervision`], which starts, probes, restarts and stops them and contains
//! nothing of Ethereum. The supervision tree of all actors is built in `node/`.
//!
//! ```text
//!   peers <-> net <-> eth ---------- ImportBlocks ---------> chain --> ChainView (read by all)
//!                      |   transactions                       ^  |
//!                      v                                      |  | ChainChanged
//!   RPC ----------> txpool --> worker --> sealer -- sealed ---+  v
//!                                 ^                 block     txpool, filter, bloom_index, worker
//!                               miner
//! ```
//!
//! | actor | responsibility |
//! |---|---|
//! | [`accounts::AccountsActor`] | the keys of the keystore, and signing |
//! | [`bloom_index::BloomIndexActor`] | the bloom index of logs |
//! | [`chain::ChainActor`] | the only writer of the chain |
//! | [`dev::DevActor`] | snapshots and impersonated accounts of a development chain |
//! | [`eth`] | the eth protocol: its sessions, the downloader, the fetcher, gossip |
//! | [`filter::FilterActor`] | polled filters and subscriptions |
//! | [`net`] | the p2p network: connections to peers, node discovery |
//! | [`txpool::TxPoolActor`] | the transaction pool |
//! | [`usb::UsbHubActor`] | the hardware wallets |
//! | [`sealing::worker::WorkerActor`] | the block that is being built |
//! | [`sealing::sealer::SealerActor`] | sealing, and the record of signed blocks |
//! | [`sealing::control::MinerActor`] | start and stop of sealing |
//!
//! An actor and its messages are an ordinary struct with one `Handles` implementation for each
//! message; [`actoreum_supervision`] has the full example. Auxiliary modules can be used alone:
//!
//! ```
//! use actoreum_actors::log_limit::LogLimit;
//!
//! static REFUSED: LogLimit = LogLimit::new();
//!
//! if let Some(suppressed) = REFUSED.admit() {
//!     println!("request refused; {suppressed} lines suppressed before");
//! }
//! ```

pub mod accounts;
pub mod bloom_index;
pub mod chain;
pub mod clock;
pub mod dev;
pub mod eth;
pub mod filter;
pub mod head_watch;
pub mod log_limit;
pub mod net;
pub mod sealing;
pub mod shared_socket;
pub mod txpool;
pub mod usb;
