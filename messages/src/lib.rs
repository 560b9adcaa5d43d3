//! Every message that crosses a mailbox, one module a receiving actor.
//!
//! A message says who sends it, who handles it, and what of geth it replaces: a channel, or a
//! direct call from another goroutine. What it answers is its `rtype`. How many may wait, and what
//! happens to one that finds no room, is said where it is handled (`WHEN_FULL` in `actors/`).
//!
//! | module | receiver |
//! |---|---|
//! | [`accounts`] | AccountsActor |
//! | [`chain`] | ChainActor |
//! | [`dialer`] | DialerActor |
//! | [`discovery`] | UdpDiscoveryActor |
//! | [`downloader`] | DownloaderActor |
//! | [`events`] | whoever follows the chain or the pool |
//! | [`fetcher`] | FetcherActor |
//! | [`filter`] | FilterActor |
//! | [`protocol_manager`] | ProtocolManagerActor |
//! | [`miner`] | MinerActor |
//! | [`sealer`] | SealerActor |
//! | [`server`] | ServerActor |
//! | [`txpool`] | TxPoolActor |
//! | [`usb`] | UsbHubActor |
//! | [`worker`] | WorkerActor |

pub mod accounts;
pub mod chain;
pub mod dialer;
pub mod discovery;
pub mod downloader;
pub mod events;
pub mod fetcher;
pub mod filter;
pub mod miner;
pub mod protocol_manager;
pub mod sealer;
pub mod server;
pub mod txpool;
pub mod usb;
pub mod worker;
