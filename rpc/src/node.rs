//! The context of the methods: the chain, the actors, and the operator's settings.

mod rules;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actoreum_actors::chain::ChainActor;
use actoreum_actors::clock::ChainClock;
use actoreum_actors::eth::downloader::SyncStatus;
use actoreum_actors::filter::FilterActor;
use actoreum_actors::head_watch::HeadWatch;
use actoreum_actors::log_limit::LogLimit;
use actoreum_actors::net::NetworkHandle;
use actoreum_actors::sealing::worker::PendingBlock;
use actoreum_actors::txpool::TxPoolHandle;
use actoreum_chain::{ChainReader, SealedHeader};
use actoreum_consensus::{Clique, Engine};
use actoreum_primitives::{Address, ETHER, GWEI, U256};
use actoreum_supervision::{ActorRef, AskError, Pool, TreeHandle};
use actoreum_txpool::{PoolReader, Snapshot};

use crate::error::RpcError;
use crate::fork::Fork;
use crate::namespaces::block_id::{BlockId, BlockNumber};
use crate::namespaces::dev::identity::DevIdentity;
use crate::namespaces::quick::QuickTargets;
use crate::namespaces::sampled_tips::SampledTips;
use crate::namespaces::sealing::{DevHandle, Keys, SealingActors};
use crate::render::BlockCache;
use crate::server::connection::figures::OpenConnections;
use crate::server::limits::{BLOCK_CACHE_BYTES, CALL_TIMEOUT, MAX_HEAVY_WAITING};
use crate::server::pool::HeavyPool;
use crate::server::quota::SharedQuota;

/// The operator's settings that methods depend on.
#[derive(Debug, Clone)]
pub struct NodeSettings {
    /// The name in `admin_nodeInfo`, and the answer to `web3_clientVersion`, unless a development
    /// chain answers as another node.
    pub client_version: String,
    /// The node that a development chain answers as.
    pub identity: DevIdentity,
    /// The network id that `net_version` answers.
    pub network_id: u64,
    /// The data directory; `None` if the node keeps everything in memory.
    pub data_dir: Option<String>,
    /// Whether `personal_unlockAccount` is refused because untrusted clients may reach the node
    /// (geth's `--allow-insecure-unlock` is not given).
    pub is_unlocking_forbidden: bool,
    /// The maximum gas of a call, whatever the call asks for (geth's `--rpc.gascap`).
    pub gas_cap: u64,
    /// The maximum run time of a call (geth's `--rpc.evmtimeout`). With `None` a call runs as long
    /// as its gas lasts.
    pub call_timeout: Option<Duration>,
    /// The maximum fee, in wei, of a transaction that is sent or signed through RPC (geth's
    /// `--rpc.txfeecap`); `None` for no maximum.
    pub tx_fee_cap: Option<U256>,
    /// Whether transactions without a chain id (EIP-155) are accepted over RPC (geth's
    /// `--rpc.allow-unprotected-txs`).
    pub allows_unprotected: bool,
    /// The settings of the gas price oracle.
    pub gas_oracle: GasOracle,
    /// The gas limit that sealed blocks move towards (geth's `--miner.gastarget` and
    /// `--miner.gaslimit`), as the pending block shows it.
    pub gas_target: GasTarget,
    /// The gas price, in wei, that is suggested if no recent block has a transaction.
    pub default_gas_price: u64,
    /// The quota of the clients of all servers.
    pub quota: SharedQuota,
    /// Whether a transaction is sealed as soon as it arrives, on a development chain: it is answered
    /// once it is in a block.
    pub mines_on_arrival: bool,
}

impl NodeSettings {
    /// Creates settings with geth's defaults.
    pub fn new(client_version: impl Into<String>, network_id: u64) -> Self {
        Self {
            client_version: client_version.into(),
            identity: DevIdentity::default(),
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
            quota: SharedQuota::default(),
            mines_on_arrival: false,
        }
    }
}

