//! The argument of log queries and of log filters.

use actoreum_chain::LogCriteria;
use actoreum_messages::filter::FilterId;
use actoreum_primitives::{Address, B256};

use crate::hexutil;
use crate::namespaces::block_id::BlockNumber;
use crate::server::json::scan::{self, Kind};
use crate::server::limits::{
    MAX_FILTER_ADDRESSES, MAX_FILTER_TOPIC_ALTERNATIVES, MAX_FILTER_TOPICS,
};
use crate::server::object::Object;
use crate::server::param::{FromParam, ParamError};

/// The filter of a log query or subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// The only block to search, instead of a range.
    pub block_hash: Option<B256>,
    /// The first block of the range; the head if absent.
    pub from_block: Option<BlockNumber>,
    /// The last block of the range; the head if absent.
    pub to_block: Option<BlockNumber>,
    /// The addresses and topics that a log must have.
    pub criteria: LogCriteria,
}

impl FromParam for LogFilter {
    const SCHEMA: &'static str = r#"{"title":"log filter","type":"object","properties":{"fromBlock":{"type":"string"},"toBlock":{"type":"string"},"blockHash":{"type":"string"},"address":{},"topics":{"type":"array"}}}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let object = Object::new(raw, "filters.FilterCriteria")?;
        let filter = Self {
            block_hash: object.get("blockHash")?,
            from_block: object.get("fromBlock")?,
            to_block: object.get("toBlock")?,
            criteria: LogCriteria {
                addresses: object.get::<Addresses>("address")?.unwrap_or_default().0,
                topics: object.get::<Topics>("topics")?.unwrap_or_default().0,
            },
        };
        if filter.block_hash.is_some() && (filter.from_block.is_some() || filter.to_block.is_some())
        {
            return Err(ParamError::text(
                "cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other",
            ));
        }
        Ok(filter)
    }
}

/// One address, or a list of addresses.
#[derive(Default)]
struct Addresses(Vec<Address>);

impl FromParam for Addresses {
    const SCHEMA: &'static str = "{}";

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        match Kind::of(raw) {
            Kind::String => address(raw)
                .map(|address| Self(vec![address]))
                .map_err(|error| ParamError::text(format!("invalid address: {error}"))),
            Kind::Array => {
                let mut addresses = Vec::new();
                for (index, item) in scan::elements(raw).enumerate() {
                    if index == MAX_FILTER_ADDRESSES {
                        return Err(ParamError::text("exceed max addresses"));
                    }
                    if Kind::of(item) != Kind::String {
                        return Err(ParamError::text(format!(
                            "non-string address at index {index}"
                        )));
                    }
                    let address = address(item).map_err(|error| {
                        ParamError::text(format!("invalid address at index {index}: {error}"))
                    })?;
                    addresses.push(address);
                }
                Ok(Self(addresses))
            }
            _ => Err(ParamError::text("invalid addresses in query")),
        }
    }
}

/// For each position a topic, a list of alternatives, or null.
#[derive(Default)]
struct Topics(Vec<Vec<B256>>);

impl FromParam for Topics {
    const SCHEMA: &'static str = "{}";

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        if Kind::of(raw) != Kind::Array {
            return Err(ParamError::mistyped(Kind::of(raw).name(), "[]interface {}"));
        }
        let mut topics = Vec::new();
        for item in scan::elements(raw) {
            if topics.len() == MAX_FILTER_TOPICS {
                return Err(ParamError::text("exceed max topics"));
            }
            topics.push(alternatives(item)?);
        }
        Ok(Self(topics))
    }
}

/// Reads the alternatives at one position; empty if any topic matches.
fn alternatives(raw: &str) -> Result<Vec<B256>, ParamError> {
    match Kind::of(raw) {
        Kind::Null => Ok(Vec::new()),
        Kind::String => Ok(vec![topic(raw)?]),
        Kind::Array => {
            let mut values = Vec::new();
            for item in scan::elements(raw) {
                match Kind::of(item) {
                    // A null among the alternatives matches any topic.
                    Kind::Null => return Ok(Vec::new()),
                    Kind::String if values.len() < MAX_FILTER_TOPIC_ALTERNATIVES => {
                        values.push(topic(item)?);
                    }
                    Kind::String => return Err(ParamError::text("exceed max topics")),
                    _ => return Err(ParamError::text("invalid topic(s)")),
                }
            }
            Ok(values)
        }
        _ => Err(ParamError::text("invalid topic(s)")),
    }
}

/// Reads the `0x` data of exactly `N` bytes. geth's texts count bytes and call any other length
/// invalid.
fn bytes<const N: usize>(raw: &str, what: &str) -> Result<[u8; N], ParamError> {
    let text = scan::unquote(raw);
    if text.is_empty() {
        return Err(ParamError::text(hexutil::HexError::Empty.to_string()));
    }
    let decoded = hexutil::data(&text).map_err(|error| ParamError::text(error.to_string()))?;
    let length = decoded.len();
    <[u8; N]>::try_from(decoded).map_err(|_| {
        ParamError::text(format!(
            "hex has invalid length {length} after decoding; expected {N} for {what}"
        ))
    })
}

fn address(raw: &str) -> Result<Address, ParamError> {
    bytes(raw, "address").map(Address::new)
}

fn topic(raw: &str) -> Result<B256, ParamError> {
    bytes(raw, "topic").map(B256::new)
}

/// Parses the display form of a [`FilterId`].
pub(super) fn parse_id(text: &str) -> Option<FilterId> {
    let digits = text.strip_prefix("0x").filter(|digits| {
        let is_hex = |digit: u8| digit.is_ascii_hexdigit();
        !digits.is_empty() && digits.bytes().all(is_hex)
    })?;
    u128::from_str_radix(digits, 16).ok().map(FilterId)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(raw: &str) -> String {
        LogFilter::from_raw(raw).unwrap_err().to_string()
    }

    #[test]
    fn criteria_are_read_as_in_geth() {
        let (address, topic) = (Address::repeat_byte(1), B256::repeat_byte(2));
        let filter = LogFilter::from_raw(&format!(
            "{{\"address\":\"{address}\",\"fromBlock\":\"0x0\",\"topics\":[null,\"{topic}\",[\"{topic}\"],[null,\"{topic}\"]]}}"
        ))
        .unwrap();
        assert_eq!(filter.criteria.addresses, [address]);
        assert_eq!(
            filter.criteria.topics,
            [vec![], vec![topic], vec![topic], vec![]]
        );
        assert_eq!(
            (filter.from_block, filter.to_block),
            (Some(BlockNumber::Number(0)), None)
        );

        assert_eq!(text("{\"address\":1}"), "invalid addresses in query");
        assert_eq!(text("{\"address\":[1]}"), "non-string address at index 0");
        assert_eq!(
            text("{\"address\":[\"0x01\"]}"),
            "invalid address at index 0: hex has invalid length 1 after decoding; expected 20 for address"
        );
        assert_eq!(text("{\"topics\":[1]}"), "invalid topic(s)");
        assert_eq!(
            text("{\"topics\":[null,null,null,null,null]}"),
            "exceed max topics"
        );
        assert_eq!(
            text(&format!(
                "{{\"blockHash\":\"{topic}\",\"toBlock\":\"latest\"}}"
            )),
            "cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other"
        );
    }
}
