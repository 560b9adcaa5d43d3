//! Tests of sealing by proof of work with small datasets, by local threads and by remote miners.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64},
    },
    time::{Duration, Instant},
};

use actoreum_actors::{
    accounts::AccountsActor,
    chain::{ChainActor, ChainSetup},
    clock::ChainClock,
    eth::EthPeers,
    sealing::control::{DevSettings, MinerActor, MinerControl, MinerSettings, MinerSetup},
    sealing::sealer::{Notifier, PowSetup, SealerActor, SealerSetup, SealingMethod, SearchThreads},
    sealing::worker::{Pace, WorkerActor, WorkerSetup},
    txpool::{TxPoolHandle, TxPoolSetup},
};
use actoreum_chain::{BuildPlan, ChainReader, build, genesis};
use actoreum_consensus::{
    Engine, Ethash, EthashOptions, SealCheck,
    ethash::{DataSizes, Solution, epoch_of, search},
};
use actoreum_messages::{
    chain::{BlockOrigin, ImportBlocks},
    miner::{StartMining, StopMining},
    sealer::{GetWork, Seal, SealRefused, SubmitHashrate, SubmitWork, Work},
};
use actoreum_primitives::{
    Address, B256, Block, Bytes, Fork, Header, LegacyTx, PooledTransaction, PrivateChain,
    PrivateSealing, SecretKey, StateReader, TxPayload, U256,
};
use actoreum_storage::Store;
use actoreum_supervision::{
    Actor, ActorRef, ChildSpec, Ctx, Handles, Message, Pool, Strategy, SupervisorSpec, Tree,
};
use actoreum_txpool::{PoolConfig, PoolReader};
use common::{MINUTE, TIMEOUT, run, until};

/// The gas limit of a block.
const GAS_LIMIT: u64 = 8_000_000;
/// The minimum difficulty, for which a seal is found in a moment.
const EASY: u64 = 131_072;
const MINER: Address = Address::repeat_byte(0x11);
const OTHER: Address = Address::repeat_byte(0x22);

/// Holds the arbiter of the sealer for some time.
struct Blocker;

impl Actor for Blocker {}

#[derive(Message)]
struct Hold(Duration);

impl Handles<Hold> for Blocker {
    type Answer = ();

    fn handle(&mut self, Hold(time): Hold, _: &mut Ctx<Self>) {
        std::thread::sleep(time);
    }
}

struct Chain {
    tree: Tree,
    reader: ChainReader,
    ethash: Ethash,
    chain: ActorRef<ChainActor>,
    sealer: ActorRef<SealerActor>,
    blocker: ActorRef<Blocker>,
    miner: ActorRef<MinerActor>,
    control: Arc<MinerControl>,
    txpool: TxPoolHandle,
}

impl Chain {
    async fn start() -> Self {
        Self::start_with(GAS_LIMIT, EASY, Duration::from_secs(1)).await
    }

