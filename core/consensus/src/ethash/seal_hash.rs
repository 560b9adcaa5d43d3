//! The hash that an ethash seal is made over.

use actoreum_primitives::{B256, Header, keccak256, rlp, rlp::Encode};

/// Returns the Keccak-256 hash of the header's RLP without mix hash and nonce. Fields of later
/// forks follow in the header's order, each if it is set; up to London that is geth's rule, for
/// later fields this project's (`docs/self-sealing-forks.md`).
pub fn seal_hash(header: &Header) -> B256 {
    let mut payload = Vec::with_capacity(1024);
    header.parent_hash.encode(&mut payload);
    header.ommers_hash.encode(&mut payload);
    header.beneficiary.encode(&mut payload);
    header.state_root.encode(&mut payload);
    header.transactions_root.encode(&mut payload);
    header.receipts_root.encode(&mut payload);
    header.logs_bloom.encode(&mut payload);
    header.difficulty.encode(&mut payload);
    header.number.encode(&mut payload);
    header.gas_limit.encode(&mut payload);
    header.gas_used.encode(&mut payload);
    header.timestamp.encode(&mut payload);
    header.extra_data.encode(&mut payload);
    encode_if_set(&header.base_fee_per_gas, &mut payload);
    encode_if_set(&header.withdrawals_root, &mut payload);
    encode_if_set(&header.blob_gas_used, &mut payload);
    encode_if_set(&header.excess_blob_gas, &mut payload);
    encode_if_set(&header.parent_beacon_block_root, &mut payload);
    encode_if_set(&header.requests_hash, &mut payload);
    let mut encoded = Vec::with_capacity(payload.len() + 4);
    rlp::encode_list_header(payload.len(), &mut encoded);
    encoded.extend_from_slice(&payload);
    keccak256(&encoded)
}

fn encode_if_set(field: &Option<impl Encode>, out: &mut Vec<u8>) {
    if let Some(value) = field {
        value.encode(out);
    }
}
