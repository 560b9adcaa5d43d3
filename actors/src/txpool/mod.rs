//! TxPoolActor: owner of the transaction pool.
//!
//! | message | what happens |
//! |---|---|
//! | [`AddLocal`] | accepted or refused, one by one; written to the journal, published, sent to followers, then answered |
//! | [`AddRemote`] | the same without the journal; a full mailbox drops the oldest |
//! | [`ChainChanged`] | the pool follows the new head; transactions of a reorg return, blob transactions with the sidecars that the limbo keeps |
//! | [`SetPriceLimit`] | cheaper transactions are dropped |
//! | [`DropTransactions`] | the user of a development chain drops transactions |
//! | [`FindBlobs`] | the sidecar of a blob transaction, also of one in a recent block |
//! | `Evict`, each minute | transactions that are queued too long are dropped; a missed head is followed |
//! | `Rejournal`, each hour | the journal is rewritten, without the transactions that have left the pool |
//!
//! Readers use the published snapshot, not messages. Expensive checks (signatures, blobs) are done
//! before a transaction reaches the actor, by [`TxPoolHandle`] and its [`TransactionVerifier`].
//!
//! A restarted actor begins with the journal and the state of the head: local transactions are back
//! before the first message is handled, those of peers come again from peers. At a takeover geth's
//! journal is read once, after our own.

mod geth_journal;
mod handle;
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
    txpool::{AddLocal, AddRemote, Added, DropTransactions, Dropped, FindBlobs, SetPriceLimit},
};
use actoreum_primitives::{B256, SenderRules, StateError};
use actoreum_storage::StateView;
use actoreum_txpool::{AddError, Head, Origin, Pool, PoolConfig, PoolReader, PoolTx, Status};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::{clock::ChainClock, log_limit::LogLimit};
use actoreum_supervision::{
    Actor, Backoff, Ctx, Exit, Failure, Handles, Message, Recipient, TellError, WhenAbandoned,
    WhenFull,
};
pub use geth_journal::GethJournal;
use geth_journal::GethTakeover;
pub use handle::{RemoteError, SubmitError, Submitted, TxPoolHandle};
pub use journal::JournalError;
use journal::LocalJournal;
use limbo::Limbo;
use reorg::{Capacity, LastHead};
pub use verifier::{RawTransaction, TransactionVerifier, VerifierMembership};

/// Interval of the eviction of transactions that are queued too long, as in geth.
const EVICT_PERIOD: Duration = Duration::from_secs(60);
/// Minimum interval of the journal's rotation, as in geth.
const MIN_REJOURNAL: Duration = Duration::from_secs(1);

/// Backoff for the pool's supervisor: its pauses are so much shorter than the timeout of a
/// submission that a crash is invisible to users.
pub const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    max: Duration::from_secs(2),
    healthy_after: Duration::from_secs(30),
};

/// Arguments of TxPoolActor, which survive its restarts.
#[derive(Clone)]
pub struct TxPoolSetup {
    /// The chain that the pool follows.
    pub chain_reader: ChainReader,
    /// The published snapshot.
    pub reader: PoolReader,
    /// The pool's settings.
    pub config: PoolConfig,
    /// The chain's clock, by which a head counts as current or not.
    pub clock: ChainClock,
    /// Path of the journal of local transactions; `None`: they do not survive a restart.
    pub journal: Option<PathBuf>,
    /// The journal of the geth that ran here before. It is not read without a journal of our own.
    pub geth_journal: Option<GethJournal>,
    /// Interval of the journal's rotation.
    pub rejournal: Duration,
    /// Actors that are notified of executable transactions.
    pub followers: Vec<Recipient<NewTransactions>>,
    /// Price limit in wei per gas, as [`SetPriceLimit`] set it; it survives restarts.
    price_limit: Arc<AtomicU64>,
    /// The last head of the pool before a restart.
    last_head: LastHead,
    /// Blob transactions that are in recent blocks.
    limbo: Limbo,
    /// Zero of the pool's clock.
    epoch: Instant,
}

impl TxPoolSetup {
    /// Creates a setup with geth's settings, without a journal and followers.
    pub fn new(
        chain_reader: ChainReader,
        reader: PoolReader,
        config: PoolConfig,
        clock: ChainClock,
    ) -> Self {
        Self {
            chain_reader,
            reader,
            price_limit: Arc::new(AtomicU64::new(config.price_limit)),
            config,
            clock,
            journal: None,
            geth_journal: None,
            rejournal: Duration::from_secs(3600),
            followers: Vec::new(),
            last_head: LastHead::default(),
            limbo: Limbo::default(),
            epoch: Instant::now(),
        }
    }

