//! The addresses and slots behind the hashes that key the state of a development chain.
//!
//! The state holds hashes alone. A development chain also stores what they are hashes of, so that
//! its state can be dumped in a form that another chain can load.

use actoreum_primitives::{Address, B256, StateDiff, U256, alloy_primitives::hex, keccak256};
use actoreum_storage::{Commit, StorageError, Store};

/// The addresses and slots that a block changed.
pub(crate) type Touched = Vec<(Address, Vec<U256>)>;

/// Returns the accounts of a diff and their slots.
pub(crate) fn touched(diff: &StateDiff) -> Touched {
    let accounts = diff.accounts.iter();
    let slots = accounts.map(|(address, change)| (*address, change.storage.keys().copied()));
    slots
        .map(|(address, slots)| (address, slots.collect()))
        .collect()
}

/// Adds the preimages of a block to its commit.
pub(crate) fn record(touched: &Touched, commit: &mut Commit) {
    for (address, slots) in touched {
        commit.put_meta(&name(&keccak256(address)), address.as_slice());
        for slot in slots {
            let slot = B256::from(slot.to_be_bytes::<32>());
            commit.put_meta(&name(&keccak256(slot)), slot.as_slice());
        }
    }
}

/// Returns the address with this hash, if a block of this development chain changed its account.
pub fn address_of(store: &Store, hash: &B256) -> Result<Option<Address>, StorageError> {
    let found = store.meta(&name(hash))?;
    Ok(found.and_then(|bytes| Address::try_from(bytes.as_slice()).ok()))
}

/// Returns the slot with this hash, if a block of this development chain changed it.
pub fn slot_of(store: &Store, hash: &B256) -> Result<Option<U256>, StorageError> {
    let found = store.meta(&name(hash))?;
    Ok(found.and_then(|bytes| U256::try_from_be_slice(&bytes)))
}

/// Returns the name of the record of a preimage.
fn name(hash: &B256) -> String {
    format!("preimage {}", hex::encode(hash))
}
