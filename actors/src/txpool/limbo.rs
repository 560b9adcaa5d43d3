//! Included blob transactions with their sidecars. Blocks do not contain sidecars, but after a
//! reorg the transactions return to the pool with them. geth's blob pool has a limbo for the same
//! purpose.

use std::collections::HashMap;
use std::sync::Arc;

use actoreum_primitives::B256;
use actoreum_txpool::{PoolTx, Snapshot};
use parking_lot::Mutex;

use super::limits::{LIMBO_BLOCKS, MAX_LIMBO_BYTES};

/// Store of included blob transactions. It survives restarts of the pool; clones share the content.
#[derive(Debug, Clone, Default)]
pub(super) struct Limbo(Arc<Mutex<Included>>);

#[derive(Debug, Default)]
struct Included {
    /// Transactions by hash, each with the number of the block that it was first seen in.
    transactions: HashMap<B256, (u64, Arc<PoolTx>)>,
    bytes: usize,
}

impl Limbo {
    /// Adds the blob transactions that are in `before` but not in `after` because a block includes
    /// them: `block_of` returns the number of that block. Removes those that are in the pool again.
    pub(super) fn keep_included(
        &self,
        before: &Snapshot,
        after: &Snapshot,
        block_of: impl Fn(&B256) -> Option<u64>,
    ) {
        let mut included = self.0.lock();
        let is_back = |hash: &&B256| after.get(hash).is_some();
        let back: Vec<B256> = included
            .transactions
            .keys()
            .filter(is_back)
            .copied()
            .collect();
        for hash in back {
            included.remove(&hash);
        }
        if before.head().blobs.is_none() {
            return;
        }
        // Queued ones, too: the nonces before them may have come with the same blocks.
        let transactions = before
            .senders()
            .flat_map(|sender| sender.pending().chain(sender.queued()));
        for transaction in transactions.filter(|it| it.pooled().sidecar.is_some()) {
            let hash = transaction.hash();
            if after.get(&hash).is_none()
                && let Some(number) = block_of(&hash)
            {
                included.insert(hash, number, Arc::clone(transaction));
            }
        }
    }

    /// Returns the blob transaction with this hash, with its sidecar.
    pub(super) fn get(&self, hash: &B256) -> Option<Arc<PoolTx>> {
        let included = self.0.lock();
        let (_, transaction) = included.transactions.get(hash)?;
        Some(Arc::clone(transaction))
    }

    /// Returns a transaction with the blob that has this versioned hash.
    pub(super) fn with_blob(&self, versioned_hash: &B256) -> Option<Arc<PoolTx>> {
        let included = self.0.lock();
        let mut transactions = included.transactions.values();
        transactions.find_map(|(_, transaction)| {
            let hashes = transaction.transaction().blob_hashes();
            let has_blob = hashes.contains(versioned_hash);
            has_blob.then(|| Arc::clone(transaction))
        })
    }

    /// Removes the transactions that are more than [`LIMBO_BLOCKS`] blocks below `head`, and the
    /// oldest until the rest has at most [`MAX_LIMBO_BYTES`].
    pub(super) fn prune(&self, head: u64) {
        let mut included = self.0.lock();
        let mut by_age: Vec<(u64, B256)> = included
            .transactions
            .iter()
            .map(|(hash, (number, _))| (*number, *hash))
            .collect();
        by_age.sort_unstable();
        for (number, hash) in by_age {
            let is_too_old = number.saturating_add(LIMBO_BLOCKS) < head;
            if !is_too_old && included.bytes <= MAX_LIMBO_BYTES {
                return;
            }
            included.remove(&hash);
        }
    }
}

impl Included {
    fn insert(&mut self, hash: B256, number: u64, transaction: Arc<PoolTx>) {
        self.remove(&hash);
        self.bytes += transaction.size();
        self.transactions.insert(hash, (number, transaction));
    }

    fn remove(&mut self, hash: &B256) -> Option<Arc<PoolTx>> {
        let (_, transaction) = self.transactions.remove(hash)?;
        self.bytes = self.bytes.saturating_sub(transaction.size());
        Some(transaction)
    }
}

#[cfg(test)]
mod tests {
    use actoreum_primitives::alloy_primitives::FixedBytes;
    use actoreum_primitives::{
        AccountInfo, Address, BlobSidecar, BlobTx, Bytes, ChainConfig, ETHER, Fork, GWEI, Header,
        PooledTransaction, SecretKey, SidecarProofs, StateError, StateReader, TxPayload, U256,
        b256,
    };
    use actoreum_txpool::{Head, Origin, Pool, PoolConfig, Status};

    use super::*;

    /// Versioned hash of a blob of zeros.
    const ZERO_BLOB: B256 =
        b256!("010657f37554c781402a22917dee2f75def7ab966d7b770905398eba3c444014");

    /// State in which every account has one ether and this nonce.
    struct Sent(u64);

    impl StateReader for Sent {
        fn account(&self, _: &Address) -> Result<Option<AccountInfo>, StateError> {
            Ok(Some(AccountInfo {
                balance: U256::from(ETHER),
                nonce: self.0,
                ..AccountInfo::default()
            }))
        }
        fn storage(&self, _: &Address, _: &U256) -> Result<U256, StateError> {
            Ok(U256::ZERO)
        }
        fn code(&self, _: &B256) -> Result<Bytes, StateError> {
            Ok(Bytes::new())
        }
    }

