//! System contracts, which the protocol calls before and after a block's transactions, and the
//! requests to the consensus layer that they return.

use actoreum_primitives::{Address, B256, Bytes, Log};
use revm::primitives::{address, b256};
use sha2::{Digest, Sha256};

use crate::error::ExecutionError;
use crate::machine::Machine;

/// Contract that stores the roots of beacon blocks (EIP-4788).
pub const BEACON_ROOTS_ADDRESS: Address = address!("0x000F3df6D732807Ef1319fB7B8bB8522d0Beac02");
/// Contract that stores the hashes of the last 8,191 blocks (EIP-2935).
pub const HISTORY_STORAGE_ADDRESS: Address = address!("0x0000F90827F1C53a10cb7A02335B175320002935");
/// Contract that queues the withdrawal requests of validators (EIP-7002).
pub const WITHDRAWAL_REQUESTS_ADDRESS: Address =
    address!("0x00000961Ef480Eb55e80D19ad83579A64c007002");
/// Contract that queues the consolidation requests of validators (EIP-7251).
pub const CONSOLIDATION_REQUESTS_ADDRESS: Address =
    address!("0x0000BBdDc7CE488642fb579F8B00f3a590007251");

/// Type of a deposit request (EIP-6110).
const DEPOSIT_REQUEST: u8 = 0;
/// Type of a withdrawal request (EIP-7002).
const WITHDRAWAL_REQUEST: u8 = 1;
/// Type of a consolidation request (EIP-7251).
const CONSOLIDATION_REQUEST: u8 = 2;

/// Topic of the deposit contract's `DepositEvent(bytes,bytes,bytes,bytes,bytes)`.
const DEPOSIT_EVENT: B256 =
    b256!("0x649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5");

/// Fields of a deposit event: the offset of the field's length in the data, and the required
/// length. Public key, withdrawal credentials, amount, signature, index.
const DEPOSIT_FIELDS: [(usize, usize); 5] = [(160, 48), (256, 32), (320, 8), (384, 96), (512, 8)];
/// Size of a deposit event's data in bytes.
const DEPOSIT_EVENT_LENGTH: usize = 576;

/// Calls `contract` with `input` as the system address and commits its changes. Returns `None` if
/// the contract has no code.
fn call<INSPECTOR>(
    machine: &mut Machine<'_, INSPECTOR>,
    contract: Address,
    input: Bytes,
) -> Result<Option<SystemCallResult>, ExecutionError> {
    if machine.overlay().account_code(contract)?.is_empty() {
        return Ok(None);
    }
    let result = machine.system_call(contract, input);
    let changes = machine.take_changes();
    let result = result.map_err(ExecutionError::from_system_call)?;
    machine.overlay().commit(changes, None)?;
    let output = if result.is_success() {
        SystemCallResult::Output(result.into_output().unwrap_or_default())
    } else {
        SystemCallResult::Failed
    };
    Ok(Some(output))
}

enum SystemCallResult {
    Output(Bytes),
    Failed,
}

/// Passes a hash to one of the contracts that store hashes. If the contract is not deployed, or
/// fails, nothing happens (EIP-2935, EIP-4788).
pub(crate) fn record_hash<INSPECTOR>(
    machine: &mut Machine<'_, INSPECTOR>,
    contract: Address,
    hash: B256,
) -> Result<(), ExecutionError> {
    call(machine, contract, Bytes::copy_from_slice(hash.as_slice())).map(|_| ())
}

