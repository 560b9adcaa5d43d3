//! Supervised actors in the manner of Erlang/OTP: a supervision tree on top of actix.
//!
//! actix provides the contexts and the threads. This crate adds the features that actix lacks (each
//! gap is demonstrated by a test in `src/tests/actix_facts`): restarts from a factory, references
//! that outlive a restart, bounded mailboxes with a backpressure policy, control messages that no
//! flood of data can block, ordered start and stop, and metrics for every message type without any
//! code in the actor.
//!
//! ```text
//!            Tree::start(spec)                             TreeHandle: snapshot, stop, crash
//!                   |                                              |
//!   thread of the   v                                              v reads
//!   actix system   supervisor ---- starts, awaits the join handle, ----> Node (one for each
//!   (runs no actor  |   |          restarts, stops                        child, permanent):
//!   code)           |   `- supervisor (with children of its own)          state, incidents,
//!                   |                                                     metrics
//!                   | spawns the context's future                          ^
//!   ................|......................................................|..............
//!   arbiter         v                                                      | writes
//!   (one for each  actix Context --- actix mailbox: stop, ping (first) ----|
//!   latency class)  `- Driver ------ timers, futures, streams -------------|
//!                        `---------- data queue: bounded, in order --------'
//!                                         ^
//!   any thread      ActorRef::tell, ask --'   the same reference for all generations
//! ```
//!
//! # An actor
//!
//! An actor is a struct with a lifecycle and one [`Handles`] implementation for each message
//! type that it accepts.
//!
//! ```
//! use std::time::Duration;
//!
//! use actoreum_supervision::{
//!     Actor, ActorRef, ChildSpec, Ctx, Failure, Handles, Later, Message, Strategy,
//!     SupervisorSpec, Tree, WhenFull,
//! };
//!
//! #[derive(Message)]
//! #[answer(Result<u64, Overdrawn>)]
//! struct Withdraw(u64);
//!
//! #[derive(Message)]
//! struct Interest;
//!
//! #[derive(Message)]
//! #[answer(u64)]
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
//! let outcome = actoreum_supervision::block_on(async {
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
//! # Guarantees
//!
//! - **A restart calls the factory.** No state of a failed generation is used again. Its queued
//!   messages are lost and counted, or go to the next generation ([`ChildSpec::on_restart`]); a
//!   message type that crashes an actor again and again can be quarantined.
//! - **A start is synchronous and ordered.** [`Tree::start`] returns when the last child has
//!   started, or with the first error once all children started before it have stopped again.
//! - **A stop is ordered**: the last child first, each within its stop timeout, then the threads
//!   are joined. [`Outcome`] lists what did not end and how many accepted messages were not handled,
//!   and gives the process's exit code. With [`ChildSpec::drain`] a child first handles what it has
//!   accepted. A stop never overtakes messages that later siblings sent from their `stopped` hooks.
//! - **A caller always gets a result.** While an actor is down, a send fails at once or
//!   [waits for a bounded time](ActorRef::within). The mailbox closes before a caller sees that its
//!   request was interrupted; a request that waits and was not handled is sent to the next
//!   generation. An error says whether the message can have had
//!   an effect ([`AskError::was_never_handled`]). Messages that are not handled are counted, by
//!   type and by reason.
//! - **Control comes before data.** A stop or a health probe waits for one handler at most,
//!   however full the mailbox is, or however many timers and streams are ready; so do the actor's
//!   timers. After [`Ctx::stop`] in `started` no message is handled.
//! - **Actors of one arbiter share its time.** A turn has a budget of messages, futures and items of
//!   streams together, and of time; an actor whose handlers take longer waits for as long afterwards
//!   while others have work ([`limits::TURN_DEBT`]). An actor that another thread wakes has its turn after
//!   at most one long turn of each busy one.
//! - **Actors that ask each other in a circle are named**: by an incident, and in the snapshot with
//!   the requests that have waited for a second or longer.
//! - **Every end is reported.** A watcher ([`Ctx::monitor`], [`ChildSpec::monitored_by`]) is told of
//!   each end, also by a restart of the group. A temporary child that is stopped with its group stays down.
//! - **Supervisors outlive their children's code.** Destructors, error texts and closures of a child
//!   that panic do not end its supervisor; the children of a supervisor that is killed are stopped.
//! - **Failures escalate.** Too many restarts ([`Intensity`]) are a failure of the supervisor;
//!   at the root they stop the tree, in order, with a failure as its outcome.
//! - **An arbiter that has ended is replaced**: the next start of an actor on it opens a new thread.
//!   Its loss counts as one failure, however many actors ran on it.
//! - **An actor that hangs can be replaced** ([`ChildSpec::when_stuck`]): its thread is abandoned, its
//!   callers get [`AskError::Interrupted`], and the actors of its arbiter restart on a new thread.
//! - **A snapshot uses no mailbox.** [`TreeHandle::snapshot`] reads atomics and short locks, and so
//!   do [`TreeHandle::arbiters`] (busy share, lag and busiest actor of each thread) and
//!   [`TreeHandle::incidents`] (the failures, restarts with a group and hangs of the whole tree).
//! - **Late work is skipped.** A request may have a deadline ([`Handles::DEADLINE`],
//!   [`ActorRef::with_deadline`]). Where the actor has not begun with it by then, it does not; the caller
//!   gets [`AskError::Expired`].
//! - **Mailboxes are bounded** in messages and, with [`ChildSpec::mailbox_bytes`], in bytes
//!   ([`Message::weight`]). Messages of [`Priority::High`] are handled first, and do not starve the others.
//! - **Owed answers are bounded.** A request whose answer comes later ([`Later`]) stays in the mailbox
//!   while the actor owes [as many as it may](limits::OWED_ANSWERS), so that a full mailbox means the
//!   same for slow answers; messages that owe none pass it.
//!
//! With the feature `spans`, the `tracing` span in which a message is sent is the parent of the span
//! `handle` in which it is handled ([`SPANS_TARGET`]), and the futures of a handler run in its span.
//!
//! Work that takes longer than half a millisecond belongs in a [`Pool`], whose results come back
//! as messages. Jobs of two generations of a pool never overlap; each has a name, may have a deadline,
//! is skipped where its caller has left, and is reported where it hangs. Every bound has its reason in
//! [`limits`].
//!
//! The tests prove each guarantee; `src/tests/model` also compares random trees, crashes and floods,
//! with deadlines, weights and priorities, with a sequential model of OTP's rules after each step.

