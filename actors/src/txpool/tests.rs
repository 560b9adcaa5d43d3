//! Tests of the real actor in a real tree, driven through messages alone.

use actoreum_primitives::PeerId;
use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actoreum_chain::{ChainReader, genesis};
use actoreum_consensus::{EngineOptions, engine_for};
use actoreum_messages::chain::{BlockOrigin, ImportBlocks, SetHead};
use actoreum_messages::events::NewTransactions;
use actoreum_messages::txpool::{AddLocal, AddRemote, SetPriceLimit};
use actoreum_primitives::rlp::Decode;
use actoreum_primitives::*;
use actoreum_storage::Store;
use actoreum_txpool::{AddError, PoolConfig, PoolReader, PoolTx, Snapshot, Status};
use actoreum_wire::eth::LazyList;
use parking_lot::Mutex;

use super::*;
use crate::chain::{ChainActor, ChainSetup};
pub(super) use actoreum_supervision::testing::until;
use actoreum_supervision::{ActorRef, Backoff, ChildSpec, Strategy, SupervisorSpec, Tree};

const PEER: PeerId = PeerId::repeat_byte(3);

pub(super) fn run<F: Future>(test: F) -> F::Output {
    actoreum_supervision::block_on(test)
}

/// Follower that records the hashes it gets.
struct RecordingFollower(Arc<Mutex<Vec<B256>>>);

impl Actor for RecordingFollower {}

impl Handles<NewTransactions> for RecordingFollower {
    type Answer = ();

    fn handle(&mut self, message: NewTransactions, _: &mut Ctx<Self>) {
        let hashes = message.transactions.iter().map(|tx| tx.hash());
        self.0.lock().extend(hashes);
    }
}

/// A chain with its pool and a follower.
struct TestPool {
    tree: Tree,
    chain: ActorRef<ChainActor>,
    reader: ChainReader,
    pool: TxPoolHandle,
    notified: Arc<Mutex<Vec<B256>>>,
}

struct TestOptions<'a> {
    genesis: &'a Genesis,
    journal: Option<&'a Path>,
    mailbox: usize,
}

impl TestPool {
    async fn start(options: TestOptions<'_>) -> Self {
        let store = Store::memory();
        genesis::init(&store, options.genesis).unwrap();
        let reader = ChainReader::open(store).unwrap();
        let engine = engine_for(reader.config(), EngineOptions::default()).engine;

        let notified = Arc::new(Mutex::new(Vec::new()));
        let (follower, actor) = (ActorRef::new("follower"), ActorRef::new("txpool"));
        let view = PoolReader::default();
        let config = PoolConfig {
            global_slots: 100_000,
            ..PoolConfig::default()
        };
        let clock = ChainClock::default();
        let mut setup = TxPoolSetup::new(reader.clone(), view.clone(), config, clock.clone())
            .follower(ActorRef::recipient(&follower));
        setup.journal = options.journal.map(Path::to_owned);

        let import = actoreum_supervision::Pool::new("import", 1);
        let signatures = actoreum_supervision::Pool::new("signatures", 1);
        let chain = ActorRef::new("chain");
        let chain_setup = ChainSetup::new(reader.clone(), engine, import.clone(), clock)
            .follower(ActorRef::recipient(&actor));
        let recorded = Arc::clone(&notified);
        let spec = SupervisorSpec::new("core", Strategy::OneForOne)
            .intensity(1_000, Duration::from_secs(60))
            .backoff(Backoff {
                first: Duration::from_millis(2),
                max: Duration::from_millis(10),
                healthy_after: Duration::from_secs(1),
            })
            .child(import.child())
            .child(signatures.child())
            .child(ChildSpec::new_async(&chain, move || {
                chain_setup.clone().start()
            }))
            .child(ChildSpec::new(&follower, move || {
                RecordingFollower(Arc::clone(&recorded))
            }))
            .child(ChildSpec::new(&actor, move || setup.clone().start()).mailbox(options.mailbox));
        Self {
            tree: Tree::start(spec).await.unwrap(),
            chain,
            pool: TxPoolHandle::new(actor, view, reader.clone(), signatures),
            reader,
            notified,
        }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.pool.snapshot().expect("the pool has started")
    }

    fn counts(&self) -> (u64, u64) {
        let snapshot = self.snapshot();
        (snapshot.pending_count(), snapshot.queued_count())
    }

    fn prepare(&self, pooled: PooledTransaction) -> Arc<PoolTx> {
        let rules = sender_rules(&self.reader);
        Arc::new(PoolTx::prepare(pooled, &rules).unwrap())
    }

    fn restarts(&self) -> u64 {
        self.pool.actor.generation() - 1
    }
}

fn key(index: u8) -> SecretKey {
    SecretKey::from_bytes(&[index + 1; 32]).unwrap()
}

/// Returns the genesis of a chain with four rich accounts.
fn dev() -> Genesis {
    let rich = (0..4).map(|index| (key(index).address(), U256::from(ETHER)));
    let chain = DevChain {
        accounts: BTreeMap::from_iter(rich),
        ..DevChain::new(key(0).address())
    };
    chain.genesis()
}

