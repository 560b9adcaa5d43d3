//! Arguments that identify a block: a number, a tag, or a hash (EIP-1898).

use actoreum_primitives::B256;

use crate::error::RpcError;
use crate::hexutil::{self, HexError};
use crate::namespaces::dev::DevIdentity;
use crate::node::Node;
use crate::server::json::scan::{self, Kind};
use crate::server::param::{FromParam, ParamError};

/// A block by number or tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockNumber {
    /// The block with this number.
    Number(u64),
    /// The head.
    Latest,
    /// The block that would be sealed next.
    Pending,
    /// The block that the beacon chain calls safe. There is none: this node seals its own blocks.
    Safe,
    /// The block that the beacon chain finalized last. There is none: this node seals its own
    /// blocks.
    Finalized,
}

impl FromParam for BlockNumber {
    const SCHEMA: &'static str = r#"{"title":"block number or tag","oneOf":[{"type":"string","pattern":"^0x(0|[1-9a-f][0-9a-f]{0,15})$"},{"enum":["earliest","latest","pending","safe","finalized"]}]}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let text = raw
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(raw);
        match text {
            "earliest" => return Ok(Self::Number(0)),
            "latest" => return Ok(Self::Latest),
            "pending" => return Ok(Self::Pending),
            "safe" => return Ok(Self::Safe),
            "finalized" => return Ok(Self::Finalized),
            _ => {}
        }
        let number =
            hexutil::number(text).map_err(|error: HexError| ParamError::text(error.to_string()))?;
        if number > i64::MAX as u64 {
            return Err(ParamError::text("Blocknumber too high"));
        }
        Ok(Self::Number(number))
    }
}

/// A block by number, tag or hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockId {
    /// By number or tag.
    Number(BlockNumber),
    /// By hash.
    Hash {
        /// The hash.
        hash: B256,
        /// Whether a block off the canonical chain is an error.
        require_canonical: bool,
    },
}

impl From<BlockNumber> for BlockId {
    fn from(number: BlockNumber) -> Self {
        Self::Number(number)
    }
}

impl From<B256> for BlockId {
    fn from(hash: B256) -> Self {
        Self::Hash {
            hash,
            require_canonical: false,
        }
    }
}

impl FromParam for BlockId {
    const SCHEMA: &'static str = r#"{"title":"block number, tag, hash or EIP-1898 object","oneOf":[{"type":"string"},{"type":"object","properties":{"blockNumber":{"type":"string"},"blockHash":{"type":"string"},"requireCanonical":{"type":"boolean"}}}]}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        match Kind::of(raw) {
            Kind::Object => from_object(raw),
            // A quoted hash: two quotes, `0x` and 64 digits.
            Kind::String if raw.len() == 68 => B256::from_raw(raw).map(Self::from),
            _ => BlockNumber::from_raw(raw).map(Self::from),
        }
    }
}

/// Reads the object form of EIP-1898.
fn from_object(raw: &str) -> Result<BlockId, ParamError> {
    let mut number = None;
    let mut hash = None;
    let mut require_canonical = false;
    for (key, value) in scan::members(raw).filter(|(_, value)| *value != "null") {
        if key.eq_ignore_ascii_case("blockNumber") {
            number = Some(BlockNumber::from_raw(value)?);
        } else if key.eq_ignore_ascii_case("blockHash") {
            let in_field = |error: ParamError| error.in_field("erased", "blockHash");
            hash = Some(B256::from_raw(value).map_err(in_field)?);
        } else if key.eq_ignore_ascii_case("requireCanonical") {
            let in_field = |error: ParamError| error.in_field("erased", "requireCanonical");
            require_canonical = bool::from_raw(value).map_err(in_field)?;
        }
    }
    match (number, hash) {
        (Some(_), Some(_)) => Err(ParamError::text(
            "cannot specify both BlockHash and BlockNumber, choose one or the other",
        )),
        (Some(number), None) => Ok(BlockId::Number(number)),
        (None, Some(hash)) => Ok(BlockId::Hash {
            hash,
            require_canonical,
        }),
        (None, None) => Err(ParamError::text("block number or hash is missing")),
    }
}

/// The block whose state is read. geth 1.8 requires it; later geths, anvil and Hardhat take the head
/// without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateBlock(Option<BlockId>);

impl StateBlock {
    /// Returns the block. `position` is that of the argument.
    ///
    /// # Errors
    /// The argument is absent, and geth 1.8 knew the rules of the chain, unless the node answers as
    /// anvil or Hardhat.
    pub(crate) fn or_latest(self, node: &Node, position: usize) -> Result<BlockId, RpcError> {
        match (self.0, node.settings.identity) {
            (Some(id), _) => Ok(id),
            (None, DevIdentity::Anvil | DevIdentity::Hardhat) => Ok(BlockNumber::Latest.into()),
            (None, DevIdentity::Geth) if node.has_geth_1_8_rules() => {
                Err(RpcError::missing_argument(position))
            }
            (None, DevIdentity::Geth) => Ok(BlockNumber::Latest.into()),
        }
    }
}

impl FromParam for StateBlock {
    const SCHEMA: &'static str = BlockId::SCHEMA;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        BlockId::from_raw(raw).map(Some).map(Self)
    }

    fn absent() -> Option<Self> {
        Some(Self(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(raw: &str) -> Result<BlockNumber, String> {
        BlockNumber::from_raw(raw).map_err(|error| error.to_string())
    }

    fn id(raw: &str) -> Result<BlockId, String> {
        BlockId::from_raw(raw).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_and_tags_are_read_as_in_geth() {
        assert_eq!(number("\"earliest\""), Ok(BlockNumber::Number(0)));
        assert_eq!(number("\"latest\""), Ok(BlockNumber::Latest));
        assert_eq!(number("\"0x10d\""), Ok(BlockNumber::Number(269)));
        assert_eq!(
            number("\"100\""),
            Err("hex string without 0x prefix".into())
        );
        assert_eq!(number("100"), Err("hex string without 0x prefix".into()));
        assert_eq!(number("\"0xzz\""), Err("invalid hex string".into()));
        assert_eq!(number("\"\""), Err("empty hex string".into()));
        assert_eq!(number("\"0x\""), Err("hex string \"0x\"".into()));
        assert_eq!(
            number("\"0x01\""),
            Err("hex number with leading zero digits".into())
        );
        assert_eq!(
            number("\"0x8000000000000000\""),
            Err("Blocknumber too high".into())
        );
        assert_eq!(
            number("\"0x10000000000000000\""),
            Err("hex number > 64 bits".into())
        );
    }

    #[test]
    fn an_object_names_a_number_or_a_hash() {
        let hash = B256::repeat_byte(7);
        assert_eq!(
            id("{\"blockNumber\":\"0x2\"}"),
            Ok(BlockId::Number(BlockNumber::Number(2)))
        );
        assert_eq!(
            id(&format!(
                "{{\"blockHash\":\"{hash}\",\"requireCanonical\":true}}"
            )),
            Ok(BlockId::Hash {
                hash,
                require_canonical: true
            })
        );
        assert_eq!(id(&format!("\"{hash}\"")), Ok(BlockId::from(hash)));
        assert!(id("{}").is_err());
        assert!(
            id(&format!(
                "{{\"blockHash\":\"{hash}\",\"blockNumber\":\"0x1\"}}"
            ))
            .is_err()
        );
    }
}
