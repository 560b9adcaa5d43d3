//! The block of a remote chain that another chain is forked off, from its JSON.

use actoreum_chain::SealedHeader;
use actoreum_primitives::{
    Address, B64, B256, Bloom, Bytes, EMPTY_ROOT_HASH, Header, INITIAL_BASE_FEE, U256,
};
use serde_json::Value;

/// Reads a header from the answer to `eth_getBlockByNumber`. The hash is the one that the remote
/// chain gives, which may have fields of its own in its headers.
///
/// # Errors
/// A field that every chain has is missing or not readable.
pub(super) fn header(block: &Value) -> Result<SealedHeader, String> {
    let hash: B256 = required(block, "hash")?;
    let header = Header {
        parent_hash: required(block, "parentHash")?,
        ommers_hash: required(block, "sha3Uncles")?,
        beneficiary: required::<Address>(block, "miner")?,
        state_root: required(block, "stateRoot")?,
        transactions_root: required(block, "transactionsRoot")?,
        receipts_root: required(block, "receiptsRoot")?,
        logs_bloom: optional::<Bloom>(block, "logsBloom")?.unwrap_or_default(),
        difficulty: quantity(block, "difficulty")?.unwrap_or_default(),
        number: short(block, "number")?.ok_or_else(|| missing("number"))?,
        gas_limit: short(block, "gasLimit")?.ok_or_else(|| missing("gasLimit"))?,
        gas_used: short(block, "gasUsed")?.ok_or_else(|| missing("gasUsed"))?,
        timestamp: short(block, "timestamp")?.ok_or_else(|| missing("timestamp"))?,
        extra_data: optional::<Bytes>(block, "extraData")?.unwrap_or_default(),
        mix_hash: optional(block, "mixHash")?.unwrap_or_default(),
        nonce: optional::<B64>(block, "nonce")?.unwrap_or_default(),
        base_fee_per_gas: short(block, "baseFeePerGas")?,
        withdrawals_root: optional(block, "withdrawalsRoot")?,
        blob_gas_used: short(block, "blobGasUsed")?,
        excess_blob_gas: short(block, "excessBlobGas")?,
        parent_beacon_block_root: optional(block, "parentBeaconBlockRoot")?,
        requests_hash: optional(block, "requestsHash")?,
    };
    Ok(SealedHeader::with_hash(header, hash))
}

/// Returns the header with the fields that its successor is computed from, where the remote chain
/// has not reached the forks that add them. The hash stays.
pub(super) fn with_fork_fields(block: &SealedHeader) -> SealedHeader {
    let mut header = Header::clone(block);
    header.base_fee_per_gas.get_or_insert(INITIAL_BASE_FEE);
    header.withdrawals_root.get_or_insert(EMPTY_ROOT_HASH);
    header.blob_gas_used.get_or_insert(0);
    header.excess_blob_gas.get_or_insert(0);
    if header.parent_beacon_block_root.is_none() {
        header.requests_hash = None;
    }
    SealedHeader::with_hash(header, block.hash())
}

fn missing(name: &str) -> String {
    format!("a block without a {name}")
}

fn optional<T: std::str::FromStr>(block: &Value, name: &str) -> Result<Option<T>, String> {
    match block.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let read = value.as_str().and_then(|text| text.parse().ok());
            read.map(Some)
                .ok_or_else(|| format!("a block whose {name} is not readable"))
        }
    }
}

fn required<T: std::str::FromStr>(block: &Value, name: &str) -> Result<T, String> {
    optional(block, name)?.ok_or_else(|| missing(name))
}

fn quantity(block: &Value, name: &str) -> Result<Option<U256>, String> {
    match block.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let read = value.as_str().and_then(super::parse_quantity);
            read.map(Some)
                .ok_or_else(|| format!("a block whose {name} is not readable"))
        }
    }
}

fn short(block: &Value, name: &str) -> Result<Option<u64>, String> {
    let number = quantity(block, name)?;
    let number = number.map(u64::try_from).transpose();
    number.map_err(|_| format!("a block whose {name} is above 2^64"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn old_block() -> Value {
        let hash = B256::repeat_byte(1);
        json!({
            "hash": B256::repeat_byte(9), "parentHash": hash, "sha3Uncles": hash,
            "miner": Address::ZERO, "stateRoot": hash, "transactionsRoot": hash,
            "receiptsRoot": hash, "logsBloom": null, "difficulty": "0x2", "number": "0x10",
            "gasLimit": "0x7a1200", "gasUsed": "0x0", "timestamp": "0x5f000000", "extraData": "0x",
        })
    }

    #[test]
    fn a_block_of_before_london_gets_what_its_successor_needs() {
        let block = header(&old_block()).unwrap();
        assert_eq!((block.number, block.base_fee_per_gas), (16, None));
        let completed = with_fork_fields(&block);
        assert_eq!(completed.hash(), B256::repeat_byte(9));
        assert_eq!(completed.base_fee_per_gas, Some(INITIAL_BASE_FEE));
        assert_eq!(completed.excess_blob_gas, Some(0));
    }

    #[test]
    fn an_unreadable_block_is_an_error() {
        assert!(header(&json!(null)).is_err());
        for (name, wrong) in [
            ("number", json!("0x")),
            ("number", json!(5)),
            ("hash", json!("0x1")),
        ] {
            let mut block = old_block();
            block[name] = wrong;
            assert!(header(&block).is_err(), "{name}");
        }
        let mut block = old_block();
        block["gasLimit"] = json!("0x10000000000000000");
        assert!(header(&block).is_err());
    }
}