    /// Adds an actor that is notified of executable transactions.
    pub fn follower(mut self, follower: Recipient<NewTransactions>) -> Self {
        self.followers.push(follower);
        self
    }

    /// Creates the actor: reads the state of the head, then the journal.
    ///
    /// # Errors
    /// The state cannot be read, or the journal cannot be opened.
    pub fn start(self) -> Result<TxPoolActor, Failure> {
        let header = self.chain_reader.head();
        let state = self.chain_reader.state_at(header.number)?;
        let mut config = self.config.clone();
        config.price_limit = self.price_limit.load(Relaxed);
        let pool = Pool::new(config, pool_head(&self.chain_reader, &header));
        let mut actor = TxPoolActor {
            setup: self,
            pool,
            state,
            journal: None,
            takeover: None,
        };
        if let Some(path) = actor.setup.journal.clone() {
            let read = |actor: &mut TxPoolActor| actor.takeover = GethTakeover::read(actor);
            actor.journal = Some(LocalJournal::open(&mut actor, path, read)?);
        }
        if let Some(last_head) = actor.setup.last_head.get() {
            actor.follow_from(&last_head, None)?;
        }
        actor.setup.last_head.set(actor.pool.head().hash);
        actor.publish();
        Ok(actor)
    }
}

/// Returns the fields of a head that the pool's rules need.
fn pool_head(chain_reader: &ChainReader, header: &SealedHeader) -> Head {
    let next_base_fee = next_base_fee(chain_reader.config(), header);
    Head::new(chain_reader.config(), header, header.hash(), next_base_fee)
}

/// Returns the signature rules of the block after the head.
fn sender_rules(chain_reader: &ChainReader) -> SenderRules {
    let head = chain_reader.head();
    SenderRules::at(chain_reader.config(), head.number + 1, head.timestamp)
}

/// Actor that owns the transaction pool; see the module.
pub struct TxPoolActor {
    setup: TxPoolSetup,
    pool: Pool,
    /// The state after the pool's head.
    state: StateView,
    journal: Option<LocalJournal>,
    /// The takeover of geth's journal, until it has ended.
    takeover: Option<GethTakeover>,
}

/// Timer message: evict transactions.
#[derive(Message)]
struct Evict;

/// Timer message: rotate the journal.
#[derive(Message)]
struct Rejournal;

impl TxPoolActor {
    /// Returns the pool's clock in seconds.
    fn now(&self) -> u64 {
        self.setup.epoch.elapsed().as_secs()
    }

    fn add_all(&mut self, transactions: Vec<Arc<PoolTx>>, origin: Origin) -> Added {
        let added: Added = transactions
            .into_iter()
            .map(|transaction| self.add(transaction, origin))
            .collect();
        if added.iter().any(Result::is_ok) {
            self.publish_changes();
        }
        added
    }

    fn add(&mut self, transaction: Arc<PoolTx>, origin: Origin) -> Result<Status, AddError> {
        let now = self.now();
        let added = self
            .pool
            .add(Arc::clone(&transaction), origin, &self.state, now);
        match added {
            // A reorg removed the state of the pool's head, and its event is still to come.
            Err(AddError::State(_)) if self.is_behind() => {
                self.follow(None)?;
                self.pool.add(transaction, origin, &self.state, now)
            }
            added => added,
        }
    }

    /// Returns whether the chain's head is as young as that of a synced chain.
    fn is_head_current(&self) -> bool {
        let head = self.setup.chain_reader.head();
        geth_journal::is_current(&head, self.setup.clock.unix_seconds())
    }

    fn is_behind(&self) -> bool {
        self.setup.chain_reader.head().hash() != self.pool.head().hash
    }

    /// Moves the pool to the chain's head, with the transactions of blocks that left it.
    fn follow(&mut self, changed: Option<&ChainChanged>) -> Result<(), StateError> {
        let last_head = self.pool.head().hash;
        self.follow_from(&last_head, changed)
    }

    fn follow_from(
        &mut self,
        last_head: &B256,
        changed: Option<&ChainChanged>,
    ) -> Result<(), StateError> {
        let capacity = Capacity::of(self.pool.config());
        let chain_reader = &self.setup.chain_reader;
        let limbo = &self.setup.limbo;
        let removed = reorg::reinjected(chain_reader, last_head, changed, capacity, limbo);
        let before = self.pool.snapshot();
        let header = chain_reader.head();
        let state = chain_reader.state_at(header.number)?;
        let head = pool_head(chain_reader, &header);
        let now = self.now();
        self.pool.reset(head, &state, removed, now)?;
        // If a block cannot be read, its transactions are not kept: a reorg loses their sidecars.
        let block_of = |hash: &B256| chain_reader.store().transaction_block(hash).ok()?;
        limbo.keep_included(&before, &self.pool.snapshot(), block_of);
        limbo.prune(head.number);
        self.state = state;
        self.setup.last_head.set(head.hash);
        Ok(())
    }

