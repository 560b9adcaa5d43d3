//! TxPoolActor: owns the transaction pool.
//!
//! | message | what happens |
//! |---|---|
//! | [`AddLocal`] | taken or refused, one by one; written to the journal, shown to readers, told to followers, then answered |
//! | [`AddRemote`] | the same without the journal; the oldest give way in a full mailbox |
//! | [`ChainChanged`] | the pool stands on the new head; what a reorg took back returns, blob transactions with the sidecars that the limbo kept |
//! | [`SetPriceLimit`] | what offers less leaves |
//! | `Evict`, each minute | what has waited too long leaves; a head that was missed is followed |
//! | `Rejournal`, each hour | the journal is written anew, without what has left the pool |
//!
//! Reads are no messages: they go through the published snapshot. What takes long (signatures,
//! blobs) was done before a transaction comes here, by [`TxPoolHandle`] and its
//! [`TransactionVerifier`].
//!
//! A new generation begins with the journal and the state of the head: local transactions are
//! back before the first message is handled, those of peers come again from peers. At a takeover
//! geth's journal is read once, after our own.

mod handle;
mod inherited;
mod journal;
mod limbo;
pub mod limits;
mod reorg;
#[cfg(test)]
mod tests;
mod verifier;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use actoreum_chain::{ChainReader, SealedHeader};
use actoreum_consensus::rules::base_fee::next_base_fee;
use actoreum_messages::{
    events::{ChainCause, ChainChanged, NewTransactions},
    txpool::{AddLocal, AddRemote, Added, SetPriceLimit},
};
use actoreum_primitives::{B256, SenderRules, StateError};
use actoreum_storage::StateView;
use actoreum_txpool::{AddError, Head, Origin, Pool, PoolConfig, PoolReader, PoolTx, Status};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::log_limit::LogLimit;
use crate::supervision::{
    Actor, Backoff, Ctx, Exit, Failure, Handles, Message, Recipient, TellError, WhenAbandoned,
    WhenFull,
};
pub use handle::{RemoteError, SubmitError, Submitted, TxPoolHandle};
use inherited::Inherited;
pub use inherited::InheritedJournal;
use journal::LocalJournal;
use limbo::Limbo;
use reorg::{Room, StoodOn};
pub use verifier::{Lane, RawTransaction, TransactionVerifier};

/// Time between two looks for transactions that have waited too long, as in geth.
const EVICT_PERIOD: Duration = Duration::from_secs(60);
/// The least time between two rotations of the journal, as in geth.
const LEAST_REJOURNAL: Duration = Duration::from_secs(1);

/// For the pool's supervisor: the pauses before a crashed pool begins again are so much shorter
/// than what a submission waits for it that no user hears of a crash.
pub const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    max: Duration::from_secs(2),
    healthy_after: Duration::from_secs(30),
};

/// What every generation of a TxPoolActor is made from.
#[derive(Clone)]
pub struct TxPoolSetup {
    /// The chain that it follows.
    pub chain: ChainReader,
    /// Where readers see the pool; it outlives every generation.
    pub reader: PoolReader,
    /// The pool's settings.
    pub config: PoolConfig,
    /// The file that local transactions survive in; `None`: they don't.
    pub journal: Option<PathBuf>,
    /// The journal of the node that ran here before. Without a journal of our own it is not read.
    pub inherited: Option<InheritedJournal>,
    /// Time between two rotations of the journal.
    pub rejournal: Duration,
    /// Who hears of transactions that can be executed.
    pub followers: Vec<Recipient<NewTransactions>>,
    /// What [`SetPriceLimit`] set; it outlives every generation, in wei a gas.
    price_limit: Arc<AtomicU64>,
    /// The block that the last generation stood on.
    stood_on: StoodOn,
    /// Blob transactions that are in a block.
    limbo: Limbo,
    /// The zero of the pool's clock.
    epoch: Instant,
}

impl TxPoolSetup {
    /// A pool with geth's settings, without a journal and followers.
    pub fn new(chain: ChainReader, reader: PoolReader, config: PoolConfig) -> Self {
        Self {
            chain,
            reader,
            price_limit: Arc::new(AtomicU64::new(config.price_limit)),
            config,
            journal: None,
            inherited: None,
            rejournal: Duration::from_secs(3600),
            followers: Vec::new(),
            stood_on: StoodOn::default(),
            limbo: Limbo::default(),
            epoch: Instant::now(),
        }
    }

    /// Adds somebody who hears of transactions that can be executed.
    pub fn follower(mut self, follower: Recipient<NewTransactions>) -> Self {
        self.followers.push(follower);
        self
    }

