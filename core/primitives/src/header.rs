//! The block header.

use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256};

use crate::{EMPTY_OMMERS_HASH, EMPTY_ROOT_HASH, keccak256, rlp, rlp_struct};

/// A block header. The optional fields were added by later forks and stand at the end of the
/// encoding in this order. A field may be set only if all optional fields before it are set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Hash of the parent block.
    pub parent_hash: B256,
    /// Keccak-256 of the RLP list of ommer headers.
    pub ommers_hash: B256,
    /// Account that receives the block's reward and fees ("coinbase"); in clique the candidate that
    /// is voted on.
    pub beneficiary: Address,
    /// Root of the state after the block.
    pub state_root: B256,
    /// Root of the trie of transactions.
    pub transactions_root: B256,
    /// Root of the trie of receipts.
    pub receipts_root: B256,
    /// Union of the receipts' blooms.
    pub logs_bloom: Bloom,
    /// Difficulty of the seal; zero after the merge.
    pub difficulty: U256,
    /// Number of ancestors: zero for genesis.
    pub number: u64,
    /// Maximum amount of gas that the block may use.
    pub gas_limit: u64,
    /// Gas that the block's transactions used.
    pub gas_used: u64,
    /// Unix time in seconds.
    pub timestamp: u64,
    /// Extra data of at most 32 bytes; longer with clique (vanity, signers at a checkpoint, seal).
    pub extra_data: Bytes,
    /// Part of the ethash seal; the beacon chain's randomness after the merge.
    pub mix_hash: B256,
    /// Part of the ethash seal; a vote in clique.
    pub nonce: B64,
    /// Fee in wei per gas that is burnt (London, EIP-1559).
    pub base_fee_per_gas: Option<u64>,
    /// Root of the trie of withdrawals (Shanghai, EIP-4895).
    pub withdrawals_root: Option<B256>,
    /// Gas of the block's blobs (Cancun, EIP-4844).
    pub blob_gas_used: Option<u64>,
    /// Running excess of blob gas over the target (Cancun, EIP-4844).
    pub excess_blob_gas: Option<u64>,
    /// Root of the parent beacon block (Cancun, EIP-4788).
    pub parent_beacon_block_root: Option<B256>,
    /// Hash of the execution requests (Prague, EIP-7685).
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
    /// Returns the block's hash: Keccak-256 of the RLP encoding. It is computed on every call.
    pub fn hash(&self) -> B256 {
        keccak256(rlp::encode(self))
    }

    /// Returns the ethash nonce as a number (eight bytes, big-endian).
    pub fn nonce_number(&self) -> u64 {
        u64::from_be_bytes(self.nonce.0)
    }
}