fn options<'a>(genesis: &'a Genesis, journal: Option<&'a Path>) -> TestOptions<'a> {
    TestOptions {
        genesis,
        journal,
        mailbox: 1_024,
    }
}

fn transfer(from: u8, nonce: u64, tip: u64) -> PooledTransaction {
    let payload = DynamicFeeTx {
        chain_id: DevChain::CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: U256::from(2 * GWEI),
        max_priority_fee_per_gas: U256::from(tip),
        to: Some(Address::ZERO),
        ..DynamicFeeTx::default()
    };
    PooledTransaction {
        transaction: TxPayload::DynamicFee(payload).sign(&key(from)),
        sidecar: None,
    }
}

#[test]
fn a_transaction_is_published_before_it_is_answered() {
    run(async {
        let genesis = dev();
        let test = TestPool::start(options(&genesis, None)).await;
        let first = test.pool.submit(transfer(1, 0, 5)).await.unwrap();
        assert_eq!(test.snapshot().status(&first), Some(Status::Pending));
        let third = test.pool.submit(transfer(1, 2, 5)).await.unwrap();
        assert_eq!(test.snapshot().status(&third), Some(Status::Queued));
        assert_eq!(test.snapshot().next_nonce(&key(1).address()), Some(1));
        let second = test.pool.submit(transfer(1, 1, 5)).await.unwrap();
        assert_eq!(test.counts(), (3, 0));
        until(|| test.notified.lock().len() == 3).await;
        assert_eq!(*test.notified.lock(), [first, second, third]);

        let known = test.pool.submit(transfer(1, 2, 5)).await.unwrap_err();
        assert_eq!(known.to_string(), format!("known transaction: {third:x}"));
        let low = test.pool.submit(transfer(1, 1, 5)).await.unwrap_err();
        assert!(matches!(low, SubmitError::Refused(AddError::Known(_))));
        assert!(test.tree.shutdown().await.is_clean());
    });
}

#[test]
fn accepted_local_transactions_survive_crashes() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("transactions.rlp");
        let genesis = dev();
        let test = TestPool::start(options(&genesis, Some(&path))).await;
        let mut accepted = Vec::new();
        for nonce in 0..200 {
            let from = (nonce % 4) as u8;
            if nonce % 10 == 3 {
                test.tree.handle().crash("core/txpool").unwrap();
            }
            // Submitted while the actor is down, and while it goes down.
            let hash = test.pool.submit(transfer(from, nonce / 4, 5)).await;
            accepted.push(hash.expect("a crash is invisible to users"));
        }
        assert!(test.restarts() > 10, "{}", test.restarts());
        test.tree.handle().crash("core/txpool").unwrap();
        let restarts = test.restarts();
        until(|| test.restarts() > restarts || test.counts() == (200, 0)).await;
        until(|| test.counts() == (200, 0)).await;
        for hash in &accepted {
            assert_eq!(test.snapshot().status(hash), Some(Status::Pending));
        }
        assert!(test.tree.shutdown().await.exit_code() < 2);

        // They also survive a restart of the node, with a torn end of the journal.
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend([0xf8, 0x6b, 0x01]);
        fs::write(&path, bytes).unwrap();
        let test = TestPool::start(options(&genesis, Some(&path))).await;
        assert_eq!(test.counts(), (200, 0));
        until(|| test.notified.lock().len() == 200).await;
    });
}

#[test]
fn a_price_limit_survives_a_crash() {
    run(async {
        let genesis = dev();
        let test = TestPool::start(options(&genesis, None)).await;
        let message = AddRemote {
            peer: PEER,
            transactions: vec![
                test.prepare(transfer(1, 0, 9)),
                test.prepare(transfer(2, 0, 10)),
            ],
        };
        let added = test.pool.actor.ask(message).await.unwrap();
        assert!(added.iter().all(Result::is_ok));
        let message = SetPriceLimit { price_limit: 10 };
        assert_eq!(test.pool.actor.ask(message).await, Ok(1));
        assert_eq!(test.counts(), (1, 0));

        test.tree.handle().crash("core/txpool").unwrap();
        until(|| test.restarts() == 1).await;
        let message = AddRemote {
            peer: PEER,
            transactions: vec![test.prepare(transfer(3, 0, 9))],
        };
        let waiting = test.pool.actor.within(Duration::from_secs(10));
        let added = waiting.ask(message).await.unwrap();
        assert!(matches!(added[..], [Err(AddError::Underpriced)]));
    });
}

