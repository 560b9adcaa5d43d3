//! Status, the first message of each side.

use actoreum_primitives::config::ForkId;
use actoreum_primitives::rlp::{DecodeError, Encode, List};
use actoreum_primitives::{B256, U256};

use super::{BlockRange, EthVersion, RangeError};
use crate::limits::MAX_TOTAL_DIFFICULTY_BITS;
use crate::rlp::put_list;

/// Chain and head of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Negotiated version of the protocol.
    pub version: u64,
    /// Network id; 1 is mainnet.
    pub network_id: u64,
    /// Total difficulty of the head; zero from eth/69 on, where it is not sent.
    pub total_difficulty: U256,
    /// Hash of the head.
    pub head: B256,
    /// Hash of the genesis block.
    pub genesis: B256,
    /// Fork id (EIP-2124): the passed forks and the next one; from eth/64 on.
    pub fork_id: Option<ForkId>,
    /// The available blocks, of which the last one is the head; from eth/69 on.
    pub range: Option<BlockRange>,
}

/// Reason why a peer's status ends the connection. The texts are geth's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatusError {
    /// The peer has another genesis block.
    #[error("Genesis block mismatch - {theirs:x} (!= {ours:x})")]
    Genesis {
        /// The peer's genesis hash.
        theirs: B256,
        /// The local value.
        ours: B256,
    },
    /// The peer is on another network.
    #[error("NetworkId mismatch - {theirs} (!= {ours})")]
    Network {
        /// The peer's network id.
        theirs: u64,
        /// The local value.
        ours: u64,
    },
    /// The version is not the negotiated one.
    #[error("Protocol version mismatch - {theirs} (!= {ours})")]
    Version {
        /// The peer's version.
        theirs: u64,
        /// The negotiated version.
        ours: u64,
    },
    /// The total difficulty is higher than any chain's.
    #[error("too large total difficulty: bitlen {0}")]
    TotalDifficulty(usize),
    /// The fork id is incompatible with the local chain.
    #[error("fork ID rejected: {0}")]
    ForkId(String),
    /// The range of available blocks is empty.
    #[error("invalid block range in status: {0}")]
    Range(#[from] RangeError),
}

impl Status {
    /// Compares a peer's status with the local one: genesis, network, version, total difficulty,
    /// forks, in this order. `check_fork` is called from eth/64 on.
    pub fn check<E: std::fmt::Display>(
        &self,
        ours: &Self,
        check_fork: impl FnOnce(&ForkId) -> Result<(), E>,
    ) -> Result<(), StatusError> {
        if self.genesis != ours.genesis {
            return Err(StatusError::Genesis {
                theirs: self.genesis,
                ours: ours.genesis,
            });
        }
        if self.network_id != ours.network_id {
            return Err(StatusError::Network {
                theirs: self.network_id,
                ours: ours.network_id,
            });
        }
        if self.version != ours.version {
            return Err(StatusError::Version {
                theirs: self.version,
                ours: ours.version,
            });
        }
        let bits = self.total_difficulty.bit_len();
        if bits > MAX_TOTAL_DIFFICULTY_BITS {
            return Err(StatusError::TotalDifficulty(bits));
        }
        if let Some(fork_id) = &self.fork_id {
            check_fork(fork_id).map_err(|error| StatusError::ForkId(error.to_string()))?;
        }
        if let Some(range) = &self.range {
            range.check()?;
        }
        Ok(())
    }

    pub(super) fn encode(&self, version: EthVersion, out: &mut Vec<u8>) {
        if let (true, Some(range), Some(fork_id)) = (version.is_merged(), self.range, self.fork_id)
        {
            put_list(out, |out| {
                self.version.encode(out);
                self.network_id.encode(out);
                self.genesis.encode(out);
                fork_id.encode(out);
                range.encode_fields(out);
            });
            return;
        }
        put_list(out, |out| {
            self.version.encode(out);
            self.network_id.encode(out);
            self.total_difficulty.encode(out);
            self.head.encode(out);
            self.genesis.encode(out);
            if let Some(fork_id) = self.fork_id.filter(|_| version.has_fork_id()) {
                fork_id.encode(out);
            }
        });
    }

    pub(super) fn decode(version: EthVersion, message: &[u8]) -> Result<Self, DecodeError> {
        let mut list = List::open_exact(message)?;
        if version.is_merged() {
            let status = Self::decode_merged(&mut list)?;
            list.finish()?;
            return Ok(status);
        }
        let mut status = Self {
            version: list.next()?,
            network_id: list.next()?,
            total_difficulty: list.next()?,
            head: list.next()?,
            genesis: list.next()?,
            fork_id: None,
            range: None,
        };
        if version.has_fork_id() {
            status.fork_id = Some(list.next()?);
        }
        list.finish()?;
        Ok(status)
    }

    fn decode_merged(list: &mut List<'_>) -> Result<Self, DecodeError> {
        let (version, network_id) = (list.next()?, list.next()?);
        let (genesis, fork_id) = (list.next()?, list.next()?);
        let range = BlockRange::decode_fields(list)?;
        Ok(Self {
            version,
            network_id,
            total_difficulty: U256::ZERO,
            head: range.latest_hash,
            genesis,
            fork_id: Some(fork_id),
            range: Some(range),
        })
    }
}