/// Returns the requests of a block (EIP-7685): type byte and data of each request that has data.
///
/// With `required` the contracts must be deployed and succeed, as on a chain with a beacon chain;
/// otherwise a missing or failing contract has no requests.
pub(crate) fn collect_requests<'l, INSPECTOR>(
    machine: &mut Machine<'_, INSPECTOR>,
    deposit_contract: Option<Address>,
    logs: impl Iterator<Item = &'l Log>,
    required: bool,
) -> Result<Vec<Bytes>, ExecutionError> {
    let mut requests = Vec::new();
    let mut add = |kind: u8, data: &[u8]| {
        if !data.is_empty() {
            requests.push(Bytes::from([&[kind], data].concat()));
        }
    };
    if let Some(contract) = deposit_contract {
        let mut deposits = Vec::new();
        for log in logs {
            if log.address == contract && log.topics.first() == Some(&DEPOSIT_EVENT) {
                append_deposit(&log.data, &mut deposits)?;
            }
        }
        add(DEPOSIT_REQUEST, &deposits);
    }
    for (kind, address) in [
        (WITHDRAWAL_REQUEST, WITHDRAWAL_REQUESTS_ADDRESS),
        (CONSOLIDATION_REQUEST, CONSOLIDATION_REQUESTS_ADDRESS),
    ] {
        match call(machine, address, Bytes::new())? {
            Some(SystemCallResult::Output(output)) => add(kind, &output),
            Some(SystemCallResult::Failed) if required => {
                return Err(ExecutionError::SystemContract {
                    address,
                    reason: "failed",
                });
            }
            None if required => {
                return Err(ExecutionError::SystemContract {
                    address,
                    reason: "has no code",
                });
            }
            _ => {}
        }
    }
    Ok(requests)
}

/// Appends the fields of a deposit event to `deposits`, without their padding (EIP-6110). The
/// layout is fixed: a block is invalid if an event differs in one offset or length.
fn append_deposit(data: &[u8], deposits: &mut Vec<u8>) -> Result<(), ExecutionError> {
    if data.len() != DEPOSIT_EVENT_LENGTH {
        return Err(ExecutionError::DepositLayout);
    }
    let word = |at: usize| {
        let mut word = [0; 32];
        word.copy_from_slice(&data[at..at + 32]);
        word
    };
    let number = |value: usize| {
        let mut word = [0; 32];
        word[24..].copy_from_slice(&(value as u64).to_be_bytes());
        word
    };
    for (index, (at, length)) in DEPOSIT_FIELDS.into_iter().enumerate() {
        if word(index * 32) != number(at) || word(at) != number(length) {
            return Err(ExecutionError::DepositLayout);
        }
        deposits.extend_from_slice(&data[at + 32..at + 32 + length]);
    }
    Ok(())
}

/// Returns the header's commitment to a block's requests (EIP-7685): SHA-256 over the SHA-256 of
/// each request. A request without data (the type byte alone) does not count.
pub fn requests_hash<R: AsRef<[u8]>>(requests: impl IntoIterator<Item = R>) -> B256 {
    let mut outer = Sha256::new();
    for request in requests {
        let request = request.as_ref();
        if request.len() > 1 {
            outer.update(Sha256::digest(request));
        }
    }
    B256::from_slice(&outer.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Vec<u8> {
        let mut data = vec![0; DEPOSIT_EVENT_LENGTH];
        for (index, (at, length)) in DEPOSIT_FIELDS.into_iter().enumerate() {
            data[index * 32 + 30..index * 32 + 32].copy_from_slice(&(at as u16).to_be_bytes());
            data[at + 31] = length as u8;
            data[at + 32..at + 32 + length].fill(index as u8 + 1);
        }
        data
    }

    #[test]
    fn a_deposit_event_gives_its_fields() {
        let mut deposits = Vec::new();
        append_deposit(&event(), &mut deposits).unwrap();
        let expected = [
            vec![1; 48],
            vec![2; 32],
            vec![3; 8],
            vec![4; 96],
            vec![5; 8],
        ]
        .concat();
        assert_eq!(deposits, expected);
    }

    #[test]
    fn a_deposit_event_with_another_layout_is_refused() {
        for at in (0..160).chain([160 + 31, 256 + 31, 320 + 31, 384 + 31, 512 + 31, 160]) {
            let mut data = event();
            data[at] ^= 1;
            let refused = append_deposit(&data, &mut Vec::new());
            assert_eq!(refused, Err(ExecutionError::DepositLayout), "byte {at}");
        }
        assert!(append_deposit(&event()[1..], &mut Vec::new()).is_err());
    }

    #[test]
    fn no_requests_hash_to_the_sha256_of_the_empty_string() {
        let empty = b256!("0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(requests_hash::<&[u8]>([]), empty);
        assert_eq!(requests_hash([[1_u8]]), empty);
        assert_ne!(requests_hash([[1_u8, 2]]), empty);
    }
}
