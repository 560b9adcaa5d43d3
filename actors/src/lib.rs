//! Supervision, and the cast of actors.
//!
//! [`supervision`] knows nothing of Ethereum: it starts, watches, restarts and stops. Everything
//! else here is an actor, one a file or folder: it owns state, takes a message, calls a rule of
//! `core/`, sends messages. The tree that they stand in is put together in `node/`.
//!
//! | actor | owns |
//! |---|---|
//! | [`accounts::AccountsActor`] | the keys |
//! | [`bloom_index::BloomIndexActor`] | the making of the bloom index |
//! | [`chain::ChainActor`] | the one writer of the chain |
//! | [`eth`] | the eth protocol: its conversations, and who asks peers |
//! | [`filter::FilterActor`] | filters that are polled, subscriptions that are told |
//! | [`net`] | the network: connections to peers, the search for them |
//! | [`txpool::TxPoolActor`] | the transactions that wait for a block |
//! | [`usb::UsbHubActor`] | the hardware wallets |
//! | [`worker::WorkerActor`] | the block that is being built |
//! | [`sealer::SealerActor`] | what was signed |
//! | [`miner::MinerActor`] | whether this node seals |

pub mod accounts;
pub mod bloom_index;
pub mod chain;
pub mod clock;
pub mod eth;
pub mod filter;
pub mod kept_socket;
pub mod log_limit;
pub mod miner;
pub mod net;
pub mod sealer;
pub mod supervision;
pub mod txpool;
pub mod usb;
pub mod worker;
