//! The first message of each side.

use actoreum_primitives::config::ForkId;
use actoreum_primitives::rlp::{DecodeError, Encode, List};
use actoreum_primitives::{B256, U256};

use super::EthVersion;
use crate::limits::MAX_TOTAL_DIFFICULTY_BITS;
use crate::rlp::put_list;

/// Which chain a node is on, and how far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The version that is spoken: the negotiated one.
    pub version: u64,
    /// The network's id; 1 is mainnet.
    pub network_id: u64,
    /// The total difficulty of the best block.
    pub total_difficulty: U256,
    /// The hash of the best block.
    pub head: B256,
    /// The hash of the genesis block.
    pub genesis: B256,
    /// The forks passed and the next; from eth/64 on.
    pub fork_id: Option<ForkId>,
}

/// Why a peer's status ends the connection. The texts are geth's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatusError {
    /// Another chain.
    #[error("Genesis block mismatch - {theirs:x} (!= {ours:x})")]
    Genesis {
        /// The peer's genesis hash.
        theirs: B256,
        /// Ours.
        ours: B256,
    },
    /// Another network.
    #[error("NetworkId mismatch - {theirs} (!= {ours})")]
    Network {
        /// The peer's network id.
        theirs: u64,
        /// Ours.
        ours: u64,
    },
    /// Another version than was negotiated.
    #[error("Protocol version mismatch - {theirs} (!= {ours})")]
    Version {
        /// The peer's version.
        theirs: u64,
        /// The negotiated one.
        ours: u64,
    },
    /// More work than any chain can hold.
    #[error("too large total difficulty: bitlen {0}")]
    TotalDifficulty(usize),
    /// Forks that cannot be ours.
    #[error("fork ID rejected: {0}")]
    ForkId(String),
}

impl Status {
    /// Compares a peer's status with ours: genesis, network, version, total difficulty, forks, in
    /// this order.
    /// `check_fork` is asked from eth/64 on.
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
        match &self.fork_id {
            Some(fork_id) => {
                check_fork(fork_id).map_err(|error| StatusError::ForkId(error.to_string()))
            }
            None => Ok(()),
        }
    }

    pub(super) fn encode(&self, version: EthVersion, out: &mut Vec<u8>) {
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
        let mut status = Self {
            version: list.next()?,
            network_id: list.next()?,
            total_difficulty: list.next()?,
            head: list.next()?,
            genesis: list.next()?,
            fork_id: None,
        };
        if version.has_fork_id() {
            status.fork_id = Some(list.next()?);
        }
        list.finish()?;
        Ok(status)
    }
}