/// The settings of the gas price oracle: geth's `--gpo.*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GasOracle {
    /// The number of blocks with transactions whose lowest tip is sampled.
    pub blocks: u32,
    /// The percentile, up to 100, of the sampled tips that is suggested.
    pub percentile: u32,
    /// The maximum suggestion, in wei.
    pub max_price: u64,
    /// The tip, in wei, below which a transaction is not sampled.
    pub ignore_price: u64,
}

impl Default for GasOracle {
    /// Returns the defaults of geth 1.8, which ignores no tip.
    fn default() -> Self {
        Self {
            blocks: 20,
            percentile: 60,
            max_price: 500 * GWEI,
            ignore_price: 0,
        }
    }
}

/// The range, in gas, in which a sealer keeps the gas limit of its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GasTarget {
    /// The gas limit below which the limit is raised.
    pub floor: u64,
    /// The gas limit above which the limit is lowered.
    pub ceiling: u64,
}

/// The references that the methods work with. They are made before the actors: an actor that has
/// not started, or that is being restarted, answers that it is not available.
pub struct NodeHandles {
    /// The published chain.
    pub chain_reader: ChainReader,
    /// The consensus engine that verifies the chain.
    pub engine: Arc<dyn Engine>,
    /// The same engine if it is clique.
    pub clique: Option<Arc<Clique>>,
    /// The clock of the chain.
    pub clock: ChainClock,
    /// The only writer of the chain.
    pub chain_actor: ActorRef<ChainActor>,
    /// The actor that holds filters and subscriptions.
    pub filters: ActorRef<FilterActor>,
    /// The transaction pool.
    pub txpool: TxPoolHandle,
    /// The keys of this node.
    pub keys: Keys,
    /// The network; `None` for a node without one.
    pub network: Option<NetworkHandle>,
    /// The progress of the synchronisation; `None` for a node without a network.
    pub sync: Option<SyncStatus>,
    /// The sealing actors; `None` for a node that does not seal.
    pub sealing: Option<SealingActors>,
    /// The remote chain that a development chain was forked off.
    pub fork: Option<Arc<Fork>>,
}

impl NodeHandles {
    /// Creates the handles of a node that has neither a network nor sealing actors. The actors are
    /// new references: a caller that starts some of them takes those references, or sets its own.
    pub fn new(chain_reader: ChainReader, engine: Arc<dyn Engine>) -> Self {
        let txpool = TxPoolHandle::new(
            ActorRef::new("pool"),
            PoolReader::default(),
            chain_reader.clone(),
            Pool::new("signatures", 1),
        );
        Self {
            chain_reader,
            engine,
            clique: None,
            clock: ChainClock::default(),
            chain_actor: ActorRef::new("chain"),
            filters: ActorRef::new("filters"),
            txpool,
            keys: Keys::new(ActorRef::new("accounts"), None),
            network: None,
            sync: None,
            sealing: None,
            fork: None,
        }
    }
}

/// The open connections of each server.
#[derive(Debug, Clone, Default)]
pub struct ServerConnections {
    /// WebSocket connections to the server of HTTP.
    pub http: OpenConnections,
    /// WebSocket connections to a server of their own.
    pub ws: OpenConnections,
    /// Connections to the IPC socket.
    pub ipc: OpenConnections,
}

