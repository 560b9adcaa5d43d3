//! A development chain of real actors, driven through messages.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use actoreum_actors::{
    accounts::{AccountsActor, AccountsSetup, StandingKeys},
    chain::{ChainActor, ChainSetup},
    miner::{MinerControl, MinerSettings},
    sealer::{CliqueSetup, SealGuard, SealerActor, SealerSetup, SealingMethod},
    supervision::{ActorRef, ChildSpec, Pool, Strategy, SupervisorSpec, Tree},
    txpool::{TxPoolHandle, TxPoolSetup},
    worker::{Pace, WorkerActor, WorkerSetup},
};
use actoreum_chain::{ChainReader, genesis};
use actoreum_consensus::{Clique, Engine};
use actoreum_primitives::{Bytes, DevChain, SecretKey, config::EngineConfig};
use actoreum_storage::Store;
use actoreum_txpool::{PoolConfig, PoolReader};
use actoreum_wallet::{KeyDirectory, Password, ScryptCost};

/// What outlives the process: the database and the key files.
pub struct Disk {
    pub store: Store,
    pub keys: KeyDirectory,
    pub signer: SecretKey,
    folder: tempfile::TempDir,
}

impl Disk {
    /// A new development chain.
    pub fn new(period: u64) -> Self {
        Self::with_gas_limit(period, DevChain::GAS_LIMIT)
    }

    /// The same, whose signer seals no block without transactions.
    #[allow(dead_code, reason = "not every test file needs it")]
    pub fn without_empty_blocks(period: u64) -> Self {
        Self::made(period, DevChain::GAS_LIMIT, true)
    }

    /// The same, whose blocks have as much gas.
    pub fn with_gas_limit(period: u64, gas_limit: u64) -> Self {
        Self::made(period, gas_limit, false)
    }

    fn made(period: u64, gas_limit: u64, skips_empty_blocks: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyDirectory::new(folder.path().join("keystore"), ScryptCost::LIGHT);
        let signer = SecretKey::random();
        keys.import(&signer, &Password::default()).unwrap();
        let store = Store::memory();
        let chain = DevChain {
            period,
            gas_limit,
            ..DevChain::new(signer.address())
        };
        let mut spec = chain.genesis();
        spec.config.skips_empty_blocks = skips_empty_blocks;
        genesis::init(&store, &spec).unwrap();
        Self {
            store,
            keys,
            signer,
            folder,
        }
    }
}

/// The actors of a development chain.
pub struct Dev {
    pub tree: Tree,
    pub reader: ChainReader,
    pub chain: ActorRef<ChainActor>,
    pub accounts: ActorRef<AccountsActor>,
    pub worker: ActorRef<WorkerActor>,
    pub sealer: ActorRef<SealerActor>,
    pub txpool: TxPoolHandle,
    pub control: Arc<MinerControl>,
}

impl Dev {
    /// Starts the actors over what is on disk.
    pub async fn start(disk: &Disk) -> Self {
        let reader = ChainReader::open_development(disk.store.clone()).unwrap();
        let EngineConfig::Clique(settings) = reader.config().engine() else {
            panic!("a development chain is sealed with clique");
        };
        let clique = Arc::new(Clique::new(settings, None));
        let engine: Arc<dyn Engine> = clique.clone();
        let signer = disk.signer.address();
        clique.set_signer(Some(signer));

        let (accounts, chain) = (ActorRef::new("accounts"), ActorRef::new("chain"));
        let (worker, sealer) = (ActorRef::new("worker"), ActorRef::new("sealer"));
        let (pool, pending) = (ActorRef::new("pool"), PoolReader::default());
        let signatures = Pool::new("signatures", 1);
        let txpool = TxPoolHandle::new(
            pool.clone(),
            pending.clone(),
            reader.clone(),
            signatures.clone(),
        );
        let scrypt = Pool::new("scrypt", 1);
        let import = Pool::new("import", 1);
        let building = Pool::new("building", 2);
        let accounts_setup = AccountsSetup {
            keys: disk.keys.clone(),
            pool: scrypt.clone(),
            open: StandingKeys::new(vec![disk.signer.clone()]),
            held: Vec::new(),
        };
        let chain_setup = ChainSetup::new(reader.clone(), Arc::clone(&engine), import.clone())
            .follower(pool.recipient())
            .follower(worker.recipient());
        let mut pool_setup =
            TxPoolSetup::new(reader.clone(), pending.clone(), PoolConfig::default())
                .follower(worker.recipient());
        pool_setup.journal = Some(disk.folder.path().join("transactions.rlp"));
        let decided = MinerSettings {
            etherbase: Some(signer),
            extra_data: Bytes::from_static(b"test"),
            gas_floor: DevChain::GAS_LIMIT,
            gas_ceiling: DevChain::GAS_LIMIT,
            gas_price: 1,
            recommit: Duration::from_secs(3),
        };
        let control = Arc::new(MinerControl::new(decided, true));
        let worker_setup = WorkerSetup {
            reader: reader.clone(),
            engine,
            pace: match settings.period {
                0 => Pace::OnDemand,
                period => Pace::Period(period),
            },
            pool: building.clone(),
            pending: pending.clone(),
            chain: chain.clone(),
            sealer: sealer.clone(),
            control: Arc::clone(&control),
            own: Vec::new(),
        };
        let sealer_setup = SealerSetup {
            method: SealingMethod::Clique(CliqueSetup {
                clique,
                accounts: accounts.clone(),
                guard: Arc::new(SealGuard::open(disk.store.clone(), None).unwrap()),
            }),
            reader: reader.clone(),
            pool: building.clone(),
            worker: worker.clone(),
            control: Arc::clone(&control),
        };
        let keys = SupervisorSpec::new("keys", Strategy::RestForOne)
            .child(scrypt.child())
            .child(ChildSpec::new_async(&accounts, move || {
                accounts_setup.clone().start()
            }))
            .intensity(50, MINUTE);
        let miner = SupervisorSpec::new("miner", Strategy::RestForOne)
            .child(building.child())
            .child(ChildSpec::new(&worker, move || {
                worker_setup.clone().start()
            }))
            .child(ChildSpec::new(&sealer, move || {
                sealer_setup.clone().start()
            }))
            .intensity(50, MINUTE);
        let txpool_spec = SupervisorSpec::new("txpool", Strategy::RestForOne)
            .child(signatures.child())
            .child(ChildSpec::new(&pool, move || pool_setup.clone().open()))
            .intensity(50, MINUTE);
        let core = SupervisorSpec::new("core", Strategy::RestForOne)
            .child(import.child())
            .child(ChildSpec::new_async(&chain, move || {
                chain_setup.clone().open()
            }))
            .child(txpool_spec)
            .child(miner)
            .intensity(50, MINUTE);
        let node = SupervisorSpec::new("node", Strategy::OneForOne)
            .child(keys)
            .child(core);
        Self {
            tree: Tree::start(node).await.unwrap(),
            reader,
            chain,
            accounts,
            worker,
            sealer,
            txpool,
            control,
        }
    }

    /// Stops the actors in order.
    pub async fn stop(self) {
        assert!(self.tree.shutdown().await.is_clean());
    }
}

/// The time in which actors may crash as often as tests have them crash.
pub const MINUTE: Duration = Duration::from_secs(60);
/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Runs a test in an actix system of its own.
pub fn run<F: Future>(test: F) -> F::Output {
    actix::System::new().block_on(test)
}

/// Waits until `condition` holds.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "it never came true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
