//! The pending block: the block that would be sealed next.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actoreum_chain::{
    BuildError, BuildPlan, BuiltBlock, ChainReader, LogCriteria, LogWithMeta, SealedHeader,
};
use actoreum_consensus::{Engine, rules::gas_limit};
use actoreum_primitives::{
    AccountInfo, Address, B256, Block, Bytes, Receipt, SenderRules, StateAfter, StateDiff,
    StateError, StateReader, U256,
};
use actoreum_storage::{AccountProof, StateView, StorageError};
use actoreum_txpool::Snapshot;
use parking_lot::Mutex;
use tracing::debug;

use super::build::{BuildOutcome, Interrupts, build};
use crate::{clock::ChainClock, sealing::control::MinerSettings};

/// Factor of the build time for which a pending block is reused: building takes at most this part
/// of the time.
const REUSE_FACTOR: u32 = 10;

/// A block without its seal, and the state after it.
pub struct PendingBlock {
    /// The block. Its state root is right, its seal is missing.
    pub block: Arc<Block>,
    /// Senders of its transactions, one each.
    pub senders: Arc<Vec<Address>>,
    /// Receipts of its transactions.
    pub receipts: Arc<Vec<Receipt>>,
    /// Receiver of the fees.
    pub author: Address,
    below: StateView,
    diff: StateDiff,
}

impl PendingBlock {
    /// Proves an account and slots of it in the state after the block. Returns `None` if the parent
    /// block has left the chain of `reader`.
    ///
    /// # Errors
    /// The tries cannot be read.
    pub fn prove(
        &self,
        reader: &ChainReader,
        address: &Address,
        slots: &[U256],
    ) -> Result<Option<AccountProof>, StorageError> {
        let header = &self.block.header;
        let parent = header.number.saturating_sub(1);
        let root = header.state_root;
        reader
            .store()
            .prove_after(parent, &self.diff, root, address, slots)
    }

    /// Returns the logs that match `criteria`, in order, of the transactions that are wanted. The
    /// block has no hash yet: it is zero, as in geth.
    pub fn logs(
        &self,
        criteria: &LogCriteria,
        is_wanted: impl Fn(&B256) -> bool,
    ) -> Vec<LogWithMeta> {
        let logs = criteria.select(B256::ZERO, &self.block, &self.receipts, false);
        logs.filter(|log| is_wanted(&log.transaction_hash))
            .collect()
    }
}

impl PendingBlock {
    fn state(&self) -> StateAfter<'_> {
        StateAfter {
            below: &self.below,
            diff: &self.diff,
        }
    }
}

impl StateReader for PendingBlock {
    fn account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError> {
        self.state().account(address)
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        self.state().storage(address, slot)
    }

    fn code(&self, code_hash: &B256) -> Result<Bytes, StateError> {
        self.state().code(code_hash)
    }

    fn has_storage(&self, address: &Address) -> Result<bool, StateError> {
        self.state().has_storage(address)
    }
}

/// Builds the pending block on request, as WorkerActor builds the block that it seals, and caches
/// it for as long as it would be the same.
pub struct PendingBlocks {
    clock: ChainClock,
    cached: Mutex<Option<CachedBlock>>,
}

struct CachedBlock {
    block: Arc<PendingBlock>,
    parent: B256,
    settings: MinerSettings,
    pool: Option<Arc<Snapshot>>,
    /// Timestamp of the block, in seconds since 1970.
    second: u64,
    /// Shift of the clock, which a user of a development chain may move by years.
    clock_shift: i64,
    built: Instant,
    build_time: Duration,
}

impl CachedBlock {
    fn is_good(
        &self,
        parent: &SealedHeader,
        settings: &MinerSettings,
        pool: Option<&Arc<Snapshot>>,
        second: u64,
    ) -> bool {
        let is_same_pool = match (&self.pool, pool) {
            (Some(cached), Some(pool)) => Arc::ptr_eq(cached, pool),
            (None, None) => true,
            _ => false,
        };
        let is_fresh = (is_same_pool && self.second == second)
            || self.built.elapsed() < self.build_time.saturating_mul(REUSE_FACTOR);
        self.parent == parent.hash() && self.settings == *settings && is_fresh
    }
}

impl PendingBlocks {
    /// Creates the source of blocks with the time of the chain's clock; the cache is empty.
    pub fn new(clock: ChainClock) -> Self {
        Self {
            clock,
            cached: Mutex::default(),
        }
    }

    /// Returns the block after the head, with the transactions of `pool` and by `settings`. `None`
    /// where none can be built now.
    pub fn get(
        &self,
        chain_reader: &ChainReader,
        engine: &dyn Engine,
        settings: &MinerSettings,
        pool: Option<Arc<Snapshot>>,
    ) -> Option<Arc<PendingBlock>> {
        // Concurrent callers wait here, and get the same block.
        let mut cached = self.cached.lock();
        let parent = chain_reader.head();
        let wanted = settings.dev.next_timestamp(parent.timestamp);
        let second = wanted.unwrap_or_else(|| self.clock.unix_seconds());
        let clock_shift = self.clock.shift();
        if let Some(cached) = &*cached
            && cached.clock_shift == clock_shift
            && cached.is_good(&parent, settings, pool.as_ref(), second)
        {
            return Some(Arc::clone(&cached.block));
        }
        let built = Instant::now();
        let hash = parent.hash();
        match build_pending(
            chain_reader,
            engine,
            settings,
            parent,
            second,
            pool.as_deref(),
        ) {
            Ok(block) => {
                let block = Arc::new(block);
                *cached = Some(CachedBlock {
                    block: Arc::clone(&block),
                    parent: hash,
                    settings: settings.clone(),
                    pool,
                    second,
                    clock_shift,
                    built,
                    build_time: built.elapsed(),
                });
                Some(block)
            }
            Err(error) => {
                debug!(%error, "no pending block");
                None
            }
        }
    }
}

fn build_pending(
    chain_reader: &ChainReader,
    engine: &dyn Engine,
    settings: &MinerSettings,
    parent: SealedHeader,
    time: u64,
    pool: Option<&Snapshot>,
) -> Result<PendingBlock, BuildError> {
    let author = settings.etherbase.unwrap_or_default();
    let below = chain_reader.state_at(parent.number)?;
    let plan = BuildPlan {
        gas_limit: gas_limit::desired(
            chain_reader.config(),
            &parent,
            time,
            settings.gas_floor..=settings.gas_ceiling,
        ),
        parent,
        time,
        extra_data: settings.extra_data.clone(),
        author,
        edit: None,
        chosen: settings.dev.chosen,
    };
    let base_fee = settings.dev.chosen.base_fee;
    let offers = pool.map(|pool| pool.best(base_fee.or(pool.head().base_fee_per_gas)));
    let never = Interrupts::default();
    let BuildOutcome { built, .. } = build(chain_reader, engine, plan, &[], offers, &never)?;
    let BuiltBlock {
        block,
        diff,
        receipts,
    } = built;
    let rules = SenderRules::at(
        chain_reader.config(),
        block.header.number,
        block.header.timestamp,
    );
    let transactions = block.body.transactions.iter();
    let senders = transactions
        .map(|transaction| rules.sender(transaction).unwrap_or_default())
        .collect();
    Ok(PendingBlock {
        block: Arc::new(block),
        senders: Arc::new(senders),
        receipts: Arc::new(receipts),
        author,
        below,
        diff,
    })
}
