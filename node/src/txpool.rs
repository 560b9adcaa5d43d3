//! The transaction pool: its flags, its section of the configuration, its place in the tree.

use std::{num::NonZeroUsize, path::Path, thread, time::Duration};

use actoreum_actors::{
    supervision::{ActorRef, ChildSpec, Pool, Recipient, Strategy, SupervisorSpec},
    txpool::{self, InheritedJournal, TxPoolHandle, TxPoolSetup},
};
use actoreum_chain::ChainReader;
use actoreum_messages::events::{ChainChanged, NewTransactions};
use actoreum_primitives::Address;
use actoreum_txpool::limits::DEFAULT_MAX_BYTES;
use actoreum_txpool::{PoolConfig, PoolReader};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::duration::{self, nanos};

/// Restarts of the pool in [`POOL_PERIOD`] before the core is asked to begin again: it comes back
/// from its journal each time.
const POOL_RESTARTS: u32 = 50;
/// See [`POOL_RESTARTS`].
const POOL_PERIOD: Duration = Duration::from_secs(60);
/// More threads check signatures faster than the pool takes transactions in.
const MAX_SIGNATURE_THREADS: usize = 4;
/// Messages that may wait for the pool. With [`actoreum_actors::txpool::TxPoolHandle`]'s batches
/// it is the work of a second or two.
const POOL_MAILBOX: usize = 4_096;

/// geth's `--txpool.*`
#[derive(Debug, Default, Clone, Args)]
pub struct TxPoolFlags {
    /// Accounts whose transactions are local
    #[arg(
        long = "txpool.locals",
        global = true,
        value_name = "ADDRESSES",
        value_delimiter = ',',
        help_heading = "Transaction pool"
    )]
    pub txpool_locals: Option<Vec<Address>>,
    /// Treat what is submitted here like what peers send
    #[arg(
        long = "txpool.nolocals",
        global = true,
        help_heading = "Transaction pool"
    )]
    pub txpool_nolocals: bool,
    /// Journal of local transactions, to survive a restart; empty: none (default: transactions.rlp)
    #[arg(
        long = "txpool.journal",
        global = true,
        value_name = "FILE",
        help_heading = "Transaction pool"
    )]
    pub txpool_journal: Option<String>,
    /// Time after which the journal is written anew (default: 1h0m0s)
    #[arg(long = "txpool.rejournal", global = true, value_name = "TIME", value_parser = duration::parse, help_heading = "Transaction pool")]
    pub txpool_rejournal: Option<Duration>,
    /// Least gas price, in wei, of a transaction that is not local (default: 1)
    #[arg(
        long = "txpool.pricelimit",
        global = true,
        value_name = "WEI",
        help_heading = "Transaction pool"
    )]
    pub txpool_pricelimit: Option<u64>,
    /// Percent that a replacement must pay more (default: 10)
    #[arg(
        long = "txpool.pricebump",
        global = true,
        value_name = "PERCENT",
        help_heading = "Transaction pool"
    )]
    pub txpool_pricebump: Option<u64>,
    /// Executable transactions that an account keeps for certain (default: 16)
    #[arg(
        long = "txpool.accountslots",
        global = true,
        value_name = "N",
        help_heading = "Transaction pool"
    )]
    pub txpool_accountslots: Option<u64>,
    /// Executable transactions in all (default: 4096)
    #[arg(
        long = "txpool.globalslots",
        global = true,
        value_name = "N",
        help_heading = "Transaction pool"
    )]
    pub txpool_globalslots: Option<u64>,
    /// Transactions of an account that can't be executed yet (default: 64)
    #[arg(
        long = "txpool.accountqueue",
        global = true,
        value_name = "N",
        help_heading = "Transaction pool"
    )]
    pub txpool_accountqueue: Option<u64>,
    /// Transactions in all that can't be executed yet (default: 1024)
    #[arg(
        long = "txpool.globalqueue",
        global = true,
        value_name = "N",
        help_heading = "Transaction pool"
    )]
    pub txpool_globalqueue: Option<u64>,
    /// Megabytes that all transactions take at most, whatever the slots allow (default: 128)
    #[arg(
        long = "txpool.memory",
        global = true,
        value_name = "MB",
        help_heading = "Transaction pool"
    )]
    pub txpool_memory: Option<u64>,
    /// Time that a transaction waits before it can be executed (default: 3h0m0s)
    #[arg(long = "txpool.lifetime", global = true, value_name = "TIME", value_parser = duration::parse, help_heading = "Transaction pool")]
    pub txpool_lifetime: Option<Duration>,
}