    async fn start_with(gas_limit: u64, difficulty: u64, recommit: Duration) -> Self {
        let reader = new_chain(gas_limit, difficulty);
        let options = EthashOptions {
            sizes: DataSizes::Small,
            threads: 1,
            ..EthashOptions::default()
        };
        let ethash = Ethash::new(options, SealCheck::Full);
        let engine: Arc<dyn Engine> = Arc::new(ethash.clone());
        let settings = MinerSettings {
            etherbase: Some(MINER),
            extra_data: Bytes::from_static(b"test"),
            gas_floor: gas_limit,
            gas_ceiling: gas_limit,
            gas_price: 1,
            recommit,
            dev: DevSettings::default(),
        };
        let control = Arc::new(MinerControl::new(settings, false));
        let (chain, worker) = (
            ActorRef::new("chain"),
            ActorRef::<WorkerActor>::new("worker"),
        );
        let sealer = ActorRef::<SealerActor>::new("sealer");
        let miner = ActorRef::new("control");
        let blocker = ActorRef::new("blocker");
        let accounts = ActorRef::<AccountsActor>::new("accounts");
        let (pool, pending) = (ActorRef::new("pool"), PoolReader::default());
        let (import, building) = (Pool::new("import", 1), Pool::new("building", 2));
        let (seals, search) = (Pool::new("seals", 1), SearchThreads::new(2));
        let signatures = Pool::new("signatures", 1);
        let txpool = TxPoolHandle::new(
            pool.clone(),
            pending.clone(),
            reader.clone(),
            signatures.clone(),
        );
        let clock = ChainClock::default();
        let chain_setup = ChainSetup::new(
            reader.clone(),
            Arc::clone(&engine),
            import.clone(),
            clock.clone(),
        )
        .follower(pool.recipient())
        .follower(worker.recipient())
        .follower(sealer.recipient());
        let pool_setup = TxPoolSetup::new(
            reader.clone(),
            pending.clone(),
            PoolConfig::default(),
            clock.clone(),
        );
        let worker_setup = WorkerSetup {
            chain_reader: reader.clone(),
            clock: clock.clone(),
            engine,
            pace: Pace::Search,
            threads: building.clone(),
            txpool: pending,
            chain_actor: chain.clone(),
            sealer: sealer.clone(),
            control: Arc::clone(&control),
            own: Vec::new(),
        };
        let sealer_setup = SealerSetup {
            method: SealingMethod::Ethash(PowSetup {
                ethash: ethash.clone(),
                control: Arc::clone(&control),
                search: search.clone(),
                notify: Notifier::default(),
                no_verify: false,
                verify_threads: seals.clone(),
            }),
            chain_reader: reader.clone(),
            clock: clock.clone(),
            threads: building.clone(),
            worker: worker.clone(),
            control: Arc::clone(&control),
        };
        let miner_setup = MinerSetup {
            control: Arc::clone(&control),
            chain_reader: reader.clone(),
            clock,
            clique: None,
            accounts,
            worker: worker.clone(),
            sealer: sealer.clone(),
            txpool_actor: None,
            peers: EthPeers::default(),
        };
        let node = SupervisorSpec::new("node", Strategy::RestForOne)
            .child(import.child())
            .child(ChildSpec::new_async(&chain, move || {
                chain_setup.clone().start()
            }))
            .child(signatures.child())
            .child(ChildSpec::new(&pool, move || pool_setup.clone().start()))
            .child(seals.child())
            .child(search.child())
            .child(building.child())
            .child(ChildSpec::new(&worker, move || {
                worker_setup.clone().start()
            }))
            .child(ChildSpec::new(&sealer, move || sealer_setup.clone().start()).arbiter("sealer"))
            .child(ChildSpec::new(&blocker, || Blocker).arbiter("sealer"))
            .child(ChildSpec::new(&miner, move || miner_setup.clone().start()))
            .intensity(50, MINUTE);
        Self {
            tree: Tree::start(node).await.unwrap(),
            reader,
            ethash,
            chain,
            sealer,
            blocker,
            miner,
            control,
            txpool,
        }
    }

    async fn mine_with(&self, threads: usize) {
        let start = StartMining {
            threads: Some(threads),
        };
        self.miner.ask(start).await.unwrap().unwrap();
    }

    async fn reach(&self, number: u64) {
        until("the head", || self.reader.head_number() >= number).await;
    }

    /// Waits for work for a block of this number.
    async fn work(&self, number: u64) -> Work {
        self.work_that(|work| work.number == number).await
    }

    /// Waits for work for the same block number with another content.
    async fn other_work(&self, before: Work) -> Work {
        let is_other =
            |work: &Work| (work.number == before.number) && work.seal_hash != before.seal_hash;
        self.work_that(is_other).await
    }

