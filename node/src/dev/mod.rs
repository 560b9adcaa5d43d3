//! `--dev`: a private development chain with accounts that hold ether from the start.
//!
//! Without `--datadir` nothing outlives the process: key files and the journal of the transaction
//! pool are in a temporary folder that is removed at the end, and the part of the chain that the
//! caches do not hold is in an unlinked file. With `--datadir` the chain is kept for the next start,
//! and with clique its signer's key.

mod banner;
mod create;
mod fork;

use std::{sync::Arc, time::Duration};

use crate::{
    config::{Config, DevConfig, miner::default_extra_data},
    datadir::{self, DataDir},
    dev_folder::DevFolder,
    passwords,
    tree::{
        keys::{self, Keys},
        miner::Sealing,
    },
};
use actoreum_actors::{
    accounts::UnlockedKeys,
    sealing::control::{DevSettings, MinerSettings},
};
use actoreum_chain::ChainReader;
use actoreum_consensus::clique::VANITY_BYTES;
use actoreum_primitives::{Address, DevChain, DevConsensus, Fork, Header, SecretKey};
use actoreum_storage::{Engine, Store, StoreOptions};
use actoreum_wallet::{KeyDirectory, Password, ScryptCost, mnemonic};
use eyre::{WrapErr, bail, eyre};

/// Default number of accounts of the mnemonic, as on other development nodes.
const ACCOUNTS: u32 = 10;
/// Balance of each account of the mnemonic, in ether.
const ACCOUNT_ETHER: u64 = 10_000;

/// A development chain that is ready to run.
pub struct DevNode {
    /// The chain.
    pub store: Store,
    /// Data directory of the chain; `None` for a chain that does not outlive the process.
    pub datadir: Option<DataDir>,
    /// The key files and the unlocked keys.
    pub keys: Keys,
    /// Sealing settings; with clique the signer is the etherbase.
    pub sealing: Sealing,
    /// The remote chain that it is forked off.
    pub fork: Option<Arc<actoreum_rpc::fork::Fork>>,
    /// Temporary folder with the key files and the pool's journal of a chain in memory; removed on
    /// drop.
    _folder: Option<DevFolder>,
}

/// Opens the development chain of the data directory, or creates one.
pub fn open(config: &Config, dev: &DevConfig) -> eyre::Result<DevNode> {
    if dev.fork_of.is_some() {
        fork::check(dev)?;
    }
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
    let remote = dev.fork_of.as_ref();
    let remote = remote.map(fork::connect).transpose()?;
    let genesis = stored_genesis(&store)?;
    let consensus = match &genesis {
        Some((found, _)) => check_kept(*found, &store, dev)?,
        None => consensus_of_new(dev)?,
    };
    let accounts = dev.accounts.unwrap_or(match consensus {
        DevConsensus::Merged | DevConsensus::Ethash => ACCOUNTS,
        DevConsensus::Clique => 0,
    });
    let mnemonic_keys = mnemonic::keys(mnemonic::DEVELOPMENT, accounts)?;
    let chain = create::NewChain {
        store: &store,
        directory: &directory,
        dev,
        mnemonic_keys: &mnemonic_keys,
    };
    let (signer, mut unlocked) = match (consensus, genesis) {
        (DevConsensus::Clique, Some((_, genesis))) => {
            let unlocked = keys::unlock(config, &directory)?;
            (Some(signer_of(&genesis)?), unlocked)
        }
        (DevConsensus::Clique, None) => {
            // Everything that may fail comes before the key, whose password is empty, is written to
            // a folder that may be the operator's. The new account will be the last one in it.
            let index = directory.list()?.len();
            let unlocked = keys::unlock_except(config, &directory, Some(index))?;
            (Some(chain.clique()?), unlocked)
        }
        (_, kept) => {
            let unlocked = keys::unlock(config, &directory)?;
            match (kept, &remote) {
                (Some(_), _) => {}
                (None, Some(remote)) => chain.forked(remote)?,
                (None, None) => chain.without_signer(consensus)?,
            }
            (None, unlocked)
        }
    };
    if let Some(signer) = signer {
        unlocked.insert(0, signer_key(&directory, signer)?);
    }
    let etherbase = match signer {
        Some(signer) => signer,
        None => beneficiary(config, &directory)?,
    };
    let gas_limit = fork::gas_limit(dev, remote.as_ref());
    Ok(DevNode {
        store,
        datadir,
        keys: Keys {
            directory,
            unlocked: UnlockedKeys::new(unlocked),
            mnemonic_keys,
        },
        sealing: Sealing {
            settings: MinerSettings {
                etherbase: Some(etherbase),
                extra_data: default_extra_data(),
                gas_floor: gas_limit,
                gas_ceiling: gas_limit,
                gas_price: config.eth.tx_pool.price_limit,
                recommit: Duration::from_nanos(config.eth.miner.recommit),
                dev: DevSettings::default(),
            },
            is_enabled: true,
            dev_period: dev.period,
            scratch: folder.as_ref().map(|folder| folder.path().to_owned()),
        },
        fork: remote,
        _folder: folder,
    })
}

