//! The genesis block, and the stored chain config.

use actoreum_primitives::{Address, B256, ChainConfig, Genesis, config::EngineConfig};
use actoreum_storage::{Commit, HeadRecord, StorageError, Store, TrieBuffer};

use crate::{OpenError, SealedHeader};

/// Name of the record that holds the chain config, as JSON.
const CONFIG: &str = "chain config";

/// Name of the record that holds the concatenated addresses of the genesis accounts; the state
/// itself is keyed by their hashes.
const ACCOUNTS: &str = "genesis accounts";

/// Length of vanity (32 bytes) and seal (65 bytes) around the signers in a clique genesis
/// (EIP-225).
const CLIQUE_EXTRA_BYTES: usize = 32 + 65;

/// Writes the genesis to an empty store, or checks that the stored chain begins with it. Returns
/// the header of block 0.
///
/// If the store has a chain, a different config replaces the stored one, provided that it changes
/// nothing for blocks that exist already.
pub fn init(store: &Store, genesis: &Genesis) -> Result<SealedHeader, OpenError> {
    check(genesis)?;
    let stored = store.canonical_hash(0)?;
    // If a chain exists, the root is computed in a separate store.
    let below = match stored {
        Some(_) => Store::memory(),
        None => store.clone(),
    };
    let mut tries = TrieBuffer::new(below);
    let state_root = tries.apply(0, &genesis.state_diff())?;
    let block = genesis.block(state_root);
    let header = SealedHeader::new(block.header);

    if let Some(have) = stored {
        if have != header.hash() {
            return Err(OpenError::GenesisMismatch {
                have,
                new: header.hash(),
            });
        }
        replace_config(store, &genesis.config)?;
        return Ok(header);
    }

    let hash = header.hash();
    let mut commit = Commit::new();
    commit.put_header(&hash, &header, &header.difficulty);
    commit.put_body(0, &hash, &block.body);
    commit.put_receipts(0, &hash, &[]);
    commit.set_canonical(0, &hash);
    commit.put_meta(CONFIG, &config_json(&genesis.config)?);
    let addresses: Vec<u8> = genesis.alloc.keys().flatten().copied().collect();
    commit.put_meta(ACCOUNTS, &addresses);
    commit.state(&tries.freeze()?);
    commit.set_head(HeadRecord {
        number: 0,
        hash,
        state_root,
    });
    store.commit(commit)?;
    Ok(header)
}

/// Returns the hash of the genesis block.
pub fn genesis_hash(genesis: &Genesis) -> Result<B256, StorageError> {
    let mut tries = TrieBuffer::new(Store::memory());
    let state_root = tries.apply(0, &genesis.state_diff())?;
    Ok(genesis.header(state_root).hash())
}

/// Returns the addresses of the genesis accounts; empty if an older version wrote the store.
pub(crate) fn stored_accounts(store: &Store) -> Result<Vec<Address>, StorageError> {
    let addresses = store.meta(ACCOUNTS)?.unwrap_or_default();
    let (addresses, _) = addresses.as_chunks::<20>();
    Ok(addresses.iter().map(Address::from).collect())
}

/// Reads the chain config from the store.
pub(crate) fn stored_config(store: &Store) -> Result<ChainConfig, OpenError> {
    let json = store.meta(CONFIG)?.ok_or(OpenError::Empty)?;
    let corrupt = |what: String| StorageError::Corrupt(format!("the chain config: {what}"));
    let json = String::from_utf8(json).map_err(|error| corrupt(error.to_string()))?;
    Ok(ChainConfig::from_json(&json).map_err(|error| corrupt(error.to_string()))?)
}

fn replace_config(store: &Store, new: &ChainConfig) -> Result<(), OpenError> {
    let stored = stored_config(store)?;
    if stored == *new {
        return Ok(());
    }
    let head = store.head().ok_or(OpenError::Empty)?;
    let header = store
        .header(&head.hash, head.number)?
        .ok_or(OpenError::Empty)?;
    stored
        .check_compatible(new, header.number, header.timestamp)
        .map_err(|conflict| OpenError::Config(conflict.to_string()))?;
    let mut commit = Commit::new();
    commit.put_meta(CONFIG, &config_json(new)?);
    store.commit(commit)?;
    Ok(())
}

/// Adds the chain config to a commit.
pub(crate) fn put_config(config: &ChainConfig, commit: &mut Commit) -> Result<(), OpenError> {
    commit.put_meta(CONFIG, &config_json(config)?);
    Ok(())
}

fn config_json(config: &ChainConfig) -> Result<Vec<u8>, OpenError> {
    serde_json::to_vec(config).map_err(|error| OpenError::Config(error.to_string()))
}

fn check(genesis: &Genesis) -> Result<(), OpenError> {
    genesis
        .config
        .check_fork_order()
        .map_err(|error| OpenError::Genesis(error.to_string()))?;
    if let EngineConfig::Clique(_) = genesis.config.engine() {
        let signers = genesis.extra_data.len().checked_sub(CLIQUE_EXTRA_BYTES);
        if !signers.is_some_and(|bytes| bytes > 0 && bytes % 20 == 0) {
            return Err(OpenError::Genesis(format!(
                "extraData: {} bytes hold no clique signers; it takes 32 bytes, 20 for each \
                 signer, and 65 bytes",
                genesis.extra_data.len()
            )));
        }
    }
    Ok(())
}