    async fn work_that(&self, is_wanted: impl Fn(&Work) -> bool) -> Work {
        let begun = Instant::now();
        loop {
            match self.sealer.within(TIMEOUT).ask(GetWork).await.unwrap() {
                Some(work) if is_wanted(&work) => return work,
                _ => assert!(begun.elapsed() < TIMEOUT, "no work"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Searches for a solution as a remote miner does.
    fn solve(&self, work: &Work) -> Solution {
        self.solve_from(work, 0)
    }

    fn solve_from(&self, work: &Work, first: u64) -> Solution {
        let dataset = self.ethash.dataset(epoch_of(work.number), &|_| {}).unwrap();
        let difficulty = U256::MAX / work.target;
        let never = AtomicBool::new(false);
        let attempts = AtomicU64::new(0);
        search(
            &dataset,
            work.seal_hash,
            difficulty,
            first..u64::MAX,
            &never,
            &attempts,
        )
        .unwrap()
    }

    async fn submit(&self, work: &Work, solution: Solution) -> bool {
        let submitted = SubmitWork {
            seal_hash: work.seal_hash,
            solution,
        };
        self.sealer.ask(submitted).await.unwrap()
    }

    fn balance(&self, of: &Address) -> U256 {
        let state = self.reader.state_at(self.reader.head_number()).unwrap();
        state.account(of).unwrap().unwrap_or_default().balance
    }
}

fn new_chain(gas_limit: u64, difficulty: u64) -> ChainReader {
    let store = Store::memory();
    let chain = PrivateChain {
        chain_id: 77,
        sealing: PrivateSealing::Ethash(U256::from(difficulty)),
        gas_limit,
        fork: Fork::Petersburg,
        timestamp: 1_700_000_000,
        accounts: BTreeMap::from([(payer().address(), ether(1_000_000))]),
    };
    genesis::init(&store, &chain.genesis()).unwrap();
    ChainReader::open(store).unwrap()
}

fn ether(thousandths: u64) -> U256 {
    U256::from(thousandths) * U256::from(10).pow(U256::from(15))
}

#[test]
fn threads_find_seals_and_crashes_do_not_end_the_search() {
    run(async {
        let chain = Chain::start().await;
        chain.mine_with(2).await;
        chain.reach(3).await;
        for path in ["node/worker", "node/sealer", "node/control"] {
            let head = chain.reader.head_number();
            chain.tree.handle().crash(path).unwrap();
            chain.reach(head + 2).await;
        }
        until("the rate", || chain.control.hash_rate() > 0).await;
        chain.miner.ask(StopMining).await.unwrap();
        let head = chain.reader.head_number();
        // Two ether a block since Constantinople.
        assert!(chain.balance(&MINER) >= ether(2_000 * head), "{head}");
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(chain.reader.head_number() <= head + 1, "it had stopped");
        assert!(chain.tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_seal_that_is_found_while_the_mailbox_is_full_is_kept() {
    run(async {
        // Without a recommit no new work takes the place of that whose seal is found.
        let chain = Chain::start_with(GAS_LIMIT, EASY, MINUTE * 60).await;
        chain.mine_with(0).await;
        chain.work(1).await;
        chain.mine_with(1).await;
        let hold = chain.blocker.tell(Hold(Duration::from_secs(2)));
        hold.unwrap();
        let rate = || SubmitHashrate {
            miner: B256::ZERO,
            rate: 1,
        };
        let held_until = Instant::now() + Duration::from_secs(3);
        while chain.sealer.tell(rate()).is_ok() {
            assert!(Instant::now() < held_until, "the mailbox was never full");
        }
        chain.reach(1).await;
        assert!(chain.tree.shutdown().await.is_clean());
    });
}

/// Returns the key of the account that pays in these tests.
fn payer() -> SecretKey {
    SecretKey::from_bytes(&[7; 32]).unwrap()
}

/// Returns a payment of one wei to [`OTHER`].
fn payment(nonce: u64) -> PooledTransaction {
    signed(LegacyTx {
        nonce,
        gas_limit: 21_000,
        to: Some(OTHER),
        value: U256::from(1),
        ..LegacyTx::default()
    })
}

/// Returns a contract creation whose code loops until its gas is used up.
fn looping(nonce: u64) -> PooledTransaction {
    signed(LegacyTx {
        nonce,
        gas_limit: LOOP_GAS,
        input: Bytes::from_static(&[0x5b, 0x60, 0x00, 0x56]),
        ..LegacyTx::default()
    })
}

fn signed(payload: LegacyTx) -> PooledTransaction {
    let payload = TxPayload::Legacy(LegacyTx {
        chain_id: Some(77),
        gas_price: U256::from(1_000_000_000),
        ..payload
    });
    PooledTransaction {
        transaction: payload.sign(&payer()),
        sidecar: None,
    }
}

#[test]
fn crashes_under_load_lose_no_payment_and_mining_goes_on() {
    const ROUNDS: u64 = 6;
    const PAYMENTS: u64 = 20;
    run(async {
        let chain = Chain::start().await;
        chain.mine_with(2).await;
        for round in 0..ROUNDS {
            let path = ["node/worker", "node/sealer", "node/control"][round as usize % 3];
            for number in 0..PAYMENTS {
                let nonce = round * PAYMENTS + number;
                chain.txpool.submit(payment(nonce)).await.unwrap();
                if number == PAYMENTS / 2 {
                    chain.tree.handle().crash(path).unwrap();
                }
            }
            let head = chain.reader.head_number();
            chain.reach(head + 2).await;
        }
        let all = U256::from(ROUNDS * PAYMENTS);
        until("all are paid", || chain.balance(&OTHER) == all).await;
        chain.miner.within(TIMEOUT).ask(StopMining).await.unwrap();
        assert!(chain.tree.shutdown().await.is_clean());
    });
}

const LOOP_GAS: u64 = 30_000_000;
/// The number of looping transactions, which together run for seconds.
const LOOPS: u64 = 200;

/// Starts a chain whose blocks have gas for all looping transactions, which are in the pool.
async fn with_loops(difficulty: u64) -> Chain {
    let chain = Chain::start_with(2 * LOOPS * LOOP_GAS, difficulty, Duration::from_secs(1)).await;
    for nonce in 0..LOOPS {
        chain.txpool.submit(looping(nonce)).await.unwrap();
    }
    chain
}

#[test]
fn a_partly_filled_block_is_given_out_as_work() {
    run(async {
        let chain = with_loops(EASY).await;
        chain.mine_with(0).await;
        let empty = chain.work(1).await;
        chain.txpool.submit(looping(LOOPS)).await.unwrap();
        let partial = chain.other_work(empty).await;
        assert!(chain.submit(&partial, chain.solve(&partial)).await);
        chain.reach(1).await;
        let block = chain.reader.block_by_number(1).unwrap().unwrap();
        let filled = block.body.transactions.len() as u64;
        assert!((1..LOOPS).contains(&filled), "{filled}");
        assert!(chain.tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_stop_of_mining_ends_the_search_during_a_build() {
    run(async {
        // No seal is found at this difficulty.
        let chain = with_loops(1 << 60).await;
        chain.mine_with(1).await;
        until("a search", || chain.control.hash_rate() > 0).await;
        chain.miner.ask(StopMining).await.unwrap();
        until("its end", || chain.control.hash_rate() == 0).await;
        assert!(chain.tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_new_head_ends_the_search_on_the_old_one() {
    run(async {
        let chain = Chain::start().await;
        // The worker rests, so that no other block takes the place of this one, whose seal is not
        // found at this difficulty.
        chain.control.set_threads(2);
        let mut block = first_block(&chain.ethash, MINER, 1_700_000_100);
        block.header.difficulty = U256::from(1_u64 << 60);
        let seal = || Seal {
            block: block.clone(),
            even_if_empty: false,
            is_outdated: Arc::default(),
        };
        let sealed = chain.sealer.ask(seal());
        let search = || {
            let root = chain.tree.handle().snapshot();
            root.find("node/search").unwrap().pool.unwrap()
        };
        until("a search", || search().busy == 2).await;
        let request = ImportBlocks {
            blocks: vec![first_block(&chain.ethash, OTHER, 1_700_000_200)],
            origin: BlockOrigin::Live,
        };
        chain.chain.ask(request).await.unwrap().unwrap();
        let refused = sealed.await.unwrap();
        assert!(matches!(refused, Err(SealRefused::Outdated)), "{refused:?}");
        until("the end of the search", || search().busy == 0).await;
        let late = chain.sealer.ask(seal()).await.unwrap();
        assert!(matches!(late, Err(SealRefused::Outdated)), "{late:?}");
        assert!(chain.tree.shutdown().await.is_clean());
    });
}

#[test]
fn remote_miners_get_work_and_only_valid_seals_are_accepted() {
    run(async {
        let chain = Chain::start().await;
        assert_eq!(chain.sealer.ask(GetWork).await.unwrap(), None);
        chain.mine_with(0).await;
        for number in 1..=3 {
            let work = chain.work(number).await;
            let solution = chain.solve(&work);
            let bad = Solution {
                nonce: solution.nonce.wrapping_add(1),
                ..solution
            };
            assert!(!chain.submit(&work, bad).await);
            let unknown = Work {
                seal_hash: B256::repeat_byte(7),
                ..work
            };
            assert!(!chain.submit(&unknown, solution).await);
            assert!(chain.submit(&work, solution).await);
            chain.reach(number).await;
        }
        let said = SubmitHashrate {
            miner: B256::repeat_byte(1),
            rate: 1_234,
        };
        chain.sealer.ask(said).await.unwrap();
        until("the rate", || chain.control.hash_rate() == 1_234).await;
        assert!(chain.tree.shutdown().await.is_clean());
    });
}

#[test]
fn side_blocks_become_ommers_own_ones_first() {
    keep_log();
    run(async {
        let chain = Chain::start().await;
        chain.mine_with(0).await;
        let work = chain.work(1).await;
        let solution = chain.solve(&work);
        assert!(chain.submit(&work, solution).await);
        chain.reach(1).await;
        let second = chain.work(2).await;
        assert!(chain.submit(&second, chain.solve(&second)).await);
        chain.reach(2).await;

        // Two more blocks of height 1: a foreign one, and a late one of this node.
        let before = chain.work(3).await;
        let first = chain.reader.header_by_number(1).unwrap().unwrap();
        let foreign = first_block(&chain.ethash, OTHER, first.timestamp);
        let request = ImportBlocks {
            blocks: vec![foreign.clone()],
            origin: BlockOrigin::Live,
        };
        chain.chain.ask(request).await.unwrap().unwrap();
        let with_one = chain.other_work(before).await;
        let other_solution = chain.solve_from(&work, solution.nonce + 1);
        assert!(chain.submit(&work, other_solution).await);
        let with_both = chain.other_work(with_one).await;
        assert!(chain.submit(&with_both, chain.solve(&with_both)).await);
        chain.reach(3).await;
        let mut own = Header::clone(&first);
        other_solution.seal(&mut own);
        let block = chain.reader.block_by_number(3).unwrap().unwrap();
        assert_eq!(block.body.ommers, [own.clone(), foreign.header]);

        // The rewards: two ether for a block, a thirty-second of that for including each ommer, and
        // for an ommer the block reward less an eighth for each generation.
        let reward = ether(2_000);
        let ommer = reward * U256::from(6) / U256::from(8);
        let including = reward / U256::from(32);
        let ours = reward * U256::from(3) + including * U256::from(2) + ommer;
        assert_eq!(chain.balance(&MINER), ours);
        assert_eq!(chain.balance(&OTHER), ommer);

        // The outcome of own blocks is logged when they are deep enough.
        chain.mine_with(1).await;
        chain.reach(9).await;
        for line in [
            format!(
                "block reached canonical chain number=1 hash={}",
                first.hash()
            ),
            format!("block became an ommer number=1 hash={}", own.hash()),
        ] {
            until(&line, || LOG.lock().unwrap().contains(&line)).await;
        }
        assert!(chain.tree.shutdown().await.is_clean());
    });
}

/// The log of this process.
static LOG: Mutex<String> = Mutex::new(String::new());

struct ToLog;

impl Write for ToLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock()
            .unwrap()
            .push_str(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts writing the log to [`LOG`].
fn keep_log() {
    let log = tracing_subscriber::fmt().with_ansi(false);
    log.with_writer(|| ToLog).init();
}

/// Builds and seals another block of height 1, on a separate chain.
fn first_block(ethash: &Ethash, author: Address, time: u64) -> Block {
    let alone = new_chain(GAS_LIMIT, EASY);
    let plan = BuildPlan {
        parent: alone.head(),
        time,
        gas_limit: GAS_LIMIT,
        extra_data: Bytes::from_static(b"other"),
        author,
        edit: None,
        chosen: actoreum_chain::ChosenFields::default(),
    };
    let mut block = build(&alone, ethash, plan, |_, _, _| Ok(())).unwrap();
    let found = search(
        &ethash.dataset(0, &|_| {}).unwrap(),
        ethash.seal_hash(&block.header).unwrap(),
        block.header.difficulty,
        0..u64::MAX,
        &AtomicBool::new(false),
        &AtomicU64::new(0),
    );
    found.unwrap().seal(&mut block.header);
    block
}
