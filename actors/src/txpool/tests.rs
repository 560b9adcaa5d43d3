//! The real actor in a real tree, driven through messages alone.

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actoreum_chain::{ChainReader, genesis};
use actoreum_consensus::{EthashOptions, engine_for};
use actoreum_messages::chain::{BlockOrigin, ImportBlocks, SetHead};
use actoreum_messages::events::NewTransactions;
use actoreum_messages::txpool::{AddLocal, AddRemote, SetPriceLimit};
use actoreum_primitives::rlp::Decode;
use actoreum_primitives::*;
use actoreum_storage::Store;
use actoreum_txpool::{AddError, PeerId, PoolConfig, PoolReader, PoolTx, Snapshot, Status};
use actoreum_wire::eth::LazyList;
use parking_lot::Mutex;

use super::*;
use crate::chain::{ChainActor, ChainSetup};
use crate::supervision::{ActorRef, Backoff, ChildSpec, Strategy, SupervisorSpec, Tree};

const PEER: PeerId = PeerId::repeat_byte(3);

fn run<F: Future>(test: F) -> F::Output {
    actix::System::new().block_on(test)
}

/// Waits, at most half a minute, until `condition` holds.
async fn until(condition: impl Fn() -> bool) {
    for _ in 0..30_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came true");
}

/// Notes what it is told.
struct Listener(Arc<Mutex<Vec<B256>>>);

impl Actor for Listener {}

impl Handles<NewTransactions> for Listener {
    type Answer = ();

    fn handle(&mut self, news: NewTransactions, _: &mut Ctx<Self>) {
        let hashes = news.transactions.iter().map(|tx| tx.hash());
        self.0.lock().extend(hashes);
    }
}

/// A chain with its pool, and somebody who listens.
struct Bench {
    tree: Tree,
    chain: ActorRef<ChainActor>,
    reader: ChainReader,
    pool: TxPoolHandle,
    told: Arc<Mutex<Vec<B256>>>,
}

struct Wish<'a> {
    genesis: &'a Genesis,
    journal: Option<&'a Path>,
    mailbox: usize,
}

