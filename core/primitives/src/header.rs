//! The block header.

use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256};

use crate::{EMPTY_OMMERS_HASH, EMPTY_ROOT_HASH, keccak256, rlp, rlp_struct};

/// A block header. The optional fields came with later forks and stand at the end of the
/// encoding in this order; one may be set only where all before it are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The hash of the block before.
    pub parent_hash: B256,
    /// Keccak-256 of the RLP list of ommer headers.
    pub ommers_hash: B256,
    /// Who is paid for the block ("coinbase"); in clique the candidate that is voted on.
    pub beneficiary: Address,
    /// The root of the state after the block.
    pub state_root: B256,
    /// The root of the trie of transactions.
    pub transactions_root: B256,
    /// The root of the trie of receipts.
    pub receipts_root: B256,
    /// The union of the receipts' blooms.
    pub logs_bloom: Bloom,
    /// Zero after the merge.
    pub difficulty: U256,
    /// Blocks between this one and genesis.
    pub number: u64,
    /// The gas that the block may use.
    pub gas_limit: u64,
    /// The gas that its transactions used.
    pub gas_used: u64,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// At most 32 bytes, save with clique (vanity, signers at a checkpoint, seal).
    pub extra_data: Bytes,
    /// Part of the ethash seal; the beacon chain's randomness after the merge.
    pub mix_hash: B256,
    /// Part of the ethash seal; a vote in clique.
    pub nonce: B64,
    /// Wei per gas that is burnt (London, EIP-1559).
    pub base_fee_per_gas: Option<u64>,
    /// The root of the trie of withdrawals (Shanghai, EIP-4895).
    pub withdrawals_root: Option<B256>,
    /// The gas of the block's blobs (Cancun, EIP-4844).
    pub blob_gas_used: Option<u64>,
    /// The running excess of blob gas over the target (Cancun, EIP-4844).
    pub excess_blob_gas: Option<u64>,
    /// The root of the parent beacon block (Cancun, EIP-4788).
    pub parent_beacon_block_root: Option<B256>,
    /// The hash of the execution requests (Prague, EIP-7685).
    pub requests_hash: Option<B256>,
}

rlp_struct!(Header {
    parent_hash,
    ommers_hash,
    beneficiary,
    state_root,
    transactions_root,
    receipts_root,
    logs_bloom,
    difficulty,
    number,
    gas_limit,
    gas_used,
    timestamp,
    extra_data,
    mix_hash,
    nonce,
} optional {
    base_fee_per_gas,
    withdrawals_root,
    blob_gas_used,
    excess_blob_gas,
    parent_beacon_block_root,
    requests_hash,
});

/// The header of an empty block: empty tries, everything else zero.
impl Default for Header {
    fn default() -> Self {
        Self {
            parent_hash: B256::ZERO,
            ommers_hash: EMPTY_OMMERS_HASH,
            beneficiary: Address::ZERO,
            state_root: EMPTY_ROOT_HASH,
            transactions_root: EMPTY_ROOT_HASH,
            receipts_root: EMPTY_ROOT_HASH,
            logs_bloom: Bloom::ZERO,
            difficulty: U256::ZERO,
            number: 0,
            gas_limit: 0,
            gas_used: 0,
            timestamp: 0,
            extra_data: Bytes::new(),
            mix_hash: B256::ZERO,
            nonce: B64::ZERO,
            base_fee_per_gas: None,
            withdrawals_root: None,
            blob_gas_used: None,
            excess_blob_gas: None,
            parent_beacon_block_root: None,
            requests_hash: None,
        }
    }
}

impl Header {
    /// Keccak-256 of the RLP encoding: the block's hash. Computed on every call.
    pub fn hash(&self) -> B256 {
        keccak256(rlp::encode(self))
    }

    /// The ethash nonce as a number.
    pub fn nonce_number(&self) -> u64 {
        u64::from_be_bytes(self.nonce.0)
    }
}
