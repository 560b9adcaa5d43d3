//! The headers of a state dump: anvil loads no state whose best block is not among its blocks.

use actoreum_chain::ChainReader;
use actoreum_primitives::Header;
use actoreum_storage::StorageError;
use serde_json::{Value, json};

use crate::render;
use crate::server::json::JsonOut;
use crate::server::limits::MAX_RESPONSE_BYTES;

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
                "header": members(&header)?,
                "transactions": [],
                "ommers": [],
                "withdrawals": null,
            }));
        }
    }
    Ok(blocks)
}

/// Returns the members of a header from which its hash is computed.
fn members(header: &Header) -> Result<Value, StorageError> {
    let mut out = JsonOut::new(MAX_RESPONSE_BYTES);
    render::write_hashed_members(&mut out, header);
    let members = serde_json::from_slice(&out.into_bytes());
    members.map_err(|error| StorageError::Corrupt(format!("header {}: {error}", header.number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_the_fields_of_its_fork() {
        let before_london = members(&Header::default()).unwrap();
        assert_eq!(before_london["number"], json!("0x0"));
        assert!(before_london.get("hash").is_none());
        assert!(before_london.get("baseFeePerGas").is_none());
        let london = Header {
            base_fee_per_gas: Some(7),
            ..Header::default()
        };
        assert_eq!(members(&london).unwrap()["baseFeePerGas"], json!("0x7"));
    }
}
