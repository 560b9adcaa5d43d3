//! Recovery of account addresses from the hashes that key the state.

use std::collections::HashMap;

use actoreum_primitives::{Address, B256, contract_address, keccak256};
use actoreum_storage::StorageError;

use crate::{ChainReader, genesis::stored_accounts};

/// Returns the addresses that appear in blocks 0 to `last`, keyed by their Keccak-256 hash: genesis
/// accounts, beneficiaries, withdrawal recipients, senders, recipients, contracts that a
/// transaction created, and contracts that logged. Reads all of these blocks. A contract that
/// another contract created and that never logged stays unknown, since the state holds no
/// preimages.
pub fn known_addresses(
    reader: &ChainReader,
    last: u64,
) -> Result<HashMap<B256, Address>, StorageError> {
    let mut addresses = HashMap::new();
    let mut add_address = |address: Address| {
        addresses.entry(keccak256(address)).or_insert(address);
    };
    stored_accounts(reader.store())?
        .into_iter()
        .for_each(&mut add_address);
    for number in 0..=last {
        let Some(hash) = reader.canonical_hash(number)? else {
            break;
        };
        let (block, senders) = (reader.block_by_hash(&hash)?, reader.senders(&hash)?);
        let (Some(block), Some(senders)) = (block, senders) else {
            continue;
        };
        add_address(block.header.beneficiary);
        block
            .body
            .ommers
            .iter()
            .for_each(|ommer| add_address(ommer.beneficiary));
        let withdrawals = block.body.withdrawals.iter().flatten();
        withdrawals.for_each(|withdrawal| add_address(withdrawal.address));
        for (transaction, sender) in block.body.transactions.iter().zip(senders.iter()) {
            add_address(*sender);
            let created = || contract_address(sender, transaction.nonce());
            add_address(transaction.to().unwrap_or_else(created));
        }
        for receipt in reader.receipts(&hash)?.iter().flat_map(|list| list.iter()) {
            receipt.logs.iter().for_each(|log| add_address(log.address));
        }
    }
    Ok(addresses)
}