impl Bench {
    async fn start(wish: Wish<'_>) -> Self {
        let store = Store::memory();
        genesis::init(&store, wish.genesis).unwrap();
        let reader = ChainReader::open(store).unwrap();
        let engine = engine_for(reader.config(), EthashOptions::default(), None);

        let told = Arc::new(Mutex::new(Vec::new()));
        let (listener, actor) = (ActorRef::new("listener"), ActorRef::new("txpool"));
        let view = PoolReader::default();
        let config = PoolConfig {
            global_slots: 100_000,
            ..PoolConfig::default()
        };
        let mut setup = TxPoolSetup::new(reader.clone(), view.clone(), config)
            .follower(ActorRef::recipient(&listener));
        setup.journal = wish.journal.map(Path::to_owned);

        let import = crate::supervision::Pool::new("import", 1);
        let signatures = crate::supervision::Pool::new("signatures", 1);
        let chain = ActorRef::new("chain");
        let chain_setup = ChainSetup::new(reader.clone(), engine, import.clone())
            .follower(ActorRef::recipient(&actor));
        let heard = Arc::clone(&told);
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
                chain_setup.clone().open()
            }))
            .child(ChildSpec::new(&listener, move || {
                Listener(Arc::clone(&heard))
            }))
            .child(ChildSpec::new(&actor, move || setup.clone().open()).mailbox(wish.mailbox));
        Self {
            tree: Tree::start(spec).await.unwrap(),
            chain,
            pool: TxPoolHandle::new(actor, view, reader.clone(), signatures),
            reader,
            told,
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

/// A chain with four rich accounts.
fn dev() -> Genesis {
    let rich = (0..4).map(|index| (key(index).address(), U256::from(ETHER)));
    let chain = DevChain {
        accounts: BTreeMap::from_iter(rich),
        ..DevChain::new(key(0).address())
    };
    chain.genesis()
}

fn wish<'a>(genesis: &'a Genesis, journal: Option<&'a Path>) -> Wish<'a> {
    Wish {
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
fn a_transaction_is_shown_and_told_before_it_is_answered() {
    run(async {
        let genesis = dev();
        let bench = Bench::start(wish(&genesis, None)).await;
        let first = bench.pool.submit(transfer(1, 0, 5)).await.unwrap();
        assert_eq!(bench.snapshot().status(&first), Some(Status::Pending));
        let third = bench.pool.submit(transfer(1, 2, 5)).await.unwrap();
        assert_eq!(bench.snapshot().status(&third), Some(Status::Queued));
        assert_eq!(bench.snapshot().next_nonce(&key(1).address()), Some(1));
        let second = bench.pool.submit(transfer(1, 1, 5)).await.unwrap();
        assert_eq!(bench.counts(), (3, 0));
        until(|| bench.told.lock().len() == 3).await;
        assert_eq!(*bench.told.lock(), [first, second, third]);

        let known = bench.pool.submit(transfer(1, 2, 5)).await.unwrap_err();
        assert_eq!(known.to_string(), format!("known transaction: {third:x}"));
        let low = bench.pool.submit(transfer(1, 1, 5)).await.unwrap_err();
        assert!(matches!(low, SubmitError::Refused(AddError::Known(_))));
        assert!(bench.tree.shutdown().await.is_clean());
    });
}

#[test]
fn accepted_local_transactions_survive_crashes() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("transactions.rlp");
        let genesis = dev();
        let bench = Bench::start(wish(&genesis, Some(&path))).await;
        let mut accepted = Vec::new();
        for nonce in 0..200 {
            let from = (nonce % 4) as u8;
            if nonce % 10 == 3 {
                bench.tree.handle().crash("core/txpool").unwrap();
            }
            // Submitted while it is down, and while it goes down.
            let hash = bench.pool.submit(transfer(from, nonce / 4, 5)).await;
            accepted.push(hash.expect("a crash is nothing that a user hears of"));
        }
        assert!(bench.restarts() > 10, "{}", bench.restarts());
        bench.tree.handle().crash("core/txpool").unwrap();
        let restarts = bench.restarts();
        until(|| bench.restarts() > restarts || bench.counts() == (200, 0)).await;
        until(|| bench.counts() == (200, 0)).await;
        for hash in &accepted {
            assert_eq!(bench.snapshot().status(hash), Some(Status::Pending));
        }
        assert!(bench.tree.shutdown().await.exit_code() < 2);

        // So they do a restart of the node, over a torn end.
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend([0xf8, 0x6b, 0x01]);
        fs::write(&path, bytes).unwrap();
        let bench = Bench::start(wish(&genesis, Some(&path))).await;
        assert_eq!(bench.counts(), (200, 0));
        until(|| bench.told.lock().len() == 200).await;
    });
}

#[test]
fn a_price_limit_outlives_a_crash() {
    run(async {
        let genesis = dev();
        let bench = Bench::start(wish(&genesis, None)).await;
        let message = AddRemote {
            peer: PEER,
            transactions: vec![
                bench.prepare(transfer(1, 0, 9)),
                bench.prepare(transfer(2, 0, 10)),
            ],
        };
        let added = bench.pool.actor.ask(message).await.unwrap();
        assert!(added.iter().all(Result::is_ok));
        let message = SetPriceLimit { price_limit: 10 };
        assert_eq!(bench.pool.actor.ask(message).await, Ok(1));
        assert_eq!(bench.counts(), (1, 0));

        bench.tree.handle().crash("core/txpool").unwrap();
        until(|| bench.restarts() == 1).await;
        let message = AddRemote {
            peer: PEER,
            transactions: vec![bench.prepare(transfer(3, 0, 9))],
        };
        let patient = bench.pool.actor.within(Duration::from_secs(10));
        let added = patient.ask(message).await.unwrap();
        assert!(matches!(added[..], [Err(AddError::Underpriced)]));
    });
}

