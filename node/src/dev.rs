//! `--dev`: a private development chain whose only signer is a pre-funded key.
//!
//! Without `--datadir` nothing outlives the process: the key file and the journal of the
//! transaction pool are in a temporary folder that is removed at the end, and the part of the chain
//! that the caches do not hold is in an unlinked file. With `--datadir` the chain and its key are
//! kept for the next start.

use std::time::Duration;

use crate::{
    config::{Config, DevConfig, miner::default_extra_data},
    datadir::{self, DataDir},
    dev_folder::DevFolder,
    dev_state,
    tree::{
        keys::{self, Keys},
        miner::Sealing,
    },
};
use actoreum_actors::{
    accounts::UnlockedKeys,
    sealing::control::{DevSettings, MinerSettings},
};
use actoreum_chain::{ChainReader, genesis};
use actoreum_consensus::clique::VANITY_BYTES;
use actoreum_primitives::{Address, ChainConfig, DevChain, SecretKey, U256, config::EngineConfig};
use actoreum_storage::{Engine, Store, StoreOptions};
use actoreum_wallet::{KeyDirectory, Password, ScryptCost, mnemonic};
use eyre::{WrapErr, bail, eyre};

/// Balance of each account of `--dev.accounts`, in ether.
const ACCOUNT_ETHER: u64 = 10_000;

/// A development chain that is ready to run.
pub struct DevNode {
    /// The chain.
    pub store: Store,
    /// Data directory of the chain; `None` for a chain that does not outlive the process.
    pub datadir: Option<DataDir>,
    /// The key files and the unlocked keys.
    pub keys: Keys,
    /// Sealing settings, with the signer as etherbase.
    pub sealing: Sealing,
    /// Temporary folder with the key file and the pool's journal of a chain in memory; removed on
    /// drop.
    _folder: Option<DevFolder>,
}

/// Opens the development chain of the data directory, or creates one.
pub fn open(config: &Config, dev: &DevConfig) -> eyre::Result<DevNode> {
    let mut folder = None;
    let (datadir, keystore, store) = if dev.in_memory {
        let created = DevFolder::create()?;
        let keystore = created.path().join("keystore");
        let options = StoreOptions {
            engine: Engine::Ephemeral,
            ..datadir::store_options(config)
        };
        let store = Store::open(created.path(), options)?;
        folder = Some(created);
        (None, keystore, store)
    } else {
        let datadir = DataDir::of(config);
        let store = datadir.open_store(config)?;
        (Some(datadir), config.keys()?.folder().to_owned(), store)
    };
    // A key with an empty password gains nothing from an expensive derivation.
    let directory = KeyDirectory::new(keystore, ScryptCost::LIGHT);
    let mnemonic_keys = mnemonic::keys(mnemonic::DEVELOPMENT, dev.accounts)?;
    let (signer, unlocked) = match store.head() {
        Some(_) => (signer_of(&store)?, keys::unlock(config, &directory)?),
        None => {
            // Everything that may fail comes before the key, whose password is empty, is written to
            // a folder that may be the operator's. The new account will be the last one in it.
            let index = directory.list()?.len();
            let unlocked = keys::unlock_except(config, &directory, Some(index))?;
            (
                create_chain(&store, &directory, dev, &mnemonic_keys)?,
                unlocked,
            )
        }
    };
    let key = directory
        .find(signer, None)
        .and_then(|account| directory.open(&account, &Password::default()))
        .wrap_err_with(|| format!("the chain's signer {signer}"))?;
    let mut all_unlocked = vec![key];
    all_unlocked.extend(unlocked);
    Ok(DevNode {
        store,
        datadir,
        keys: Keys {
            directory,
            unlocked: UnlockedKeys::new(all_unlocked),
            mnemonic_keys,
        },
        sealing: Sealing {
            settings: MinerSettings {
                etherbase: Some(signer),
                extra_data: default_extra_data(),
                gas_floor: dev.gas_limit,
                gas_ceiling: dev.gas_limit,
                gas_price: config.eth.tx_pool.price_limit,
                recommit: Duration::from_nanos(config.eth.miner.recommit),
                dev: DevSettings::default(),
            },
            is_enabled: true,
            scratch: folder.as_ref().map(|folder| folder.path().to_owned()),
        },
        _folder: folder,
    })
}

/// Creates the signer's key and the genesis block, and prints the key; it is printed only here.
fn create_chain(
    store: &Store,
    directory: &KeyDirectory,
    dev: &DevConfig,
    mnemonic_keys: &[SecretKey],
) -> eyre::Result<Address> {
    let key = SecretKey::random();
    let mut chain = DevChain {
        period: dev.period,
        gas_limit: dev.gas_limit,
        fork: dev.fork,
        ..DevChain::new(key.address())
    };
    let ether = U256::from(10).pow(U256::from(18));
    for key in mnemonic_keys {
        let balance = U256::from(ACCOUNT_ETHER) * ether;
        chain.accounts.insert(key.address(), balance);
    }
    let mut genesis = chain.genesis();
    dev_state::load(dev, &mut genesis)?;
    // The key comes first: a chain without its signer's key could never be continued.
    let account = directory.import(&key, &Password::default())?;
    if let Err(error) = genesis::init(store, &genesis) {
        // The key has no use without the chain. The first error is the one to report.
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
    if !mnemonic_keys.is_empty() {
        println!();
        println!("Accounts, {ACCOUNT_ETHER} ether each, with publicly known keys");
        println!("Mnemonic {}", mnemonic::DEVELOPMENT);
        for (index, key) in mnemonic_keys.iter().enumerate() {
            let secret = hex::encode(key.to_bytes().as_slice());
            println!("({index}) {} 0x{secret}", key.address());
        }
    }
    println!();
    Ok(account.address)
}

/// Returns the signer of the development chain in a store.
fn signer_of(store: &Store) -> eyre::Result<Address> {
    let reader = ChainReader::open(store.clone())?;
    if !is_dev(reader.config()) {
        bail!(
            "the data directory holds another chain; choose another with --datadir, or start without --dev"
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