    /// Makes the next generation: the head's state, then the journal.
    ///
    /// # Errors
    /// The state can't be read, or the journal can't be opened.
    pub fn open(self) -> Result<TxPoolActor, Failure> {
        let header = self.chain.head();
        let state = self.chain.state_at(header.number)?;
        let mut config = self.config.clone();
        config.price_limit = self.price_limit.load(Relaxed);
        let pool = Pool::new(config, pool_head(&self.chain, &header));
        let mut actor = TxPoolActor {
            setup: self,
            pool,
            state,
            journal: None,
            inherited: None,
        };
        if let Some(path) = actor.setup.journal.clone() {
            let read = |actor: &mut TxPoolActor| actor.inherited = Inherited::read(actor);
            actor.journal = Some(LocalJournal::open(&mut actor, path, read)?);
        }
        if let Some(stood_on) = actor.setup.stood_on.get() {
            actor.follow_from(&stood_on, None)?;
        }
        actor.setup.stood_on.set(actor.pool.head().hash);
        actor.publish();
        Ok(actor)
    }
}

/// What the pool's rules need of a head.
fn pool_head(chain: &ChainReader, header: &SealedHeader) -> Head {
    let next_base_fee = next_base_fee(chain.config(), header);
    Head::new(chain.config(), header, header.hash(), next_base_fee)
}

/// The signatures that the block after the head allows.
fn sender_rules(chain: &ChainReader) -> SenderRules {
    let head = chain.head();
    SenderRules::at(chain.config(), head.number + 1, head.timestamp)
}

/// See the module.
pub struct TxPoolActor {
    setup: TxPoolSetup,
    pool: Pool,
    /// The state after the pool's head.
    state: StateView,
    journal: Option<LocalJournal>,
    /// What is left of a former node's journal.
    inherited: Option<Inherited>,
}

/// A minute has passed.
#[derive(Message)]
#[rtype(result = "()")]
struct Evict;

/// It is time to rotate the journal.
#[derive(Message)]
#[rtype(result = "()")]
struct Rejournal;

impl TxPoolActor {
    /// Seconds of the pool's clock.
    fn now(&self) -> u64 {
        self.setup.epoch.elapsed().as_secs()
    }

    fn add_all(&mut self, transactions: Vec<Arc<PoolTx>>, origin: Origin) -> Added {
        let added: Added = transactions
            .into_iter()
            .map(|transaction| self.add(transaction, origin))
            .collect();
        if added.iter().any(Result::is_ok) {
            self.settle();
        }
        added
    }

    fn add(&mut self, transaction: Arc<PoolTx>, origin: Origin) -> Result<Status, AddError> {
        let now = self.now();
        let added = self
            .pool
            .add(Arc::clone(&transaction), origin, &self.state, now);
        match added {
            // A reorg took the state of the pool's head away, and is still to be told.
            Err(AddError::State(_)) if self.is_behind() => {
                self.follow(None)?;
                self.pool.add(transaction, origin, &self.state, now)
            }
            added => added,
        }
    }

    fn is_behind(&self) -> bool {
        self.setup.chain.head().hash() != self.pool.head().hash
    }

    /// Stands on the chain's head, with what came back from blocks that left it.
    fn follow(&mut self, changed: Option<&ChainChanged>) -> Result<(), StateError> {
        let stood_on = self.pool.head().hash;
        self.follow_from(&stood_on, changed)
    }

    fn follow_from(
        &mut self,
        stood_on: &B256,
        changed: Option<&ChainChanged>,
    ) -> Result<(), StateError> {
        let room = Room::of(self.pool.config());
        let limbo = &self.setup.limbo;
        let removed = reorg::returned(&self.setup.chain, stood_on, changed, room, limbo);
        let before = self.pool.snapshot();
        let header = self.setup.chain.head();
        let state = self.setup.chain.state_at(header.number)?;
        let head = pool_head(&self.setup.chain, &header);
        let now = self.now();
        self.pool.reset(head, &state, removed, now)?;
        // What cannot be read is not kept: it would be lost without the limbo, too.
        let block_of = |hash: &B256| self.setup.chain.store().transaction_block(hash).ok()?;
        limbo.keep_included(&before, &self.pool.snapshot(), block_of);
        limbo.prune(head.number);
        self.state = state;
        self.setup.stood_on.set(head.hash);
        Ok(())
    }