    /// Journals, publishes and announces what changed, in this order. Returns whether the journal
    /// is complete.
    fn publish_changes(&mut self) -> bool {
        let changes = self.pool.take_changes();
        let journal = self.journal.as_mut();
        let is_lasting = journal.is_none_or(|journal| journal.append(&changes.journal));
        self.publish();
        if changes.pending.is_empty() {
            return is_lasting;
        }
        let message = NewTransactions {
            transactions: changes.pending.into(),
        };
        for follower in &self.setup.followers {
            match follower.tell(message.clone()) {
                Ok(()) => {}
                // A follower that is down looks at the pool when it starts: at the node's start,
                // after the journal.
                Err(TellError::Unavailable(_)) => {
                    debug!(follower = follower.path(), "follower of the pool is down");
                }
                Err(error @ (TellError::Full(_) | TellError::Quarantined(_))) => {
                    if let Some(suppressed) = NOT_DELIVERED.admit() {
                        let follower = follower.path();
                        warn!(follower, %error, suppressed, "new transactions not delivered");
                    }
                }
            }
        }
        is_lasting
    }

    /// Tries the waiting transactions of geth's journal again.
    fn retry_takeover(&mut self) {
        let Some(mut takeover) = self.takeover.take() else {
            return;
        };
        takeover.retry(self);
        self.takeover = Some(takeover);
    }

    /// Ends the takeover of geth's journal, if none of its transactions waits and those accepted
    /// are in our own journal.
    fn finish_takeover(&mut self, is_lasting: bool) {
        if is_lasting {
            self.takeover = self.takeover.take().and_then(GethTakeover::finish);
        }
    }

    fn publish(&self) {
        self.setup.reader.publish(self.pool.snapshot());
    }
}

/// Followers that peers keep busy, or that are restarting, miss transactions.
static NOT_DELIVERED: LogLimit = LogLimit::new();

impl Actor for TxPoolActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.notify_every(EVICT_PERIOD, || Evict);
        if self.journal.is_some() {
            let period = self.setup.rejournal.max(MIN_REJOURNAL);
            ctx.notify_every(period, || Rejournal);
        }
        let is_lasting = self.publish_changes();
        self.finish_takeover(is_lasting);
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
                if self.takeover.is_some() && self.is_head_current() {
                    self.retry_takeover();
                }
                let is_lasting = self.publish_changes();
                self.finish_takeover(is_lasting);
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
        self.publish_changes();
        left
    }
}

impl Handles<FindBlobs> for TxPoolActor {
    type Answer = Option<Arc<PoolTx>>;

    fn handle(&mut self, wanted: FindBlobs, _: &mut Ctx<Self>) -> Self::Answer {
        let snapshot = self.pool.snapshot();
        let limbo = &self.setup.limbo;
        match wanted {
            FindBlobs::OfTransaction(hash) => {
                let waiting = snapshot.get(&hash).cloned();
                let found = waiting.or_else(|| limbo.get(&hash));
                found.filter(|transaction| transaction.pooled().sidecar.is_some())
            }
            FindBlobs::Versioned(hash) => {
                let waiting = snapshot
                    .senders()
                    .flat_map(|sender| sender.pending().chain(sender.queued()))
                    .find(|it| it.transaction().blob_hashes().contains(&hash));
                waiting.cloned().or_else(|| limbo.with_blob(&hash))
            }
        }
    }
}

impl Handles<DropTransactions> for TxPoolActor {
    type Answer = usize;

    fn handle(&mut self, DropTransactions(dropped): DropTransactions, _: &mut Ctx<Self>) -> usize {
        let left = self.pool.drop_transactions(|tx| match dropped {
            Dropped::One(hash) => tx.hash() == hash,
            Dropped::OfSender(sender) => tx.sender() == sender,
            Dropped::All => true,
        });
        if left > 0 {
            self.publish_changes();
            // The journal would bring them back.
            if let Some(journal) = &mut self.journal {
                journal.rotate(&self.pool);
            }
        }
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
        self.retry_takeover();
        let is_lasting = self.publish_changes();
        let head = self.setup.chain_reader.head();
        if let Some(takeover) = &mut self.takeover {
            takeover.on_minute(&head, self.setup.clock.unix_seconds());
        }
        self.finish_takeover(is_lasting);
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
