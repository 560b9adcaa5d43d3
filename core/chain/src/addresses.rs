//! Addresses behind the hashes under which the state keeps its accounts.

use std::collections::HashMap;

use actoreum_primitives::{Address, B256, contract_address, keccak256};
use actoreum_storage::StorageError;

use crate::{ChainReader, genesis::stored_accounts};

/// Every address that the blocks up to `last` name, by its hash: accounts of the genesis, those
/// who sealed, sent, received, were created by a transaction or logged. Reads all of these
/// blocks. A contract that another contract created and that never logged stays unknown, since
/// no preimages are kept.
pub fn known_addresses(
    reader: &ChainReader,
    last: u64,
) -> Result<HashMap<B256, Address>, StorageError> {
    let mut known = HashMap::new();
    let mut learn = |address: Address| {
        known.entry(keccak256(address)).or_insert(address);
    };
    stored_accounts(reader.store())?
        .into_iter()
        .for_each(&mut learn);
    for number in 0..=last {
        let Some(hash) = reader.canonical_hash(number)? else {
            break;
        };
        let (block, senders) = (reader.block_by_hash(&hash)?, reader.senders(&hash)?);
        let (Some(block), Some(senders)) = (block, senders) else {
            continue;
        };
        learn(block.header.beneficiary);
        block
            .body
            .ommers
            .iter()
            .for_each(|ommer| learn(ommer.beneficiary));
        let withdrawals = block.body.withdrawals.iter().flatten();
        withdrawals.for_each(|withdrawal| learn(withdrawal.address));
        for (transaction, sender) in block.body.transactions.iter().zip(senders.iter()) {
            learn(*sender);
            let created = || contract_address(sender, transaction.nonce());
            learn(transaction.to().unwrap_or_else(created));
        }
        for receipt in reader.receipts(&hash)?.iter().flat_map(|list| list.iter()) {
            receipt.logs.iter().for_each(|log| learn(log.address));
        }
    }
    Ok(known)
}
