//! `--dev`: a chain of one's own, with a key that owns all of it.
//!
//! Without `--datadir` nothing outlives the process: the key file and the pool's journal lie in a
//! folder that goes with it, and of the chain, what the caches do not hold is in a file without a
//! name. With it, the chain and its key are there again at the next start.

use std::time::Duration;

use crate::{
    config::{Config, DevConfig},
    datadir::{self, DataDir},
    dev_folder::DevFolder,
    keys::{self, Keys},
    miner::{Sealing, usual_vanity},
};
use actoreum_actors::{accounts::StandingKeys, clock, miner::MinerSettings};
use actoreum_chain::{ChainReader, genesis};
use actoreum_consensus::clique::VANITY_BYTES;
use actoreum_primitives::{
    Address, ChainConfig, DevChain, Fork, SecretKey, U256, config::EngineConfig,
};
use actoreum_storage::{Engine, Store, StoreOptions};
use actoreum_wallet::{KeyDirectory, Password, ScryptCost, mnemonic};
use eyre::{WrapErr, bail, eyre};

/// What each account of `--dev.accounts` holds, in ether.
const ACCOUNT_ETHER: u64 = 10_000;

/// A development chain that is ready to run.
pub struct DevNode {
    /// The chain.
    pub store: Store,
    /// Where it lies; `None`: nowhere that outlives the process.
    pub datadir: Option<DataDir>,
    /// The key files and what lies open.
    pub keys: Keys,
    /// Who seals, and how.
    pub sealing: Sealing,
    /// Holds the key file and the pool's journal of a chain in memory; removed with it.
    _folder: Option<DevFolder>,
}

/// Opens the development chain of the data directory, or makes one.
pub fn open(config: &Config, dev: &DevConfig) -> eyre::Result<DevNode> {
    let mut folder = None;
    let (datadir, keystore, store) = match dev.in_memory {
        true => {
            let made = DevFolder::make()?;
            let keystore = made.path().join("keystore");
            let options = StoreOptions {
                engine: Engine::Fleeting,
                ..datadir::store_options(config)
            };
            let store = Store::open(made.path(), options)?;
            folder = Some(made);
            (None, keystore, store)
        }
        false => {
            let datadir = DataDir::of(config);
            let store = datadir.open_store(config)?;
            (Some(datadir), config.keys()?.folder().to_owned(), store)
        }
    };
    // A key with an empty password gains nothing from a dear derivation.
    let directory = KeyDirectory::new(keystore, ScryptCost::LIGHT);
    let held = mnemonic::keys(mnemonic::DEVELOPMENT, dev.accounts)?;
    let (signer, unlocked) = match store.head() {
        Some(_) => (signer_of(&store)?, keys::unlock(config, &directory)?),
        None => {
            // What may be refused comes before the key, whose password is empty, is written to a
            // folder that may be the operator's. The new account will be the last one there.
            let place = directory.list()?.len();
            let unlocked = keys::unlock_but(config, &directory, Some(place))?;
            (make(&store, &directory, dev, &held)?, unlocked)
        }
    };
    clock::restore(&store)?;
    let key = directory
        .find(signer, None)
        .and_then(|account| directory.open(&account, &Password::default()))
        .wrap_err_with(|| format!("the chain's signer {signer}"))?;
    let mut open = vec![key];
    open.extend(unlocked);
    Ok(DevNode {
        store,
        datadir,
        keys: Keys {
            directory,
            open: StandingKeys::new(open),
            held,
        },
        sealing: Sealing {
            settings: MinerSettings {
                etherbase: Some(signer),
                extra_data: usual_vanity(),
                gas_floor: dev.gas_limit,
                gas_ceiling: dev.gas_limit,
                gas_price: config.eth.tx_pool.price_limit,
                recommit: Duration::from_nanos(config.eth.miner.recommit),
            },
            is_wanted: true,
            scratch: folder.as_ref().map(|folder| folder.path().to_owned()),
        },
        _folder: folder,
    })
}

/// Makes the signer's key and the genesis, and shows the key, this once.
fn make(
    store: &Store,
    directory: &KeyDirectory,
    dev: &DevConfig,
    held: &[SecretKey],
) -> eyre::Result<Address> {
    let key = SecretKey::random();
    let mut chain = DevChain {
        period: dev.period,
        gas_limit: dev.gas_limit,
        fork: dev.fork,
        ..DevChain::new(key.address())
    };
    let ether = U256::from(10).pow(U256::from(18));
    for key in held {
        let balance = U256::from(ACCOUNT_ETHER) * ether;
        chain.accounts.insert(key.address(), balance);
    }
    let genesis = chain.genesis();
    // The key first: a chain without one could never go on.
    let account = directory.import(&key, &Password::default())?;
    if let Err(error) = genesis::init(store, &genesis) {
        // Nobody has use for the key. The first error is what matters.
        let _ = directory.delete(&account, &Password::default());
        return Err(error.into());
    }

    println!(
        "Development chain {}, rules of {}",
        DevChain::CHAIN_ID,
        dev.fork
    );
    println!();
    println!("Signer   {}", account.address);
    println!("Key      0x{}", hex::encode(key.to_bytes().as_slice()));
    println!("File     {} (empty password)", account.path.display());
    if !held.is_empty() {
        println!();
        println!("Accounts, {ACCOUNT_ETHER} ether each, keys known to everybody");
        println!("Mnemonic {}", mnemonic::DEVELOPMENT);
        for (index, key) in held.iter().enumerate() {
            let secret = hex::encode(key.to_bytes().as_slice());
            println!("({index}) {} 0x{secret}", key.address());
        }
    }
    println!();
    Ok(account.address)
}

/// Who seals the development chain in a store.
fn signer_of(store: &Store) -> eyre::Result<Address> {
    let reader = ChainReader::open(store.clone())?;
    if !is_dev(reader.config()) {
        bail!(
            "the data directory holds another chain; choose another with --datadir, or leave --dev out"
        );
    }
    let genesis = reader
        .header_by_number(0)?
        .ok_or_else(|| eyre!("the genesis block is not there"))?;
    genesis
        .extra_data
        .get(VANITY_BYTES..VANITY_BYTES + Address::len_bytes())
        .map(Address::from_slice)
        .ok_or_else(|| eyre!("the genesis block names no signer"))
}

fn is_dev(config: &ChainConfig) -> bool {
    config.chain_id == DevChain::CHAIN_ID && matches!(config.engine(), EngineConfig::Clique(_))
}

/// Reads `--dev.fork`.
pub fn parse_fork(name: &str) -> Result<Fork, String> {
    let fork = name.parse::<Fork>().map_err(|_| {
        let names: Vec<&str> = Fork::ALL.iter().map(|fork| fork.name()).collect();
        format!("{name:?} is no fork; one of {}", names.join(", "))
    })?;
    match fork > Fork::Osaka {
        true => Err("forks after osaka change blob parameters alone".to_owned()),
        false => Ok(fork),
    }
}
