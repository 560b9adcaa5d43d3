//! Lookup of a transaction by its hash, on the chain or in the pool.

use std::sync::Arc;

use actoreum_primitives::{B256, Transaction};
use actoreum_txpool::PoolTx;
use tokio::time::{Instant, sleep};

use super::blocks::{self, TransactionInBlock};
use crate::error::RpcError;
use crate::node::{Node, storage};
use crate::server::limits::{POOL_LAG_POLL, POOL_LAG_TIMEOUT};

/// A transaction in its block, or in the pool.
pub(crate) enum FoundTransaction {
    InBlock(TransactionInBlock),
    Pooled(Arc<PoolTx>),
}

impl FoundTransaction {
    /// Returns the transaction itself.
    pub(crate) fn transaction(&self) -> &Transaction {
        match self {
            Self::InBlock(found) => found.transaction(),
            Self::Pooled(pooled) => pooled.transaction(),
        }
    }
}

/// Returns the transaction with this hash; `None` if it is neither on the chain nor in the pool.
///
/// A transaction may move from one to the other meanwhile. The pool follows the chain with a short
/// delay. Until it has followed a reorg, a transaction of a block that left the chain is in
/// neither. If the head of the pool is not on the chain, the lookup therefore waits for the pool,
/// for at most [`POOL_LAG_TIMEOUT`]. A pool that is merely behind, as in a long import, lacks no
/// transaction.
pub(crate) async fn transaction(
    node: &Node,
    hash: B256,
) -> Result<Option<FoundTransaction>, RpcError> {
    let deadline = Instant::now() + POOL_LAG_TIMEOUT;
    loop {
        let head = node.chain_reader.head().hash();
        if let Some(found) = blocks::transaction(node, hash)? {
            return Ok(Some(FoundTransaction::InBlock(found)));
        }
        let Some(pool) = node.txpool_snapshot() else {
            return Ok(None);
        };
        if let Some(pooled) = pool.get(&hash) {
            return Ok(Some(FoundTransaction::Pooled(Arc::clone(pooled))));
        }
        let pool_head = pool.head();
        let on_chain = node.chain_reader.canonical_hash(pool_head.number);
        let is_pool_on_chain = on_chain.map_err(storage)? == Some(pool_head.hash);
        let is_same_head = node.chain_reader.head().hash() == head;
        if (is_pool_on_chain && is_same_head) || Instant::now() >= deadline {
            return Ok(None);
        }
        sleep(POOL_LAG_POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use actoreum_chain::{ChainReader, genesis};
    use actoreum_consensus::{EngineOptions, engine_for};
    use actoreum_primitives::{
        ChainConfig, ETHER, Fork, Genesis, LegacyTx, PooledTransaction, SecretKey, TxPayload, U256,
    };
    use actoreum_storage::Store;
    use actoreum_txpool::{Head, Origin, Pool, PoolConfig, PoolReader, Snapshot};
    use futures_util::FutureExt as _;

    use super::*;
    use crate::node::{NodeHandles, NodeSettings};

    /// A node at genesis, and snapshots of a pool that the test publishes.
    struct TestNode {
        node: Node,
        reader: PoolReader,
        hash: B256,
        /// A pool with the transaction `hash`, on the chain's head.
        following: Snapshot,
        /// An empty pool, on a block that left the chain.
        lagging: Snapshot,
    }

    impl TestNode {
        fn new() -> Self {
            let key = SecretKey::random();
            let mut spec = Genesis {
                config: ChainConfig::active_from_genesis(1337, Fork::Byzantium),
                gas_limit: 8_000_000,
                ..Genesis::default()
            };
            let account = spec.alloc.entry(key.address()).or_default();
            account.balance = U256::from(ETHER);
            let store = Store::memory();
            genesis::init(&store, &spec).unwrap();
            let chain = ChainReader::open(store).unwrap();
            let sealed = chain.head();
            let head = Head::new(chain.config(), &sealed, sealed.hash(), 0);
            let lagging = Head {
                hash: B256::repeat_byte(9),
                ..head
            };
            let lagging = Pool::new(PoolConfig::default(), lagging).snapshot();
            let mut pool = Pool::new(PoolConfig::default(), head);
            let payload = TxPayload::Legacy(LegacyTx {
                gas_price: U256::from(1_000_000_000),
                gas_limit: 21_000,
                to: Some(key.address()),
                ..LegacyTx::default()
            });
            let pooled = PooledTransaction {
                transaction: payload.sign(&key),
                sidecar: None,
            };
            let pooled = Arc::new(PoolTx::prepare(pooled, &head.senders).unwrap());
            let hash = pooled.hash();
            let state = chain.state_at(0).unwrap();
            pool.add(pooled, Origin::Reorg, &state, 0).unwrap();

            let engine = engine_for(chain.config(), EngineOptions::default()).engine;
            let settings = NodeSettings::new("test", 1337);
            let node = Node::new(NodeHandles::new(chain, engine), settings);
            let reader = node.txpool.reader.clone();
            Self {
                node,
                reader,
                hash,
                following: pool.snapshot(),
                lagging,
            }
        }

        async fn is_found(&self) -> bool {
            transaction(&self.node, self.hash).await.unwrap().is_some()
        }
    }

    #[test]
    fn a_lookup_waits_for_a_pool_off_the_chain() {
        actoreum_supervision::block_on(async {
            let test = TestNode::new();
            test.reader.publish(test.lagging.clone());
            let follow = async { test.reader.publish(test.following.clone()) };
            let (is_found, ()) = futures_util::join!(test.is_found(), follow);
            assert!(is_found);
        });
    }

    #[test]
    fn a_lookup_gives_up_on_a_pool_that_stays_off_the_chain() {
        actoreum_supervision::block_on(async {
            let test = TestNode::new();
            test.reader.publish(test.lagging.clone());
            assert!(!test.is_found().await);
        });
    }

    #[test]
    fn a_lookup_of_an_unknown_transaction_does_not_wait() {
        let test = TestNode::new();
        assert_eq!(test.is_found().now_or_never(), Some(false));
        test.reader.publish(test.following.clone());
        assert_eq!(test.is_found().now_or_never(), Some(true));
        let unknown = transaction(&test.node, B256::ZERO).now_or_never();
        assert!(matches!(unknown, Some(Ok(None))));
    }
}
