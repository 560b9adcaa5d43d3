//! What the pool knows of the head.

use actoreum_primitives::{B256, BlobParams, ChainConfig, Fork, Header, SenderRules};

/// The head that the pool stands on, as far as the rules of the next block follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its hash.
    pub hash: B256,
    /// Its number.
    pub number: u64,
    /// Its gas limit.
    pub gas_limit: u64,
    /// The base fee of the next block, in wei a gas; `None` before London.
    pub base_fee_per_gas: Option<u64>,
    /// The fork of the next block. One that is scheduled by time counts once the head has
    /// reached it: when the next block is made nobody knows.
    pub fork: Fork,
    /// The blob market of the next block; `None` where it takes no blobs.
    pub blobs: Option<BlobParams>,
    /// The signatures that the next block allows.
    pub senders: SenderRules,
}

impl Head {
    /// The block with this header as head. `next_base_fee` is the next block's, in wei a gas,
    /// and does not count before London.
    pub fn new(config: &ChainConfig, header: &Header, hash: B256, next_base_fee: u64) -> Self {
        let next = header.number.saturating_add(1);
        let fork = config.fork_at(next, header.timestamp);
        let blobs = config.blob_params_at(next, header.timestamp);
        Self {
            hash,
            number: header.number,
            gas_limit: header.gas_limit,
            base_fee_per_gas: (fork >= Fork::London).then_some(next_base_fee),
            fork,
            blobs: blobs.filter(|params| params.max > 0),
            senders: SenderRules::at(config, next, header.timestamp),
        }
    }

    /// Whether the same transactions are valid after both heads, balances and nonces aside.
    pub(crate) fn has_rules_of(&self, other: &Self) -> bool {
        self.fork == other.fork
            && self.blobs == other.blobs
            && self.senders == other.senders
            && self.gas_limit >= other.gas_limit
    }
}
