//! What the methods read from: the chain and what the node says about itself.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actoreum_actors::chain::ChainActor;
use actoreum_actors::eth::downloader::SyncStatus;
use actoreum_actors::filter::FilterActor;
use actoreum_actors::log_limit::LogLimit;
use actoreum_actors::net::NetworkHandle;
use actoreum_actors::supervision::{ActorRef, AskError, TreeHandle};
use actoreum_actors::txpool::TxPoolHandle;
use actoreum_actors::worker::PendingBlock;
use actoreum_chain::{ChainReader, SealedHeader};
use actoreum_consensus::{Clique, Engine};
use actoreum_primitives::{Address, ETHER, GWEI, U256};
use actoreum_txpool::Snapshot;

use crate::block_id::{BlockId, BlockNumber};
use crate::error::RpcError;
use crate::limits::{BLOCK_CACHE_BYTES, CALL_TIMEOUT};
use crate::quick::QuickTargets;
use crate::render::BlockCache;
use crate::sealing::{Keys, SealingActors};

/// What the operator decides about the methods.
#[derive(Debug, Clone)]
pub struct NodeSettings {
    /// `web3_clientVersion`, and the name in `admin_nodeInfo`.
    pub client_version: String,
    /// `net_version`.
    pub network_id: u64,
    /// Where the node keeps its files; `None` where it keeps everything in memory.
    pub data_dir: Option<String>,
    /// Whether `personal_unlockAccount` is refused, because strangers may reach the node (geth's
    /// `--allow-insecure-unlock` is missing).
    pub is_unlocking_forbidden: bool,
    /// The most gas of a call, whatever it asks for (geth's `--rpc.gascap`).
    pub gas_cap: u64,
    /// The longest that a call runs (geth's `--rpc.evmtimeout`); `None`: as long as its gas lasts.
    pub call_timeout: Option<Duration>,
    /// The most, in wei, that a transaction sent or signed here may pay for gas (geth's
    /// `--rpc.txfeecap`); `None`: anything.
    pub tx_fee_cap: Option<U256>,
    /// Whether transactions without a chain id (EIP-155) are taken over RPC (geth's
    /// `--rpc.allow-unprotected-txs`).
    pub allows_unprotected: bool,
    /// How a gas price is suggested.
    pub gas_oracle: GasOracle,
    /// The gas limit that sealed blocks move towards (geth's `--miner.gastarget` and
    /// `--miner.gaslimit`), as the pending block shows it.
    pub gas_target: GasTarget,
    /// The gas price, in wei, that is suggested where no block has a transaction.
    pub default_gas_price: u64,
}

impl NodeSettings {
    /// geth's defaults.
    pub fn new(client_version: impl Into<String>, network_id: u64) -> Self {
        Self {
            client_version: client_version.into(),
            network_id,
            data_dir: None,
            is_unlocking_forbidden: false,
            gas_cap: 50_000_000,
            call_timeout: Some(CALL_TIMEOUT),
            tx_fee_cap: Some(U256::from(ETHER)),
            allows_unprotected: true,
            gas_oracle: GasOracle::default(),
            gas_target: GasTarget {
                floor: 8_000_000,
                ceiling: 8_000_000,
            },
            default_gas_price: GWEI,
        }
    }
}

/// How a gas price is suggested: geth's `--gpo.*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GasOracle {
    /// Blocks with a transaction whose cheapest tip is looked at.
    pub blocks: u32,
    /// The share, in percent, of those tips that the suggestion is to beat; up to 100.
    pub percentile: u32,
    /// No suggestion is above this, in wei.
    pub max_price: u64,
    /// Tips below this, in wei, are not looked at.
    pub ignore_price: u64,
}

impl Default for GasOracle {
    /// geth 1.8's, which ignores no tip.
    fn default() -> Self {
        Self {
            blocks: 20,
            percentile: 60,
            max_price: 500 * GWEI,
            ignore_price: 0,
        }
    }
}

/// The bounds between which a sealer keeps its blocks' gas limit, in gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GasTarget {
    /// Below this the limit rises.
    pub floor: u64,
    /// Above this the limit falls.
    pub ceiling: u64,
}

/// What every handler gets. Nothing here waits for a mailbox: reads go through views.
pub struct Node {
    /// The chain.
    pub chain: ChainReader,
    /// Who may seal, and who sealed.
    pub engine: Arc<dyn Engine>,
    /// The same engine where it is clique.
    pub clique: Option<Arc<Clique>>,
    /// What the operator decided.
    pub settings: NodeSettings,
    /// The network, once the tree is put together, where this node has one.
    pub network: OnceLock<NetworkHandle>,
    /// The supervision tree, from the moment that it stands.
    pub tree: OnceLock<TreeHandle>,
    /// The one writer of the chain, once the tree is put together.
    pub writer: OnceLock<ActorRef<ChainActor>>,
    /// Who keeps filters and subscriptions, once the tree is put together.
    pub filters: OnceLock<ActorRef<FilterActor>>,
    /// The transaction pool, once the tree is put together.
    pub txpool: OnceLock<TxPoolHandle>,
    /// The keys, once the tree is put together.
    pub keys: OnceLock<Keys>,
    /// How far the sync is, once the tree is put together, where this node has a network.
    pub sync: OnceLock<SyncStatus>,
    /// Who seals, once the tree is put together, where this node does.
    pub sealing: OnceLock<SealingActors>,
    pub(crate) rendered: BlockCache,
    pub(crate) quick: QuickTargets,
}