    /// Makes lasting, shows and tells what changed, in this order. Returns whether the journal has
    /// what it should.
    fn settle(&mut self) -> bool {
        let changes = self.pool.take_changes();
        let journal = self.journal.as_mut();
        let is_lasting = journal.is_none_or(|journal| journal.append(&changes.journal));
        self.publish();
        if changes.pending.is_empty() {
            return is_lasting;
        }
        let news = NewTransactions {
            transactions: changes.pending.into(),
        };
        for follower in &self.setup.followers {
            match follower.tell(news.clone()) {
                Ok(()) => {}
                // It looks at the pool when it starts: at the node's start, after the journal.
                Err(TellError::Unavailable(_)) => {
                    debug!(follower = follower.path(), "follower of the pool is down");
                }
                Err(error @ TellError::Full(_)) => {
                    if let Some(left_out) = NOT_DELIVERED.admit() {
                        let follower = follower.path();
                        warn!(follower, %error, left_out, "new transactions not delivered");
                    }
                }
            }
        }
        is_lasting
    }

    /// Tries what is left of a former node's journal again.
    fn retry_inherited(&mut self) {
        let Some(mut inherited) = self.inherited.take() else {
            return;
        };
        inherited.retry(self);
        self.inherited = Some(inherited);
    }

    /// Notes that a former node's journal was read, if all of it was dealt with and what was taken
    /// is in our own.
    fn finish_inherited(&mut self, is_lasting: bool) {
        if is_lasting {
            self.inherited = self.inherited.take().and_then(Inherited::finish);
        }
    }

    fn publish(&self) {
        self.setup.reader.publish(self.pool.snapshot());
    }
}

/// Followers that peers keep busy, or that start again, miss transactions.
static NOT_DELIVERED: LogLimit = LogLimit::new();

impl Actor for TxPoolActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.notify_every(EVICT_PERIOD, || Evict);
        if self.journal.is_some() {
            let period = self.setup.rejournal.max(LEAST_REJOURNAL);
            ctx.notify_every(period, || Rejournal);
        }
        let is_lasting = self.settle();
        self.finish_inherited(is_lasting);
        Ok(())
    }

    async fn stopped(self, _: &Exit) {
        info!("transaction pool stopped");
    }
}

impl Handles<AddLocal> for TxPoolActor {
    type Answer = Added;
    const WHEN_FULL: WhenFull = WhenFull::Wait;

    fn handle(&mut self, message: AddLocal, _: &mut Ctx<Self>) -> Added {
        self.add_all(message.transactions, Origin::Local)
    }
}

impl Handles<AddRemote> for TxPoolActor {
    type Answer = Added;
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;
    const WHEN_ABANDONED: WhenAbandoned = WhenAbandoned::Handle;

    fn handle(&mut self, message: AddRemote, _: &mut Ctx<Self>) -> Added {
        self.add_all(message.transactions, Origin::Remote(message.peer))
    }
}

impl Handles<ChainChanged> for TxPoolActor {
    type Answer = ();

    fn handle(&mut self, message: ChainChanged, _: &mut Ctx<Self>) {
        let is_rewind = matches!(message.cause, ChainCause::Rewind(_));
        if !is_rewind && !self.is_behind() {
            return;
        }
        match self.follow(Some(&message)) {
            Ok(()) => {
                if self.inherited.is_some() && inherited::is_current(&self.setup.chain.head()) {
                    self.retry_inherited();
                }
                let is_lasting = self.settle();
                self.finish_inherited(is_lasting);
            }
            Err(error) => warn!(%error, "pool could not follow the chain, waits for the next head"),
        }
    }
}

impl Handles<SetPriceLimit> for TxPoolActor {
    type Answer = usize;

    fn handle(&mut self, message: SetPriceLimit, _: &mut Ctx<Self>) -> usize {
        self.setup.price_limit.store(message.price_limit, Relaxed);
        let left = self.pool.set_price_limit(message.price_limit);
        let price_limit = message.price_limit;
        info!(price_limit, left, "pool price limit updated");
        self.settle();
        left
    }
}

impl Handles<Evict> for TxPoolActor {
    type Answer = ();

    fn handle(&mut self, _: Evict, _: &mut Ctx<Self>) {
        if self.is_behind()
            && let Err(error) = self.follow(None)
        {
            warn!(%error, "pool could not follow the chain");
        }
        let now = self.now();
        let left = self.pool.evict_expired(now);
        if left > 0 {
            info!(left, "queued transactions expired");
        }
        self.retry_inherited();
        let is_lasting = self.settle();
        let head = self.setup.chain.head();
        if let Some(inherited) = &mut self.inherited {
            inherited.minute_passed(&head);
        }
        self.finish_inherited(is_lasting);
    }
}

impl Handles<Rejournal> for TxPoolActor {
    type Answer = ();

    fn handle(&mut self, _: Rejournal, _: &mut Ctx<Self>) {
        if let Some(journal) = &mut self.journal {
            journal.rotate(&self.pool);
        }
    }
}