/// The context that every handler gets. Reads go through published views and wait for no mailbox.
pub struct Node {
    /// The published chain.
    pub chain_reader: ChainReader,
    /// The consensus engine of the chain.
    pub engine: Arc<dyn Engine>,
    /// The same engine if it is clique.
    pub clique: Option<Arc<Clique>>,
    /// The clock of the chain.
    pub clock: ChainClock,
    /// The operator's settings.
    pub settings: NodeSettings,
    /// The thread pool for work of unknown length, which all servers of the node share.
    pub heavy_pool: HeavyPool,
    /// The open connections over WebSocket and IPC, as the servers publish them.
    pub connections: ServerConnections,
    /// The supervision tree. It is set once the tree has started, because the tree contains the
    /// servers, which hold this node.
    pub tree: OnceLock<TreeHandle>,
    /// The only writer of the chain.
    pub chain_actor: ActorRef<ChainActor>,
    /// The actor that holds filters and subscriptions.
    pub filters: ActorRef<FilterActor>,
    /// The transaction pool.
    pub txpool: TxPoolHandle,
    /// The keys of this node.
    pub keys: Keys,
    /// The network; `None` for a node without one.
    pub network: Option<NetworkHandle>,
    /// The progress of the synchronisation; `None` for a node without a network.
    pub sync: Option<SyncStatus>,
    /// The sealing actors; `None` for a node that does not seal.
    pub sealing: Option<SealingActors>,
    /// The remote chain that a development chain was forked off.
    pub fork: Option<Arc<Fork>>,
    /// Notice of new heads, for requests that wait for one.
    pub heads: HeadWatch,
    /// The JSON of recently requested blocks.
    pub(crate) rendered: BlockCache,
    /// The contracts whose calls run on the connection's own thread.
    pub(crate) quick: QuickTargets,
    /// The samples of the gas price oracle.
    pub(crate) sampled_tips: SampledTips,
}