impl Node {
    /// A node that reads `chain`. `engine` is the one that the chain is verified with.
    pub fn new(
        chain: ChainReader,
        engine: Arc<dyn Engine>,
        clique: Option<Arc<Clique>>,
        settings: NodeSettings,
    ) -> Self {
        Self {
            chain,
            engine,
            clique,
            settings,
            network: OnceLock::new(),
            tree: OnceLock::new(),
            writer: OnceLock::new(),
            filters: OnceLock::new(),
            txpool: OnceLock::new(),
            keys: OnceLock::new(),
            sync: OnceLock::new(),
            sealing: OnceLock::new(),
            rendered: BlockCache::new(BLOCK_CACHE_BYTES),
            quick: QuickTargets::default(),
        }
    }

    /// The transaction pool, for those who submit.
    pub(crate) fn txpool(&self) -> Result<&TxPoolHandle, RpcError> {
        self.txpool.get().ok_or_else(starting)
    }

    /// The transaction pool, for those who read; `None` before it has started.
    pub(crate) fn pool_snapshot(&self) -> Option<Arc<Snapshot>> {
        self.txpool.get()?.snapshot()
    }

    /// The block that would be sealed next, whoever seals it; `None` where none can be built now, as
    /// on a merged chain. Then the head stands for it.
    pub fn pending_block(&self) -> Option<Arc<PendingBlock>> {
        let sealing = self.sealing.get()?;
        let settings = sealing.control.settings();
        let pool = self.pool_snapshot();
        sealing
            .pending
            .get(&self.chain, self.engine.as_ref(), &settings, pool)
    }

    /// Peers that are connected.
    pub(crate) fn peer_count(&self) -> u64 {
        self.network
            .get()
            .map_or(0, |network| network.peers().len() as u64)
    }

    /// The header that `id` means; `None` where there is none. The pending block is not
    /// on the chain: the head stands for it here.
    pub(crate) fn header(&self, id: BlockId) -> Result<Option<SealedHeader>, RpcError> {
        match id {
            BlockId::Number(BlockNumber::Latest | BlockNumber::Pending) => {
                Ok(Some(self.chain.head()))
            }
            BlockId::Number(BlockNumber::Number(number)) => {
                self.chain.header_by_number(number).map_err(storage)
            }
            BlockId::Number(BlockNumber::Safe) => Err(RpcError::server("safe block not found")),
            BlockId::Number(BlockNumber::Finalized) => {
                Err(RpcError::server("finalized block not found"))
            }
            BlockId::Hash {
                hash,
                require_canonical,
            } => {
                let header = self.chain.header_by_hash(&hash).map_err(storage)?;
                let header = header.ok_or_else(|| RpcError::server("header for hash not found"))?;
                if require_canonical && !self.is_canonical(&header)? {
                    return Err(RpcError::server("hash is not currently canonical"));
                }
                Ok(Some(header))
            }
        }
    }

    /// Whether a block is on the canonical chain.
    pub(crate) fn is_canonical(&self, header: &SealedHeader) -> Result<bool, RpcError> {
        let canonical = self.chain.canonical_hash(header.number).map_err(storage)?;
        Ok(canonical == Some(header.hash()))
    }

    /// Who made a block: its beneficiary, or on clique its signer.
    pub(crate) fn author(&self, header: &SealedHeader) -> Address {
        // Genesis has no seal; its beneficiary is all that there is.
        self.engine.author(header).unwrap_or(header.beneficiary)
    }

    /// The one writer of the chain.
    pub(crate) fn writer(&self) -> Result<ActorRef<ChainActor>, RpcError> {
        self.writer.get().cloned().ok_or_else(starting)
    }

    /// Who keeps filters and subscriptions.
    pub(crate) fn filters(&self) -> Result<ActorRef<FilterActor>, RpcError> {
        self.filters.get().cloned().ok_or_else(starting)
    }

    /// The network, for those who change it.
    pub(crate) fn network(&self) -> Result<&NetworkHandle, RpcError> {
        self.network
            .get()
            .ok_or_else(|| RpcError::server("this node has no network"))
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    }
}

/// Clients that ask again and again have each failure told.
static READS_FAILED: LogLimit = LogLimit::new();

/// A failed read of the database.
pub(crate) fn storage(error: impl std::fmt::Display) -> RpcError {
    if let Some(left_out) = READS_FAILED.admit() {
        tracing::error!(%error, left_out, "rpc read failed");
    }
    RpcError::server(error.to_string())
}

fn starting() -> RpcError {
    RpcError::server("the node is starting")
}

/// A question that an actor did not answer.
pub(crate) fn unanswered(error: AskError) -> RpcError {
    RpcError::internal(error.to_string())
}
