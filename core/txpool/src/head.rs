//! The head of the chain, as far as the pool needs it.

use actoreum_primitives::{B256, BlobParams, ChainConfig, Fork, Header, SenderRules};

use crate::limits::OSAKA_TX_GAS_LIMIT;

/// The pool's head, with the rules of the next block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Hash of the head block.
    pub hash: B256,
    /// Number of the head block.
    pub number: u64,
    /// Gas limit of the head block.
    pub gas_limit: u64,
    /// The base fee of the next block, in wei per gas; `None` before London.
    pub base_fee_per_gas: Option<u64>,
    /// The fork of the next block. A fork that is scheduled by time counts once the head's
    /// timestamp has reached it, because the timestamp of the next block is unknown.
    pub fork: Fork,
    /// The highest gas limit of a transaction (EIP-7825); `None` before Osaka, and on a development
    /// chain, where tools give a transaction the gas of a whole block.
    pub tx_gas_cap: Option<u64>,
    /// The blob parameters of the next block; `None` if it can't hold blobs.
    pub blobs: Option<BlobParams>,
    /// The signature rules of the next block.
    pub senders: SenderRules,
}

impl Head {
    /// Creates the head from a block's header. `next_base_fee` is the base fee of the next block,
    /// in wei per gas; it is ignored before London.
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
            tx_gas_cap: (fork >= Fork::Osaka && !config.is_development)
                .then_some(OSAKA_TX_GAS_LIMIT),
            blobs: blobs.filter(|params| params.max > 0),
            senders: SenderRules::at(config, next, header.timestamp),
        }
    }

    /// Returns true if every transaction that was valid at the head `other` is valid at this one,
    /// apart from balances and nonces.
    pub(crate) fn has_rules_of(&self, other: &Self) -> bool {
        self.fork == other.fork
            && self.blobs == other.blobs
            && self.senders == other.senders
            && self.gas_limit >= other.gas_limit
    }
}