#[test]
fn results_keep_their_order_and_known_ones_are_not_rechecked() {
    run(async {
        let genesis = dev();
        let test = TestPool::start(options(&genesis, None)).await;
        let known = test.pool.submit(transfer(1, 0, 5)).await.unwrap();
        let elsewhere = TxPayload::Legacy(LegacyTx {
            chain_id: Some(1),
            gas_price: U256::from(GWEI),
            gas_limit: 100_000,
            ..LegacyTx::default()
        });
        let elsewhere = PooledTransaction {
            transaction: elsewhere.sign(&key(1)),
            sidecar: None,
        };
        let sent = vec![
            elsewhere,
            transfer(2, 1, 5),
            transfer(1, 0, 5),
            transfer(2, 0, 5),
        ];
        let _membership = test.pool.verifier.join(PEER);
        let hashes: Vec<B256> = sent.iter().map(|it| it.transaction.hash()).collect();
        let slice = LazyList::<PooledTransaction>::from_items(&sent);
        let submitted = test.pool.submit_remote(PEER, slice).await.unwrap();
        assert!(submitted.iter().map(|it| it.hash).eq(hashes));
        let added: Vec<_> = submitted.into_iter().map(|it| it.result).collect();
        assert!(matches!(
            &added[..],
            [
                Err(AddError::InvalidSender),
                Ok(Status::Queued),
                Err(AddError::Known(hash)),
                Ok(Status::Pending),
            ] if *hash == known
        ));
        assert_eq!(test.counts(), (3, 0));
    });
}

#[test]
fn a_flood_of_peers_does_not_block_local_transactions() {
    run(async {
        let genesis = dev();
        let test = TestPool::start(TestOptions {
            mailbox: 8,
            ..options(&genesis, None)
        })
        .await;
        let unneeded = test.prepare(transfer(3, 50, 5));
        let flood = (0..1_000).map(|_| {
            test.pool.actor.ask(AddRemote {
                peer: PEER,
                transactions: vec![Arc::clone(&unneeded); 100],
            })
        });
        let flood: Vec<_> = flood.collect();
        let transactions = vec![test.prepare(transfer(1, 0, 5))];
        let added = test.pool.actor.ask(AddLocal { transactions }).await;
        assert!(matches!(added.unwrap()[..], [Ok(Status::Pending)]));
        let answers = futures_util::future::join_all(flood).await;
        let dropped = answers.iter().filter(|answer| answer.is_err()).count();
        assert!(dropped > 0, "the mailbox holds eight");
    });
}

/// Returns the chain that geth sealed, with its genesis.
fn sealed_by_geth() -> Option<(Genesis, Vec<Block>)> {
    let folder = std::env::var_os("ACTOREUM_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"),
        PathBuf::from,
    );
    if !folder.is_dir() {
        println!("skipped: fixtures not found");
        return None;
    }
    let json = fs::read_to_string(folder.join("clique-bench/genesis.json")).unwrap();
    let bytes = fs::read(folder.join("clique-bench/chain.rlp")).unwrap();
    let mut rest = &bytes[..];
    let mut blocks = Vec::new();
    while !rest.is_empty() && blocks.len() < 30 {
        blocks.push(Block::decode(&mut rest).unwrap());
    }
    blocks.retain(|block| block.header.number > 0);
    Some((Genesis::from_json(&json).unwrap(), blocks))
}

#[test]
fn the_pool_follows_a_real_chain_and_its_rewind() {
    let Some((genesis, blocks)) = sealed_by_geth() else {
        return;
    };
    run(async {
        let test = TestPool::start(options(&genesis, None)).await;
        let of_chain = blocks.iter().flat_map(|block| &block.body.transactions);
        let all: Vec<B256> = of_chain.clone().map(Transaction::hash).collect();
        for transaction in of_chain {
            let pooled = PooledTransaction {
                transaction: transaction.clone(),
                sidecar: None,
            };
            test.pool.submit(pooled).await.unwrap();
        }
        assert!(all.len() > 100, "{}", all.len());
        assert_eq!(test.counts(), (all.len() as u64, 0));

        // Block by block, each block's transactions leave the pool with it.
        let mut mined = 0;
        for block in &blocks[..20] {
            let import = ImportBlocks {
                blocks: vec![block.clone()],
                origin: BlockOrigin::Live,
            };
            test.chain.ask(import).await.unwrap().unwrap();
            mined += block.body.transactions.len();
            let left = (all.len() - mined) as u64;
            until(|| test.counts() == (left, 0)).await;
        }
        let import = ImportBlocks {
            blocks: blocks[20..].to_vec(),
            origin: BlockOrigin::Bulk,
        };
        test.chain.ask(import).await.unwrap().unwrap();
        until(|| test.counts() == (0, 0)).await;
        let head = test.reader.head().hash();
        assert_eq!(test.snapshot().head().hash, head);

        // After a rewind the pool follows the earlier head, and has the transactions above it
        // again.
        let reinjected = blocks[10..]
            .iter()
            .map(|it| it.body.transactions.len() as u64);
        let reinjected = reinjected.sum();
        let rewind = SetHead { number: 10 };
        test.chain.ask(rewind).await.unwrap().unwrap();
        until(|| test.counts() == (reinjected, 0)).await;
        assert_eq!(test.snapshot().head().number, 10);
        let import = ImportBlocks {
            blocks: blocks[10..].to_vec(),
            origin: BlockOrigin::Bulk,
        };
        test.chain.ask(import).await.unwrap().unwrap();
        until(|| test.counts() == (0, 0)).await;
    });
}