/// `[Eth.TxPool]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct TxPoolConfig {
    /// Accounts whose transactions are local.
    pub locals: Vec<Address>,
    /// Treat what is submitted here like what peers send.
    pub no_locals: bool,
    /// File of local transactions, in the data directory; empty: none.
    pub journal: String,
    /// Time between two rotations of the journal, in nanoseconds as in geth.
    pub rejournal: u64,
    /// Least tip, in wei a gas, of a transaction that is not local.
    pub price_limit: u64,
    /// Percent that a replacement must pay more.
    pub price_bump: u64,
    /// Executable transactions that an account keeps for certain.
    pub account_slots: u64,
    /// Executable transactions in all.
    pub global_slots: u64,
    /// Transactions of an account that can't be executed yet.
    pub account_queue: u64,
    /// Transactions in all that can't be executed yet.
    pub global_queue: u64,
    /// Time that a transaction waits before it can be executed, in nanoseconds as in geth.
    pub lifetime: u64,
    /// Megabytes that all transactions take at most; geth has no such bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
}

impl Default for TxPoolConfig {
    fn default() -> Self {
        let pool = PoolConfig::default();
        Self {
            locals: pool.locals,
            no_locals: pool.no_locals,
            journal: "transactions.rlp".into(),
            rejournal: nanos(Duration::from_secs(3600)),
            price_limit: pool.price_limit,
            price_bump: pool.price_bump,
            account_slots: pool.account_slots,
            global_slots: pool.global_slots,
            account_queue: pool.account_queue,
            global_queue: pool.global_queue,
            lifetime: nanos(pool.lifetime),
            memory: None,
        }
    }
}

impl TxPoolConfig {
    /// Lets the flags speak.
    pub fn apply(&mut self, flags: &TxPoolFlags) {
        if let Some(locals) = &flags.txpool_locals {
            self.locals.clone_from(locals);
        }
        self.no_locals |= flags.txpool_nolocals;
        if let Some(journal) = &flags.txpool_journal {
            self.journal.clone_from(journal);
        }
        for (number, flag) in [
            (&mut self.rejournal, flags.txpool_rejournal.map(nanos)),
            (&mut self.price_limit, flags.txpool_pricelimit),
            (&mut self.price_bump, flags.txpool_pricebump),
            (&mut self.account_slots, flags.txpool_accountslots),
            (&mut self.global_slots, flags.txpool_globalslots),
            (&mut self.account_queue, flags.txpool_accountqueue),
            (&mut self.global_queue, flags.txpool_globalqueue),
            (&mut self.lifetime, flags.txpool_lifetime.map(nanos)),
        ] {
            *number = flag.unwrap_or(*number);
        }
        self.memory = flags.txpool_memory.or(self.memory);
    }

    fn rules(&self) -> PoolConfig {
        let megabytes = self.memory.map(usize::try_from);
        let max_bytes = megabytes.map(|it| it.unwrap_or(usize::MAX).saturating_mul(1 << 20));
        PoolConfig {
            max_bytes: max_bytes.unwrap_or(DEFAULT_MAX_BYTES),
            locals: self.locals.clone(),
            no_locals: self.no_locals,
            price_limit: self.price_limit,
            price_bump: self.price_bump,
            account_slots: self.account_slots,
            global_slots: self.global_slots,
            account_queue: self.account_queue,
            global_queue: self.global_queue,
            lifetime: Duration::from_nanos(self.lifetime),
        }
    }
}

