//! The headers of a state dump: anvil loads no state whose best block is not among its blocks.

use actoreum_chain::ChainReader;
use actoreum_primitives::Header;
use actoreum_storage::StorageError;
use serde_json::{Value, json};

/// Number of headers in a dump: BLOCKHASH reaches no further back.
const HEADERS: u64 = 256;

/// Returns the headers of the head and of the blocks before it, as blocks without transactions.
///
/// # Errors
/// Fails if the database fails.
pub(super) fn blocks(reader: &ChainReader) -> Result<Vec<Value>, StorageError> {
    let head = reader.head_number();
    let mut blocks = Vec::new();
    for number in head.saturating_sub(HEADERS - 1)..=head {
        if let Some(header) = reader.header_by_number(number)? {
            blocks.push(json!({
                "header": fields(&header),
                "transactions": [],
                "ommers": [],
                "withdrawals": null,
            }));
        }
    }
    Ok(blocks)
}

/// Returns a header as JSON-RPC shows it, without the hash. Fields that its fork does not have are
/// left out: they are part of the hash.
fn fields(header: &Header) -> Value {
    let mut fields = json!({
        "parentHash": header.parent_hash,
        "sha3Uncles": header.ommers_hash,
        "miner": header.beneficiary,
        "stateRoot": header.state_root,
        "transactionsRoot": header.transactions_root,
        "receiptsRoot": header.receipts_root,
        "logsBloom": header.logs_bloom,
        "difficulty": header.difficulty,
        "number": quantity(header.number),
        "gasLimit": quantity(header.gas_limit),
        "gasUsed": quantity(header.gas_used),
        "timestamp": quantity(header.timestamp),
        "extraData": header.extra_data,
        "mixHash": header.mix_hash,
        "nonce": header.nonce,
    });
    let of_forks = [
        ("baseFeePerGas", header.base_fee_per_gas.map(quantity)),
        (
            "withdrawalsRoot",
            header.withdrawals_root.map(|it| json!(it)),
        ),
        ("blobGasUsed", header.blob_gas_used.map(quantity)),
        ("excessBlobGas", header.excess_blob_gas.map(quantity)),
        (
            "parentBeaconBlockRoot",
            header.parent_beacon_block_root.map(|it| json!(it)),
        ),
        ("requestsHash", header.requests_hash.map(|it| json!(it))),
    ];
    let of_forks = of_forks
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    if let Some(fields) = fields.as_object_mut() {
        fields.extend(of_forks);
    }
    fields
}

fn quantity(number: u64) -> Value {
    json!(format!("{number:#x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_the_fields_of_its_fork() {
        let before_london = fields(&Header::default());
        assert_eq!(before_london["number"], json!("0x0"));
        assert!(before_london.get("baseFeePerGas").is_none());
        let london = Header {
            base_fee_per_gas: Some(7),
            ..Header::default()
        };
        assert_eq!(fields(&london)["baseFeePerGas"], json!("0x7"));
    }
}
