//! The actors of a development chain, and its files on disk.

use std::{sync::Arc, time::Duration};

use actoreum_actors::{
    accounts::{AccountsActor, AccountsSetup, UnlockedKeys},
    chain::{ChainActor, ChainSetup},
    clock::ChainClock,
    dev::{DevActor, DevControl, DevSetup},
    eth::EthPeers,
    sealing::control::{DevSettings, MinerActor, MinerControl, MinerSettings, MinerSetup},
    sealing::sealer::{
        CliqueSetup, SealGuard, SealerActor, SealerSetup, SealingMethod, UnsealedSetup,
    },
    sealing::worker::{Pace, WorkerActor, WorkerSetup},
    txpool::{TxPoolHandle, TxPoolSetup},
};
use actoreum_chain::{ChainReader, genesis};
use actoreum_consensus::{Clique, Engine, EngineOptions, engine_for};
use actoreum_primitives::{Address, B256, Bytes, DevChain, SecretKey, config::EngineConfig};
use actoreum_storage::Store;
use actoreum_supervision::{ActorRef, ChildSpec, Pool, Strategy, SupervisorSpec, Tree};
use actoreum_txpool::{PoolConfig, PoolReader};
use actoreum_wallet::{KeyDirectory, Password, ScryptCost};

use crate::common::{MINUTE, until};

/// The state on disk that survives a restart: the database and the key files.
pub struct Disk {
    pub store: Store,
    pub keys: KeyDirectory,
    pub signer: SecretKey,
    /// Seconds between the blocks of a merged chain.
    period: u64,
    folder: tempfile::TempDir,
}

impl Disk {
    /// Creates a new development chain.
    pub fn new(period: u64) -> Self {
        Self::with_gas_limit(period, DevChain::GAS_LIMIT)
    }

    /// Creates a new development chain whose signer seals no block without transactions.
    pub fn without_empty_blocks(period: u64) -> Self {
        Self::create(period, DevChain::GAS_LIMIT, true)
    }

    /// Creates a new development chain with a gas limit.
    pub fn with_gas_limit(period: u64, gas_limit: u64) -> Self {
        Self::create(period, gas_limit, false)
    }

    /// Creates a new merged development chain; `signer` is an account with ether.
    pub fn merged(period: u64) -> Self {
        Self::of(period, false, |signer| {
            let clique = DevChain::new(signer);
            DevChain {
                accounts: clique.accounts,
                ..DevChain::merged()
            }
        })
    }

    fn create(period: u64, gas_limit: u64, skips_empty_blocks: bool) -> Self {
        Self::of(period, skips_empty_blocks, |signer| DevChain {
            period,
            gas_limit,
            ..DevChain::new(signer)
        })
    }

    fn of(period: u64, skips_empty_blocks: bool, chain: impl FnOnce(Address) -> DevChain) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyDirectory::new(folder.path().join("keystore"), ScryptCost::LIGHT);
        let signer = SecretKey::random();
        keys.import(&signer, &Password::default()).unwrap();
        let store = Store::memory();
        let mut spec = chain(signer.address()).genesis();
        spec.config.skips_empty_blocks = skips_empty_blocks;
        genesis::init(&store, &spec).unwrap();
        Self {
            store,
            keys,
            signer,
            period,
            folder,
        }
    }
}

/// The actors of a development chain.
pub struct Dev {
    pub tree: Tree,
    pub reader: ChainReader,
    pub clock: ChainClock,
    pub chain: ActorRef<ChainActor>,
    pub accounts: ActorRef<AccountsActor>,
    pub worker: ActorRef<WorkerActor>,
    pub sealer: ActorRef<SealerActor>,
    pub txpool: TxPoolHandle,
    pub control: Arc<MinerControl>,
    pub miner: ActorRef<MinerActor>,
    pub user: ActorRef<DevActor>,
    pub user_control: Arc<DevControl>,
}

/// The parts that depend on the consensus.
struct Parts {
    engine: Arc<dyn Engine>,
    method: SealingMethod,
    period: u64,
    etherbase: Address,
}

impl Parts {
    fn of(disk: &Disk, reader: &ChainReader, accounts: &ActorRef<AccountsActor>) -> Self {
        let EngineConfig::Clique(settings) = reader.config().engine() else {
            let options = EngineOptions {
                seals_merged: true,
                ..EngineOptions::default()
            };
            let waits_for_time = disk.period > 0;
            return Self {
                engine: engine_for(reader.config(), options).engine,
                method: SealingMethod::Unsealed(UnsealedSetup { waits_for_time }),
                period: disk.period,
                etherbase: Address::ZERO,
            };
        };
        let clique = Arc::new(Clique::new(settings, None));
        let signer = disk.signer.address();
        clique.set_signer(Some(signer));
        Self {
            engine: clique.clone(),
            method: SealingMethod::Clique(CliqueSetup {
                clique,
                accounts: accounts.clone(),
                guard: Arc::new(SealGuard::open(disk.store.clone(), None).unwrap()),
            }),
            period: settings.period,
            etherbase: signer,
        }
    }
}

impl Dev {
    /// Starts the actors on a new development chain; returns its disk, too.
    pub async fn start_new(period: u64) -> (Disk, Self) {
        let disk = Disk::new(period);
        let dev = Self::start(&disk).await;
        (disk, dev)
    }

