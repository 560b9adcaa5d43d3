//! Messages between actors, one module per receiving actor.
//!
//! A message that an actor, RPC or a peer's session sends to another actor is defined here. Three
//! kinds of messages stay private beside their receiver in `actors/`:
//!
//! - messages of an actor to itself: its timers, the streams that it is attached to;
//! - the results of its own jobs and threads;
//! - a message with a type that only `actors/` has. There is one: `AddPeerCheck`, from PeerActor to
//!   ServerActor, which contains the live record of the connection.
//!
//! ```text
//!   RPC, peer sessions, actors  --message-->  mailbox of an actor  --answer-->  sender
//!   ChainActor, TxPoolActor, DownloaderActor  --events-->  subscribers
//! ```
//!
//! The documentation of a message names its senders and the part of geth that it replaces: a
//! channel, or a direct call from another goroutine. The type of the answer is that of its
//! attribute `#[answer(…)]`, or `()`. The size of a mailbox and its backpressure policy are part of
//! the receiving actor (`WHEN_FULL` in `actors/`).
//!
//! | module | receiver |
//! |---|---|
//! | [`accounts`] | AccountsActor |
//! | [`chain`] | ChainActor |
//! | [`dev`] | DevActor |
//! | [`dialer`] | DialerActor |
//! | [`discovery`] | UdpDiscoveryActor |
//! | [`dns_discovery`] | DnsDiscoveryActor |
//! | [`downloader`] | DownloaderActor |
//! | [`events`] | subscribers of the chain, the pool, the sync and the set of peers |
//! | [`fetcher`] | FetcherActor |
//! | [`filter`] | FilterActor |
//! | [`miner`] | MinerActor |
//! | [`peer`] | PeerActor |
//! | [`protocol_manager`] | ProtocolManagerActor |
//! | [`sealer`] | SealerActor |
//! | [`server`] | ServerActor |
//! | [`txpool`] | TxPoolActor |
//! | [`usb`] | UsbHubActor |
//! | [`worker`] | WorkerActor |
//!
//! # Examples
//!
//! ```
//! use actoreum_messages::txpool::SetPriceLimit;
//! use actoreum_supervision::{
//!     Actor, ActorRef, ChildSpec, Ctx, Handles, Strategy, SupervisorSpec, Tree,
//! };
//!
//! struct Pool {
//!     price_limit: u64,
//! }
//!
//! impl Actor for Pool {}
//!
//! impl Handles<SetPriceLimit> for Pool {
//!     type Answer = usize;
//!
//!     fn handle(&mut self, message: SetPriceLimit, _: &mut Ctx<Self>) -> usize {
//!         self.price_limit = message.price_limit;
//!         0
//!     }
//! }
//!
//! let pool = ActorRef::new("pool");
//! let child = ChildSpec::new(&pool, || Pool { price_limit: 1 });
//! let spec = SupervisorSpec::new("core", Strategy::OneForOne).child(child);
//! let dropped = actoreum_supervision::block_on(async {
//!     let _tree = Tree::start(spec).await.unwrap();
//!     pool.ask(SetPriceLimit { price_limit: 7 }).await
//! });
//! assert_eq!(dropped.unwrap(), 0);
//! ```

pub mod accounts;
pub mod chain;
pub mod dev;
pub mod dialer;
pub mod discovery;
pub mod dns_discovery;
pub mod downloader;
pub mod events;
pub mod fetcher;
pub mod filter;
pub mod miner;
pub mod peer;
pub mod protocol_manager;
pub mod sealer;
pub mod server;
pub mod txpool;
pub mod usb;
pub mod worker;
