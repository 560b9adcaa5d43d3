//! A transaction by its hash, on the chain or in the pool.

use std::sync::Arc;

use actoreum_primitives::{B256, Transaction};
use actoreum_txpool::PoolTx;
use tokio::time::{Instant, sleep};

use super::blocks::{self, Placed};
use crate::error::RpcError;
use crate::limits::{POOL_LAG_POLL, POOL_LAG_TIMEOUT};
use crate::node::Node;

/// A transaction in its block, or in the pool.
pub(crate) enum Found {
    Placed(Placed),
    Pooled(Arc<PoolTx>),
}

impl Found {
    pub(crate) fn transaction(&self) -> &Transaction {
        match self {
            Self::Placed(placed) => placed.transaction(),
            Self::Pooled(pooled) => pooled.transaction(),
        }
    }
}

/// The transaction with this hash; `None` where it is neither on the chain nor in the pool.
///
/// It may move from one to the other meanwhile. The pool follows the chain with a short delay: where
/// it stands on another block than the chain's head, a transaction of a block that left the chain is
/// in neither, and the pool is waited for, for at most [`POOL_LAG_TIMEOUT`].
pub(crate) async fn transaction(node: &Node, hash: B256) -> Result<Option<Found>, RpcError> {
    let deadline = Instant::now() + POOL_LAG_TIMEOUT;
    loop {
        let head = node.chain.head().hash();
        if let Some(placed) = blocks::transaction(node, hash)? {
            return Ok(Some(Found::Placed(placed)));
        }
        let Some(pool) = node.pool_snapshot() else {
            return Ok(None);
        };
        if let Some(pooled) = pool.get(&hash) {
            return Ok(Some(Found::Pooled(Arc::clone(pooled))));
        }
        let is_settled = pool.head().hash == head && node.chain.head().hash() == head;
        if is_settled || Instant::now() >= deadline {
            return Ok(None);
        }
        sleep(POOL_LAG_POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use actoreum_actors::supervision::{ActorRef, Pool as Threads};
    use actoreum_actors::txpool::TxPoolHandle;
    use actoreum_chain::{ChainReader, genesis};
    use actoreum_consensus::{EthashOptions, engine_for};
    use actoreum_primitives::{
        ChainConfig, ETHER, Fork, Genesis, LegacyTx, PooledTransaction, SecretKey, TxPayload, U256,
    };
    use actoreum_storage::Store;
    use actoreum_txpool::{Head, Origin, Pool, PoolConfig, PoolReader, Snapshot};
    use futures_util::FutureExt as _;

    use super::*;
    use crate::node::NodeSettings;

    /// A node at genesis whose pool is published by hand.
    struct Bench {
        node: Node,
        reader: PoolReader,
        hash: B256,
        /// A pool that holds a transaction, on the chain's head.
        following: Snapshot,
        /// An empty one on a block that left the chain.
        lagging: Snapshot,
    }

    impl Bench {
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

            let engine = engine_for(chain.config(), EthashOptions::default(), None);
            let settings = NodeSettings::new("test", 1337);
            let node = Node::new(chain.clone(), engine, None, settings);
            let reader = PoolReader::default();
            let threads = Threads::new("signatures", 1);
            let handle = TxPoolHandle::new(ActorRef::new("pool"), reader.clone(), chain, threads);
            let _ = node.txpool.set(handle);
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
    fn a_pool_behind_the_head_is_waited_for() {
        actix::System::new().block_on(async {
            let bench = Bench::new();
            bench.reader.publish(bench.lagging.clone());
            let follow = async { bench.reader.publish(bench.following.clone()) };
            let (is_found, ()) = futures_util::join!(bench.is_found(), follow);
            assert!(is_found);
        });
    }

    #[test]
    fn a_pool_that_stays_behind_ends_the_wait() {
        actix::System::new().block_on(async {
            let bench = Bench::new();
            bench.reader.publish(bench.lagging.clone());
            assert!(!bench.is_found().await);
        });
    }

    #[test]
    fn an_unknown_transaction_is_not_waited_for() {
        let bench = Bench::new();
        assert_eq!(bench.is_found().now_or_never(), Some(false));
        bench.reader.publish(bench.following.clone());
        assert_eq!(bench.is_found().now_or_never(), Some(true));
        let unknown = transaction(&bench.node, B256::ZERO).now_or_never();
        assert!(matches!(unknown, Some(Ok(None))));
    }
}