    fn head(number: u64) -> Head {
        let config = ChainConfig {
            // Chains that have not merged have no blobs.
            terminal_total_difficulty: Some(U256::ZERO),
            ..ChainConfig::active_from_genesis(1337, Fork::Cancun)
        };
        let header = Header {
            number,
            gas_limit: 30_000_000,
            base_fee_per_gas: Some(7),
            ..Header::default()
        };
        Head::new(&config, &header, header.hash(), 7)
    }

    /// Returns a transaction with a blob of zeros, whose commitment and proof are the point at
    /// infinity.
    fn blob_transaction(nonce: u64) -> Arc<PoolTx> {
        let infinity = || {
            let mut point = FixedBytes::<48>::ZERO;
            point[0] = 0xc0;
            vec![point]
        };
        let payload = TxPayload::Blob(BlobTx {
            chain_id: 1337,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: U256::from(GWEI),
            max_priority_fee_per_gas: U256::from(GWEI),
            max_fee_per_blob_gas: U256::from(GWEI),
            blob_versioned_hashes: vec![ZERO_BLOB],
            ..BlobTx::default()
        });
        let pooled = PooledTransaction {
            transaction: payload.sign(&SecretKey::from_bytes(&[7; 32]).unwrap()),
            sidecar: Some(BlobSidecar {
                blobs: vec![vec![0; 131_072].into()],
                commitments: infinity(),
                proofs: SidecarProofs::Blob(infinity()),
            }),
        };
        Arc::new(PoolTx::prepare(pooled, &head(0).senders).unwrap())
    }

    #[test]
    fn an_included_blob_transaction_can_return_to_the_pool() {
        let limbo = Limbo::default();
        let transaction = blob_transaction(0);
        let hash = transaction.hash();
        let mut pool = Pool::new(PoolConfig::default(), head(0));
        pool.add(transaction, Origin::Local, &Sent(0), 0).unwrap();
        let before = pool.snapshot();
        pool.reset(head(1), &Sent(1), [], 0).unwrap();
        assert!(pool.snapshot().get(&hash).is_none(), "it was included");
        limbo.keep_included(&before, &pool.snapshot(), |_| Some(1));

        // The block left the chain.
        let before = pool.snapshot();
        let returned = limbo.get(&hash).expect("it is in the limbo");
        pool.reset(head(0), &Sent(0), [returned], 0).unwrap();
        let snapshot = pool.snapshot();
        assert!(snapshot.get(&hash).unwrap().pooled().sidecar.is_some());
        limbo.keep_included(&before, &snapshot, |_| None);
        assert!(limbo.get(&hash).is_none());
        assert_eq!(limbo.0.lock().bytes, 0);
    }

    #[test]
    fn a_queued_transaction_is_kept_when_a_block_includes_it() {
        let limbo = Limbo::default();
        let transaction = blob_transaction(1);
        let hash = transaction.hash();
        let mut pool = Pool::new(PoolConfig::default(), head(0));
        let added = pool.add(transaction, Origin::Local, &Sent(0), 0).unwrap();
        assert_eq!(added, Status::Queued);
        let before = pool.snapshot();
        pool.reset(head(1), &Sent(2), [], 0).unwrap();
        limbo.keep_included(&before, &pool.snapshot(), |_| Some(1));
        assert!(limbo.get(&hash).is_some());
    }

    #[test]
    fn only_included_transactions_are_kept() {
        let limbo = Limbo::default();
        let mut pool = Pool::new(PoolConfig::default(), head(0));
        let transaction = blob_transaction(0);
        let hash = transaction.hash();
        pool.add(transaction, Origin::Local, &Sent(0), 0).unwrap();
        let before = pool.snapshot();
        limbo.keep_included(&before, &before, |_| Some(1));
        assert!(limbo.get(&hash).is_none(), "it is still in the pool");
        let empty = Pool::new(PoolConfig::default(), head(0)).snapshot();
        limbo.keep_included(&before, &empty, |_| None);
        assert!(limbo.get(&hash).is_none(), "it was dropped");
    }

    #[test]
    fn the_limbo_is_bounded_in_blocks_and_bytes() {
        let limbo = Limbo::default();
        let transaction = blob_transaction(0);
        let insert = |index: u64| {
            let hash = B256::from(U256::from(index));
            let transaction = Arc::clone(&transaction);
            limbo.0.lock().insert(hash, index, transaction);
        };
        (0..10).for_each(insert);
        limbo.prune(LIMBO_BLOCKS + 4);
        assert_eq!(limbo.0.lock().transactions.len(), 6);
        let most = (MAX_LIMBO_BYTES / transaction.size()) as u64;
        (10..most + 20).for_each(insert);
        limbo.prune(10);
        let included = limbo.0.lock();
        assert!(included.bytes <= MAX_LIMBO_BYTES);
        assert_eq!(included.transactions.len() as u64, most);
        let newest = B256::from(U256::from(most + 19));
        assert!(included.transactions.contains_key(&newest));
    }
}