impl Node {
    /// Creates the context of the methods.
    pub fn new(handles: NodeHandles, settings: NodeSettings) -> Self {
        let NodeHandles {
            chain_reader,
            engine,
            clique,
            clock,
            chain_actor,
            filters,
            txpool,
            keys,
            network,
            sync,
            sealing,
            fork,
        } = handles;
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            chain_reader,
            engine,
            clique,
            clock,
            settings,
            heavy_pool: HeavyPool::new(threads, MAX_HEAVY_WAITING),
            connections: ServerConnections::default(),
            tree: OnceLock::new(),
            chain_actor,
            filters,
            txpool,
            keys,
            network,
            sync,
            sealing,
            fork,
            heads: HeadWatch::default(),
            rendered: BlockCache::new(BLOCK_CACHE_BYTES),
            quick: QuickTargets::default(),
            sampled_tips: SampledTips::default(),
        }
    }

    /// Returns the published snapshot of the transaction pool; `None` before the pool has started.
    pub(crate) fn txpool_snapshot(&self) -> Option<Arc<Snapshot>> {
        self.txpool.snapshot()
    }

    /// Returns the block that would be sealed next, whoever seals it. Returns `None` if none can be
    /// built, as on a merged chain: the head then takes its place.
    pub fn pending_block(&self) -> Option<Arc<PendingBlock>> {
        let sealing = self.sealing.as_ref()?;
        let settings = sealing.control.settings();
        let txpool = self.txpool_snapshot();
        sealing
            .pending
            .get(&self.chain_reader, self.engine.as_ref(), &settings, txpool)
    }

    /// Returns the number of connected peers.
    pub(crate) fn peer_count(&self) -> u64 {
        self.network
            .as_ref()
            .map_or(0, |network| network.peers().len() as u64)
    }

    /// Returns the header of the block `id`; `None` if there is none. For the pending block, which
    /// is not on the chain, returns the head.
    ///
    /// # Errors
    /// Fails for `safe` and `finalized` unless the chain is a merged development chain, for a hash that is unknown, for a hash off the canonical
    /// chain if `id` requires a canonical one, and if the database fails.
    pub(crate) fn header(&self, id: BlockId) -> Result<Option<SealedHeader>, RpcError> {
        match id {
            BlockId::Number(BlockNumber::Latest | BlockNumber::Pending) => {
                Ok(Some(self.chain_reader.head()))
            }
            BlockId::Number(BlockNumber::Number(number)) => {
                self.chain_reader.header_by_number(number).map_err(storage)
            }
            BlockId::Number(BlockNumber::Safe | BlockNumber::Finalized)
                if self.is_merged_development() =>
            {
                Ok(Some(self.chain_reader.head()))
            }
            BlockId::Number(BlockNumber::Safe) => Err(RpcError::server("safe block not found")),
            BlockId::Number(BlockNumber::Finalized) => {
                Err(RpcError::server("finalized block not found"))
            }
            BlockId::Hash {
                hash,
                require_canonical,
            } => {
                let header = self.chain_reader.header_by_hash(&hash).map_err(storage)?;
                let header = header.ok_or_else(|| RpcError::server("header for hash not found"))?;
                if require_canonical && !self.is_canonical(&header)? {
                    return Err(RpcError::server("hash is not currently canonical"));
                }
                Ok(Some(header))
            }
        }
    }

    /// Returns whether this is a merged development chain: its head is safe and finalized, because
    /// nobody but this node decides about it.
    pub(crate) fn is_merged_development(&self) -> bool {
        let is_dev = self.dev().is_ok();
        is_dev && self.chain_reader.config().terminal_total_difficulty == Some(U256::ZERO)
    }

    /// Returns whether a block is on the canonical chain.
    pub(crate) fn is_canonical(&self, header: &SealedHeader) -> Result<bool, RpcError> {
        let canonical = self
            .chain_reader
            .canonical_hash(header.number)
            .map_err(storage)?;
        Ok(canonical == Some(header.hash()))
    }

    /// Returns the author of a block: its beneficiary, or its signer on clique.
    pub(crate) fn author(&self, header: &SealedHeader) -> Address {
        // The genesis block has no seal: only its beneficiary is known.
        self.engine.author(header).unwrap_or(header.beneficiary)
    }

    /// Returns the network, for methods that change it.
    ///
    /// # Errors
    /// Fails if this node has no network.
    pub(crate) fn network(&self) -> Result<&NetworkHandle, RpcError> {
        self.network
            .as_ref()
            .ok_or_else(|| RpcError::server("this node has no network"))
    }

    /// Returns the actor of a development chain's user.
    ///
    /// # Errors
    /// Fails if this is no development chain.
    pub(crate) fn dev(&self) -> Result<&DevHandle, RpcError> {
        let sealing = self.sealing.as_ref();
        sealing
            .and_then(|sealing| sealing.dev.as_ref())
            .ok_or_else(|| RpcError::server("this is no development chain"))
    }

    /// Returns the chain id, which the user of a development chain may change.
    pub(crate) fn chain_id(&self) -> u64 {
        let reader = &self.chain_reader;
        reader.config().chain_id_at(reader.head_number())
    }

    /// Returns the network id: the operator's, or a chain id that the user of a development chain has
    /// set.
    pub(crate) fn network_id(&self) -> u64 {
        let chain_id = self.chain_id();
        if chain_id == self.chain_reader.config().chain_id {
            return self.settings.network_id;
        }
        chain_id
    }

    /// Returns the answer to `web3_clientVersion`.
    pub(crate) fn client_version(&self) -> String {
        let settings = &self.settings;
        settings.identity.client_version(&settings.client_version)
    }

    /// Returns the sealing actors.
    ///
    /// # Errors
    /// Fails if this node does not seal.
    pub(crate) fn sealing(&self) -> Result<&SealingActors, RpcError> {
        self.sealing
            .as_ref()
            .ok_or_else(|| RpcError::server("this node does not seal"))
    }
}

/// Limits the log lines about failed reads: a client can repeat a failing request endlessly.
static READS_FAILED: LogLimit = LogLimit::new();

/// Logs a failed read of the database and converts its error.
pub(crate) fn storage(error: impl std::fmt::Display) -> RpcError {
    if let Some(suppressed) = READS_FAILED.admit() {
        tracing::error!(%error, suppressed, "rpc read failed");
    }
    RpcError::server(error.to_string())
}

/// Returns the error of a request that arrives before the supervision tree has started.
pub(crate) fn starting() -> RpcError {
    RpcError::server("the node is starting")
}

/// Converts the error of a question that an actor did not answer.
pub(crate) fn unanswered(error: AskError) -> RpcError {
    RpcError::internal(error.to_string())
}
