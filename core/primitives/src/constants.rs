//! Hashes of empty values, and amounts that the protocol fixes.

use alloy_primitives::{B256, b256};

/// Keccak-256 of the empty string: the code hash of an account without code.
pub const EMPTY_CODE_HASH: B256 =
    b256!("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
/// The root of an empty trie: Keccak-256 of an empty RLP string.
pub const EMPTY_ROOT_HASH: B256 =
    b256!("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");
/// The hash of an empty list of ommers: Keccak-256 of an empty RLP list.
pub const EMPTY_OMMERS_HASH: B256 =
    b256!("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347");
/// The hash of an empty list of execution requests: SHA-256 of the empty string (EIP-7685).
pub const EMPTY_REQUESTS_HASH: B256 =
    b256!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

/// Wei in one gwei.
pub const GWEI: u64 = 1_000_000_000;
/// Wei in one ether.
pub const ETHER: u64 = 1_000_000_000_000_000_000;

/// The base fee of the first London block, in wei (EIP-1559).
pub const INITIAL_BASE_FEE: u64 = GWEI;
/// The gas limit of a genesis that names none (geth's `params.GenesisGasLimit`).
pub const DEFAULT_GENESIS_GAS_LIMIT: u64 = 4_712_388;
/// The difficulty of a genesis that names none (geth's `params.GenesisDifficulty`).
pub const DEFAULT_GENESIS_DIFFICULTY: u64 = 131_072;
/// Gas in one blob (EIP-4844).
pub const GAS_PER_BLOB: u64 = 1 << 17;