/// The pool's part of the tree.
pub struct TxPoolParts {
    /// For those who submit and those who read.
    pub handle: TxPoolHandle,
    /// For the chain.
    pub follows_chain: Recipient<ChainChanged>,
    /// To be started behind the chain.
    pub spec: SupervisorSpec,
}

/// Puts the pool together over a chain. `folder` is the one that a journal with a relative path
/// lies in; without it there is none. `geth` is where geth had its own, which is read once.
///
/// ```text
/// txpool               rest_for_one
/// |- signatures        the threads that check what peers send
/// `- pool              TxPoolActor
/// ```
pub fn assemble(
    config: &TxPoolConfig,
    folder: Option<&Path>,
    geth: Option<&Path>,
    chain: &ChainReader,
    followers: Vec<Recipient<NewTransactions>>,
) -> TxPoolParts {
    let signatures = Pool::new("signatures", signature_threads());
    let pool = ActorRef::new("pool");
    let reader = PoolReader::default();
    let mut setup = TxPoolSetup::new(chain.clone(), reader.clone(), config.rules());
    let has_journal = !config.no_locals && !config.journal.is_empty();
    setup.journal = folder
        .filter(|_| has_journal)
        .map(|folder| folder.join(&config.journal));
    setup.inherited = setup
        .journal
        .as_deref()
        .zip(geth)
        .and_then(|(journal, geth)| inherited(config, journal, geth));
    setup.rejournal = Duration::from_nanos(config.rejournal);
    setup.followers = followers;
    let spec = SupervisorSpec::new("txpool", Strategy::RestForOne)
        .child(signatures.child())
        .child(
            ChildSpec::new(&pool, move || setup.clone().open())
                .arbiter("txpool")
                .mailbox(POOL_MAILBOX),
        )
        .backoff(txpool::BACKOFF)
        .intensity(POOL_RESTARTS, POOL_PERIOD);
    TxPoolParts {
        follows_chain: pool.recipient(),
        handle: TxPoolHandle::new(pool, reader, chain.clone(), signatures),
        spec,
    }
}

/// geth's journal, which has the same name in a folder of its own. With an absolute path both have
/// one and the same file.
fn inherited(config: &TxPoolConfig, journal: &Path, geth: &Path) -> Option<InheritedJournal> {
    let of_geth = geth.join(&config.journal);
    let mut note = journal.as_os_str().to_owned();
    note.push(".inherited");
    (of_geth != journal).then(|| InheritedJournal {
        journal: of_geth,
        note: note.into(),
    })
}

/// Threads that check what peers send: half of the cores, so that a flood leaves the other half to
/// the import of blocks.
fn signature_threads() -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (cores / 2).clamp(1, MAX_SIGNATURE_THREADS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_go_before_the_file() {
        let text = "PriceLimit = 7\nPriceBump = 20\nLifetime = 60000000000\n";
        let mut config: TxPoolConfig = toml::from_str(text).unwrap();
        let flags = TxPoolFlags {
            txpool_pricebump: Some(30),
            txpool_nolocals: true,
            txpool_memory: Some(16),
            ..TxPoolFlags::default()
        };
        config.apply(&flags);
        let rules = config.rules();
        assert_eq!((rules.price_limit, rules.price_bump), (7, 30));
        assert_eq!(rules.lifetime, Duration::from_secs(60));
        assert!(rules.no_locals);
        assert_eq!(rules.max_bytes, 16 << 20);
        assert_eq!(rules.global_slots, 4096);
    }

    #[test]
    fn geths_journal_is_found_by_its_name() {
        let found = |name: &str| {
            let config = TxPoolConfig {
                journal: name.to_owned(),
                ..TxPoolConfig::default()
            };
            let journal = Path::new("/data/actoreum").join(name);
            inherited(&config, &journal, Path::new("/data/geth"))
        };
        let inherited = found("transactions.rlp").unwrap();
        let (journal, note) = (inherited.journal, inherited.note);
        assert_eq!(journal, Path::new("/data/geth/transactions.rlp"));
        assert_eq!(note, Path::new("/data/actoreum/transactions.rlp.inherited"));
        assert!(found("/elsewhere/transactions.rlp").is_none());
    }
}