// The derive macro names the crate by its path.
#[cfg(any(test, feature = "testing"))]
extern crate self as actoreum_supervision;

#[cfg(test)]
mod tests;

mod kernel;
pub mod limits;
mod observe;
mod run;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tree;

/// The target of the spans in which messages are handled, and which continue from mailbox to mailbox
/// (the feature `spans`).
pub const SPANS_TARGET: &str = "actoreum_supervision::spans";

pub use actoreum_supervision_derive::Message;
/// # Examples
///
/// ```
/// use actoreum_supervision::{ActorRef, ChildSpec, Strategy, SupervisorSpec, actor, run};
///
/// struct Counter(u64);
///
/// #[actor]
/// impl Counter {
///     #[message]
///     fn add(&mut self, number: u64) -> u64 {
///         self.0 += number;
///         self.0
///     }
/// }
///
/// let counter = ActorRef::new("counter");
/// let child = ChildSpec::new(&counter, || Counter(0));
/// let root = SupervisorSpec::new("root", Strategy::OneForOne).child(child);
/// run(root, async |_| assert_eq!(counter.ask(Add { number: 2 }).await, Ok(2))).unwrap();
/// ```
///
/// # Mistakes
///
/// Each is an error of the compiler at the line that is wrong. A handler without a message:
///
/// ```compile_fail
/// # use actoreum_supervision::actor;
/// struct Counter(u64);
///
/// #[actor]
/// impl Counter {
///     #[handler]
///     fn add(&mut self) {}
/// }
/// ```
///
/// An answer of another type than the message's, here `u64`:
///
/// ```compile_fail,E0277
/// # use actoreum_supervision::{Message, actor};
/// #[derive(Message)]
/// #[answer(u64)]
/// struct Add(u64);
///
/// struct Counter(u64);
///
/// #[actor]
/// impl Counter {
///     #[handler]
///     fn add(&mut self, Add(number): Add) -> String {
///         number.to_string()
///     }
/// }
/// ```
///
/// A policy that does not exist:
///
/// ```compile_fail,E0599
/// # use actoreum_supervision::{Message, actor};
/// struct Counter(u64);
///
/// #[actor]
/// impl Counter {
///     #[message(when_full = DropNewest)]
///     fn add(&mut self, number: u64) {
///         self.0 += number;
///     }
/// }
/// ```
///
/// An asynchronous handler, which would hold the actor's state over an `await`:
///
/// ```compile_fail
/// # use actoreum_supervision::actor;
/// struct Counter(u64);
///
/// #[actor]
/// impl Counter {
///     #[message]
///     async fn add(&mut self, number: u64) -> u64 {
///         self.0 + number
///     }
/// }
/// ```
pub use actoreum_supervision_derive::actor;
pub use actoreum_supervision_derive::handlers;
pub use kernel::actor::{Actor, Handles, Message, Priority, WhenAbandoned, WhenFull};
pub use kernel::actor_ref::ActorRef;
pub use kernel::answer::{Answer, Later, Replier, Reply, ReplyValue, Value};
pub use kernel::clock::Clock;
pub use kernel::context::{Ctx, TaskHandle};
pub use kernel::deadline::WithDeadline;
pub use kernel::error::{AskError, StartError, TellError};
pub use kernel::exit::{Exit, Failure};
pub use kernel::hang::{ArbiterLoss, WhenStuck};
pub use kernel::monitor::{Down, Monitor};
pub use kernel::pool::{JobError, JobSpec, Pool, PoolError, RunningPool};
pub use kernel::recipient::Recipient;
#[cfg(feature = "spans")]
pub use kernel::spans::continue_spans;
pub use kernel::within::Within;
pub use observe::incidents::{IncidentKind, IncidentLog, IncidentRecord};
pub use observe::snapshot::{self, NodeSnapshot};
pub use run::{block_on, run};
pub use tree::dynamic::DynamicRef;
pub use tree::handle::{CrashError, TreeHandle};
pub use tree::outcome::Outcome;
pub use tree::rng::SeededRng;
pub use tree::root::{Tree, TreeOptions};
pub use tree::spec::{ChildSpec, IntoActor, SupervisorSpec};
pub use tree::strategy::{Backoff, Intensity, Mailbox, Restart, Strategy};

/// The examples of the README and of the guide, which are compiled and run as tests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    mod readme {}

    #[doc = include_str!("../../../docs/supervision.md")]
    mod guide {}
}