#[test]
fn what_a_peer_sends_comes_back_in_its_order_and_what_is_known_is_not_checked_again() {
    run(async {
        let genesis = dev();
        let bench = Bench::start(wish(&genesis, None)).await;
        let known = bench.pool.submit(transfer(1, 0, 5)).await.unwrap();
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
        let _lane = bench.pool.verifier.join(PEER);
        let hashes: Vec<B256> = sent.iter().map(|it| it.transaction.hash()).collect();
        let slice = LazyList::<PooledTransaction>::from_items(&sent);
        let submitted = bench.pool.submit_remote(PEER, slice).await.unwrap();
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
        assert_eq!(bench.counts(), (3, 0));
    });
}

#[test]
fn a_flood_of_peers_gives_way_to_local_ones() {
    run(async {
        let genesis = dev();
        let bench = Bench::start(Wish {
            mailbox: 8,
            ..wish(&genesis, None)
        })
        .await;
        let junk = bench.prepare(transfer(3, 50, 5));
        let flood = (0..1_000).map(|_| {
            bench.pool.actor.ask(AddRemote {
                peer: PEER,
                transactions: vec![Arc::clone(&junk); 100],
            })
        });
        let flood: Vec<_> = flood.collect();
        let transactions = vec![bench.prepare(transfer(1, 0, 5))];
        let added = bench.pool.actor.ask(AddLocal { transactions }).await;
        assert!(matches!(added.unwrap()[..], [Ok(Status::Pending)]));
        let answers = futures_util::future::join_all(flood).await;
        let dropped = answers.iter().filter(|answer| answer.is_err()).count();
        assert!(dropped > 0, "the mailbox holds eight");
    });
}

/// The chain that geth sealed, with its genesis.
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
fn the_pool_follows_a_real_chain_forth_and_back() {
    let Some((genesis, blocks)) = sealed_by_geth() else {
        return;
    };
    run(async {
        let bench = Bench::start(wish(&genesis, None)).await;
        let of_chain = blocks.iter().flat_map(|block| &block.body.transactions);
        let all: Vec<B256> = of_chain.clone().map(Transaction::hash).collect();
        for transaction in of_chain {
            let pooled = PooledTransaction {
                transaction: transaction.clone(),
                sidecar: None,
            };
            bench.pool.submit(pooled).await.unwrap();
        }
        assert!(all.len() > 100, "{}", all.len());
        assert_eq!(bench.counts(), (all.len() as u64, 0));

        // Block by block, each block's transactions leave with it.
        let mut mined = 0;
        for block in &blocks[..20] {
            let import = ImportBlocks {
                blocks: vec![block.clone()],
                origin: BlockOrigin::Live,
            };
            bench.chain.ask(import).await.unwrap().unwrap();
            mined += block.body.transactions.len();
            let left = (all.len() - mined) as u64;
            until(|| bench.counts() == (left, 0)).await;
        }
        let import = ImportBlocks {
            blocks: blocks[20..].to_vec(),
            origin: BlockOrigin::Bulk,
        };
        bench.chain.ask(import).await.unwrap().unwrap();
        until(|| bench.counts() == (0, 0)).await;
        let head = bench.reader.head().hash();
        assert_eq!(bench.snapshot().head().hash, head);

        // A step back: the pool stands on the earlier head, and holds again what was above it.
        let again = blocks[10..]
            .iter()
            .map(|it| it.body.transactions.len() as u64);
        let again = again.sum();
        let step_back = SetHead { number: 10 };
        bench.chain.ask(step_back).await.unwrap().unwrap();
        until(|| bench.counts() == (again, 0)).await;
        assert_eq!(bench.snapshot().head().number, 10);
        let import = ImportBlocks {
            blocks: blocks[10..].to_vec(),
            origin: BlockOrigin::Bulk,
        };
        bench.chain.ask(import).await.unwrap().unwrap();
        until(|| bench.counts() == (0, 0)).await;
    });
}