    /// Starts the actors with the state on disk.
    pub async fn start(disk: &Disk) -> Self {
        let reader = ChainReader::open_development(disk.store.clone()).unwrap();
        let clock = ChainClock::restore(&disk.store).unwrap();
        let (accounts, chain) = (ActorRef::new("accounts"), ActorRef::new("chain"));
        let Parts {
            engine,
            method,
            period,
            etherbase,
        } = Parts::of(disk, &reader, &accounts);
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
            threads: scrypt.clone(),
            unlocked: UnlockedKeys::new(vec![disk.signer.clone()]),
            mnemonic_keys: Vec::new(),
        };
        let chain_setup = ChainSetup::new(
            reader.clone(),
            Arc::clone(&engine),
            import.clone(),
            clock.clone(),
        )
        .follower(pool.recipient())
        .follower(worker.recipient());
        let mut pool_setup = TxPoolSetup::new(
            reader.clone(),
            pending.clone(),
            PoolConfig::default(),
            clock.clone(),
        )
        .follower(worker.recipient());
        pool_setup.journal = Some(disk.folder.path().join("transactions.rlp"));
        let decided = MinerSettings {
            etherbase: Some(etherbase),
            extra_data: Bytes::from_static(b"test"),
            // A development chain has the wanted gas limit at once, not step by step.
            gas_floor: reader.head().gas_limit,
            gas_ceiling: reader.head().gas_limit,
            gas_price: 1,
            recommit: Duration::from_secs(3),
            dev: DevSettings::default(),
        };
        let control = Arc::new(MinerControl::new(decided, true));
        let worker_setup = WorkerSetup {
            chain_reader: reader.clone(),
            clock: clock.clone(),
            engine,
            pace: match period {
                0 => Pace::OnDemand,
                period => Pace::Period(period),
            },
            threads: building.clone(),
            txpool: pending.clone(),
            chain_actor: chain.clone(),
            sealer: sealer.clone(),
            control: Arc::clone(&control),
            own: Vec::new(),
        };
        let (miner, user) = (ActorRef::new("miner"), ActorRef::new("development"));
        let user_control = Arc::new(DevControl::new(B256::ZERO, 1));
        let user_setup = DevSetup {
            control: Arc::clone(&user_control),
            chain_reader: reader.clone(),
            clock: clock.clone(),
            worker: worker.clone(),
            miner: miner.clone(),
            txpool_actor: pool.clone(),
        };
        let miner_setup = MinerSetup {
            control: Arc::clone(&control),
            chain_reader: reader.clone(),
            clock: clock.clone(),
            clique: match &method {
                SealingMethod::Clique(setup) => Some((Arc::clone(&setup.clique), period)),
                _ => None,
            },
            accounts: accounts.clone(),
            worker: worker.clone(),
            sealer: sealer.clone(),
            txpool_actor: Some(pool.clone()),
            peers: EthPeers::default(),
        };
        let sealer_setup = SealerSetup {
            method,
            chain_reader: reader.clone(),
            clock: clock.clone(),
            threads: building.clone(),
            worker: worker.clone(),
            control: Arc::clone(&control),
        };
        let keys = SupervisorSpec::new("keys", Strategy::RestForOne)
            .child(scrypt.child())
            .child(ChildSpec::new_async(&accounts, move || {
                accounts_setup.clone().start()
            }))
            .intensity(50, MINUTE);
        let miner_spec = SupervisorSpec::new("miner", Strategy::RestForOne)
            .child(building.child())
            .child(ChildSpec::new(&worker, move || {
                worker_setup.clone().start()
            }))
            .child(ChildSpec::new(&sealer, move || {
                sealer_setup.clone().start()
            }))
            .child(ChildSpec::new(&miner, move || miner_setup.clone().start()))
            .child(ChildSpec::new(&user, move || user_setup.clone().start()))
            .intensity(50, MINUTE);
        let txpool_spec = SupervisorSpec::new("txpool", Strategy::RestForOne)
            .child(signatures.child())
            .child(ChildSpec::new(&pool, move || pool_setup.clone().start()))
            .intensity(50, MINUTE);
        let core = SupervisorSpec::new("core", Strategy::RestForOne)
            .child(import.child())
            .child(ChildSpec::new_async(&chain, move || {
                chain_setup.clone().start()
            }))
            .child(txpool_spec)
            .child(miner_spec)
            .intensity(50, MINUTE);
        let node = SupervisorSpec::new("node", Strategy::OneForOne)
            .child(keys)
            .child(core);
        Self {
            tree: Tree::start(node).await.unwrap(),
            reader,
            clock,
            chain,
            accounts,
            worker,
            sealer,
            txpool,
            control,
            miner,
            user,
            user_control,
        }
    }

    /// Waits until the worker and the chain take messages, which they do not after a crash.
    pub async fn until_available(&self) {
        until("the worker and the chain are up", || {
            self.worker.is_available() && self.chain.is_available()
        })
        .await;
    }

    /// Stops the actors in order.
    pub async fn stop(self) {
        assert!(self.tree.shutdown().await.is_clean());
    }
}