/// Returns consensus and genesis header of the chain in a store; `None` for an empty store.
fn stored_genesis(store: &Store) -> eyre::Result<Option<(DevConsensus, Header)>> {
    if store.head().is_none() {
        return Ok(None);
    }
    let reader = ChainReader::open(store.clone())?;
    let genesis = reader
        .header_by_number(0)?
        .ok_or_else(|| eyre!("the genesis block is not there"))?;
    let genesis = Header::clone(&genesis);
    let Some(consensus) = DevChain::consensus_of(reader.config(), &genesis) else {
        bail!(
            "the data directory holds another chain; choose another with --datadir, or start \
             without --dev"
        );
    };
    Ok(Some((consensus, genesis)))
}

/// Checks that the flags do not ask for another chain than the one that is kept in the data
/// directory. Returns its consensus.
fn check_kept(found: DevConsensus, store: &Store, dev: &DevConfig) -> eyre::Result<DevConsensus> {
    let reader = ChainReader::open(store.clone())?;
    let chain_id = reader.config().chain_id;
    if let Some(asked) = dev.consensus
        && asked != found
    {
        bail!(
            "the data directory holds a development chain of another consensus; start with \
             --dev.consensus {}, or choose another directory with --datadir",
            banner::name(found)
        );
    }
    if let Some(asked) = dev.chain_id
        && asked != chain_id
    {
        bail!(
            "the data directory holds a development chain with chain id {chain_id}; leave out \
             --dev.chainid, or choose another directory with --datadir"
        );
    }
    Ok(found)
}

/// Returns the consensus of a new chain. Forks before Paris have no merged blocks.
fn consensus_of_new(dev: &DevConfig) -> eyre::Result<DevConsensus> {
    let by_fork = if dev.fork < Fork::Paris {
        DevConsensus::Clique
    } else {
        DevConsensus::Merged
    };
    let consensus = dev.consensus.unwrap_or(by_fork);
    if consensus == DevConsensus::Merged && dev.fork < Fork::Paris {
        bail!(
            "--dev.consensus merged takes paris or a later fork, and --dev.fork is {}",
            dev.fork
        );
    }
    Ok(consensus)
}

/// Returns the signer that the genesis block of a clique chain names.
fn signer_of(genesis: &Header) -> eyre::Result<Address> {
    genesis
        .extra_data
        .get(VANITY_BYTES..VANITY_BYTES + Address::len_bytes())
        .map(Address::from_slice)
        .ok_or_else(|| eyre!("the genesis block names no signer"))
}

fn signer_key(directory: &KeyDirectory, signer: Address) -> eyre::Result<SecretKey> {
    directory
        .find(signer, None)
        .and_then(|account| directory.open(&account, &Password::default()))
        .wrap_err_with(|| format!("the chain's signer {signer}"))
}

/// Returns the receiver of the fees: that of `--miner.etherbase`, else the zero address. It is no
/// account of the chain, so that no sender earns its own tips.
fn beneficiary(config: &Config, directory: &KeyDirectory) -> eyre::Result<Address> {
    match config.eth.miner.etherbase.as_str() {
        "" => Ok(Address::ZERO),
        name => match passwords::resolve(directory, name) {
            Ok((address, _)) => Ok(address),
            Err(error) => bail!("--miner.etherbase: {error}"),
        },
    }
}
