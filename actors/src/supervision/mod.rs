//! Supervised actors: small state machines that may fail, and the tree that repairs them.
//!
//! actix brings the contexts and the threads. What it does not bring, and what this module
//! adds, is in the facts that `tests/actix_facts.rs` proves one by one: restarts from a
//! factory, references that outlive a restart, bounded mailboxes with a policy, control that
//! no flood can block, ordered start and stop, and figures for everything without a line of
//! code in the actor.
//!
//! ```text
//!            Tree::start(spec)                             TreeHandle: snapshot, stop, crash
//!                   |                                              |
//!   thread of the   v                                              v reads
//!   actix system   supervisor ---- begins, awaits the join handle, ----> Node (one for each
//!   (runs nobody's  |   |          restarts, stops                        child, for ever):
//!   code)           |   `- supervisor (its children alike)                state, incidents,
//!                   |                                                     figures
//!                   | spawns the context's future                          ^
//!   ................|......................................................|..............
//!   arbiter         v                                                      | writes
//!   (one for each  actix Context --- actix mailbox: stop, ping (first) ----|
//!   latency class)  `- Driver ------ timers, futures, streams -------------|
//!                        `---------- data lane: bounded, in order ---------'
//!                                         ^
//!   any thread      ActorRef::tell, ask --'   the same reference over all generations
//! ```
//!
//! # An actor
//!
//! State, a lifecycle, and one [`Handles`] implementation for each message: the file reads
//! like the table of its messages.
//!
//! ```
//! use std::time::Duration;
//!
//! use actoreum_actors::supervision::{
//!     Actor, ActorRef, ChildSpec, Ctx, Failure, Handles, Later, Message, Strategy,
//!     SupervisorSpec, Tree, WhenFull,
//! };
//!
//! #[derive(Message)]
//! #[rtype(result = "Result<u64, Overdrawn>")]
//! struct Withdraw(u64);
//!
//! #[derive(Message)]
//! #[rtype(result = "()")]
//! struct Interest;
//!
//! #[derive(Message)]
//! #[rtype(result = "u64")]
//! struct Audit;
//!
//! #[derive(Debug, PartialEq)]
//! struct Overdrawn;
//!
//! struct Account {
//!     balance: u64,
//! }
//!
//! impl Actor for Account {
//!     fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
//!         ctx.notify_every(Duration::from_secs(3600), || Interest);
//!         Ok(())
//!     }
//! }
//!
//! impl Handles<Withdraw> for Account {
//!     type Answer = Result<u64, Overdrawn>;
//!
//!     fn handle(&mut self, Withdraw(amount): Withdraw, _: &mut Ctx<Self>) -> Self::Answer {
//!         self.balance = self.balance.checked_sub(amount).ok_or(Overdrawn)?;
//!         Ok(self.balance)
//!     }
//! }
//!
//! impl Handles<Interest> for Account {
//!     type Answer = ();
//!     const WHEN_FULL: WhenFull = WhenFull::DropOldest;
//!
//!     fn handle(&mut self, _: Interest, _: &mut Ctx<Self>) {
//!         self.balance += self.balance / 100;
//!     }
//! }
//!
//! impl Handles<Audit> for Account {
//!     type Answer = Later<u64>;
//!
//!     fn handle(&mut self, _: Audit, _: &mut Ctx<Self>) -> Later<u64> {
//!         let balance = self.balance;
//!         Later::new(async move {
//!             tokio::time::sleep(Duration::from_millis(1)).await;
//!             balance
//!         })
//!     }
//! }
//!
//! // References come first, so that actors can be given each other's in any order.
//! let account = ActorRef::new("account");
//! let spec = SupervisorSpec::new("bank", Strategy::OneForOne).child(
//!     ChildSpec::new(&account, || Account { balance: 10 })
//!         .arbiter("ledger")
//!         .mailbox(256)
//!         .max_restarts(3, Duration::from_secs(60)),
//! );
//!
//! let outcome = actix::System::new().block_on(async {
//!     let tree = Tree::start(spec).await.unwrap();
//!     assert_eq!(account.ask(Withdraw(4)).await, Ok(Ok(6)));
//!     assert_eq!(account.ask(Withdraw(7)).await, Ok(Err(Overdrawn)));
//!     account.tell(Interest).unwrap();
//!     assert_eq!(account.ask(Audit).await, Ok(6));
//!
//!     let bank = tree.handle().snapshot();
//!     let withdrawals = bank.find("bank/account").unwrap().message("Withdraw").unwrap();
//!     assert_eq!((withdrawals.handled, withdrawals.failed), (2, 1));
//!     tree.shutdown().await
//! });
//! assert_eq!(outcome.exit_code(), 0);
//! ```
//!
//! # What holds
//!
//! - **A restart calls the factory.** Nothing of a failed generation is used again.
//! - **A start is synchronous and ordered.** [`Tree::start`] returns when the last child has
//!   started; or with the first error, when all before it have stopped again.
//! - **A stop is ordered**: the last child first, each in its time, then the threads are
//!   joined; [`Outcome`] tells what was left behind and is the process's exit code.
//! - **A caller always hears.** While an actor is down a send fails at once, or
//!   [waits bounded](ActorRef::within). An error says whether the message can have had an
//!   effect ([`AskError::was_never_handled`]). What is not handled is counted, by type and
//!   by reason.
//! - **Control comes before data.** A stop or a probe waits for one handler at most, however
//!   full the mailbox is; so do the actor's timers.
//! - **Failures escalate.** Too many restarts ([`Intensity`]) are a supervisor's own failure;
//!   at the root they end the tree, in order, with a failure as its outcome.
//! - **A snapshot asks nobody.** [`TreeHandle::snapshot`] reads figures, through no mailbox.
//!
//! What takes longer than half a millisecond belongs in a [`Pool`], whose results come back
//! as messages. Every bound has its reason in [`limits`].

mod activity;
mod actor;
mod actor_ref;
mod answer;
mod arbiter;
mod cell;
mod chance;
mod clock;
mod context;
mod dynamic;
mod envelope;
mod error;
mod exit;
mod health;
mod histogram;
mod launch;
pub mod limits;
mod mailbox;
mod metrics;
mod node;
mod offspring;
mod pool;
pub mod snapshot;
mod spec;
mod strategy;
mod supervisor;
#[cfg(test)]
mod tests;
mod tree;

pub use actix::Message;
pub use actor::{Actor, Handles, Mail, WhenAbandoned, WhenFull};
pub use actor_ref::{ActorRef, Recipient, Within};
pub use answer::{Answer, Later, Replier, Reply, ReplyValue, Value};
pub use chance::Chance;
pub use context::{Ctx, TaskHandle};
pub use dynamic::DynamicRef;
pub use error::{AskError, StartError, TellError};
pub use exit::{Exit, Failure};
pub use pool::{JobError, Pool, PoolError};
pub use snapshot::NodeSnapshot;
pub use spec::{ChildSpec, Made, SupervisorSpec};
pub use strategy::{Backoff, Intensity, Restart, Strategy};
pub use tree::{CrashError, Outcome, Tree, TreeHandle, TreeOptions};
