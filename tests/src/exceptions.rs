//! Classes of the reasons for which a block or a transaction is refused, and the exception names of
//! the vectors that stand for them.

use std::fmt;

/// Vectors that are deliberately skipped, by file (or file and name), with the reason. There are
/// fewer than ten.
pub const SKIPPED_VECTORS: &[(&str, &str)] = &[
    (
        "ABITests/basic_abi_tests.json",
        "a node encodes no contract ABI: calls reach it encoded",
    ),
    (
        "BasicTests/blockgenesistest.json",
        "blocks of a proof of concept of 2014: its headers have no receipts root and no bloom",
    ),
    (
        "BasicTests/crypto.json",
        "ECIES with a key derivation of 2014 that no network speaks; devp2p's is held to EIP-8's",
    ),
    (
        "BasicTests/difficultyCustomHomestead.json",
        "parents below the minimum difficulty, which no chain has; geth skips them, too",
    ),
    (
        "BasicTests/difficultyCustomMainNetwork.json",
        "parents below the minimum difficulty, which no chain has; geth skips them, too",
    ),
    (
        "BasicTests/keyaddrtest.json sig_of_emptystring",
        "which hash of the empty text was signed is said nowhere; keys and addresses are held to",
    ),
    (
        "TrieTests/trietestnextprev.json",
        "walks a trie of three words to the next and previous key: here keys are walked in the flat state",
    ),
];

/// Returns the reason why the file at `path` is skipped, if it is one of [`SKIPPED_VECTORS`].
pub fn skip_reason(path: &str) -> Option<&'static str> {
    SKIPPED_VECTORS
        .iter()
        .find(|(file, _)| path.ends_with(file))
        .map(|(_, reason)| *reason)
}

/// A class of reasons for which a block is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The bytes do not decode: bad RLP, a field of a wrong size, an item too many.
    Malformed,
    /// The parent is not known.
    UnknownParent,
    /// The number is not the parent's plus one.
    Number,
    /// The time is not after the parent's, or too far ahead.
    Timestamp,
    /// The gas limit is out of bounds.
    GasLimit,
    /// The gas used is above the limit, or differs from the execution's.
    GasUsed,
    /// The extra data is too long, or is not what a fork requires.
    ExtraData,
    /// The difficulty is wrong.
    Difficulty,
    /// The base fee is wrong.
    BaseFee,
    /// Fields (or withdrawals) that the fork requires are missing, or are present before their
    /// fork.
    ForkFields,
    /// An ommer is not allowed.
    Ommers,
    /// The ommers do not match the header.
    OmmersHash,
    /// The transactions do not match the header.
    TransactionsRoot,
    /// The withdrawals do not match the header.
    WithdrawalsRoot,
    /// The receipts do not match the header.
    ReceiptsRoot,
    /// The logs do not match the header.
    LogsBloom,
    /// The state root does not match the header.
    StateRoot,
    /// The blob gas used is above the limit, or differs from the transactions'.
    BlobGasUsed,
    /// The excess blob gas is wrong.
    ExcessBlobGas,
    /// The requests do not match the header, or a deposit's log cannot be decoded.
    Requests,
    /// A system contract is missing or failed.
    SystemContract,
    /// The block is too large.
    Size,
    /// The seal is wrong, or a field of a proof-of-work seal is set after the merge.
    Seal,
    /// A transaction is not valid.
    Transaction(TxRefusal),
}

/// A class of reasons for which a transaction is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TxRefusal {
    /// The type is unknown, or not active yet.
    Type,
    /// The chain id is another one.
    ChainId,
    /// The signature recovers no sender.
    Signature,
    /// The sender has code.
    SenderNotEoa,
    /// The nonce is not the sender's, or is the maximum.
    Nonce,
    /// The sender cannot pay the cost (or the cost does not fit 256 bits).
    Funds,
    /// The maximum fee is below the base fee.
    FeeTooLow,
    /// The priority fee is above the maximum fee.
    TipAboveFee,
    /// The maximum blob fee is below the blob base fee.
    BlobFeeTooLow,
    /// The gas limit is below the intrinsic gas.
    IntrinsicGas,
    /// The gas limit is above the gas that is left in the block.
    BlockGas,
    /// The gas limit is above the cap of EIP-7825.
    GasCap,
    /// The init code is too long.
    InitCode,
    /// The transaction has no blobs, too many, or hashes of a wrong version.
    Blobs,
    /// The transaction may not create a contract.
    Creation,
    /// The list of authorizations is empty.
    Authorizations,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transaction(refusal) => write!(formatter, "transaction: {refusal:?}"),
            refusal => write!(formatter, "{refusal:?}"),
        }
    }
}

/// Returns the classes that an exception's name stands for; several where implementations may check
/// in another order. Empty for an unknown name. `A|B` gives those of both.
pub fn classes(exception: &str) -> Vec<Refusal> {
    exception.split('|').flat_map(single).copied().collect()
}

fn single(exception: &str) -> &'static [Refusal] {
    use Refusal as R;
    use TxRefusal as T;
    let name = exception
        .trim()
        .trim_start_matches("BlockException.")
        .trim_start_matches("TransactionException.");
    if name.starts_with("RLP_") && name != "RLP_BLOCK_LIMIT_EXCEEDED" {
        return match name {
            "RLP_WITHDRAWALS_NOT_READ" => &[R::Malformed, R::ForkFields],
            "RLP_INVALID_VALUE" => &[R::Malformed, R::Transaction(T::Funds)],
            _ => &[R::Malformed],
        };
    }
    match name {
        "RLP_BLOCK_LIMIT_EXCEEDED" => &[R::Size],
        // Blocks: names of the execution specification, then those of older fillers.
        "TOO_MANY_UNCLES"
        | "UNCLE_IN_CHAIN"
        | "UNCLE_IS_ANCESTOR"
        | "UNCLE_IS_BROTHER"
        | "UNCLE_PARENT_INCORRECT"
        | "UNCLE_UNKNOWN_PARENT"
        | "TooManyUncles"
        | "UncleInChain"
        | "UncleIsAncestor"
        | "UncleIsBrother"
        | "UncleParentIsNotAncestor"
        | "InvalidUncleParentHash" => &[R::Ommers],
        "IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS" => &[R::Ommers, R::OmmersHash],
        "INVALID_UNCLES_HASH" | "InvalidUnclesHash" => &[R::OmmersHash],
        "EXTRA_DATA_TOO_BIG"
        | "EXTRA_DATA_INVALID_DAO"
        | "ExtraDataTooBig"
        | "ExtraDataIncorrectDAO" => &[R::ExtraData],
        "UNKNOWN_PARENT" | "UNKNOWN_PARENT_ZERO" | "UnknownParent" | "UnknownParent2" => {
            &[R::UnknownParent]
        }
        // A limit that is too low may be below the gas used, too.
        "GASLIMIT_TOO_BIG"
        | "INVALID_GASLIMIT"
        | "InvalidGasLimit"
        | "InvalidGasLimit2"
        | "InvalidGasLimit3"
        | "InvalidGasLimit4"
        | "InvalidGasLimit5"
        | "1559BlockImportImpossible_InitialGasLimitInvalid" => &[R::GasLimit, R::GasUsed],
        // A parent is looked up by hash and number: with another number there is none.
        "INVALID_BLOCK_NUMBER" | "InvalidNumber" => &[R::Number, R::UnknownParent],
        "INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT"
        | "InvalidTimestamp"
        | "InvalidTimestampOlderParent"
        | "InvalidTimestampEqualParent" => &[R::Timestamp],
        "INVALID_DIFFICULTY" | "InvalidDifficulty" | "InvalidDifficulty2" => &[R::Difficulty],
        "InvalidDifficulty_TooLarge" => &[R::Difficulty, R::Malformed],
        "IMPORT_IMPOSSIBLE_DIFFICULTY_OVER_PARIS"
        | "IMPORT_IMPOSSIBLE_PARIS_WRONG_POW"
        | "IMPORT_IMPOSSIBLE_PARIS_WRONG_POS"
        | "IMPORT_IMPOSSIBLE_LONDON_OVER_PARIS" => &[R::Difficulty, R::Seal],
        "INVALID_LOG_BLOOM" | "InvalidLogBloom" => &[R::LogsBloom],
        "INVALID_STATE_ROOT" | "InvalidStateRoot" => &[R::StateRoot],
        "INVALID_RECEIPTS_ROOT" | "InvalidReceiptsStateRoot" => &[R::ReceiptsRoot],
        "INVALID_TRANSACTIONS_ROOT" | "InvalidTransactionsRoot" => &[R::TransactionsRoot],
        "INVALID_WITHDRAWALS_ROOT" => &[R::WithdrawalsRoot],
        "GAS_USED_OVERFLOW" | "TooMuchGasUsed" => &[R::GasUsed, R::Transaction(T::BlockGas)],
        "INVALID_GAS_USED" | "INVALID_GAS_USED_ABOVE_LIMIT" | "InvalidGasUsed" => &[R::GasUsed],
        "INVALID_BASEFEE_PER_GAS" | "1559BlockImportImpossible_BaseFeeWrong" => &[R::BaseFee],
        "IMPORT_IMPOSSIBLE_LEGACY"
        | "IMPORT_IMPOSSIBLE_LEGACY_WRONG_PARENT"
        | "IMPORT_IMPOSSIBLE_LONDON_WRONG_PARENT"
        | "IMPORT_IMPOSSIBLE_PARIS_OVER_SHANGHAI"
        | "IMPORT_IMPOSSIBLE_SHANGHAI"
        | "INCORRECT_BLOCK_FORMAT"
        | "1559BlockImportImpossible_HeaderIsLegacy"
        | "LegacyBlockImportImpossible"
        | "LegacyBlockImportImpossible2" => &[R::ForkFields, R::BaseFee, R::Malformed],
        "INCORRECT_EXCESS_BLOB_GAS" => &[R::ExcessBlobGas],
        "INCORRECT_BLOB_GAS_USED" | "BLOB_GAS_USED_ABOVE_LIMIT" => &[R::BlobGasUsed],
        "INVALID_REQUESTS" | "INVALID_DEPOSIT_EVENT_LAYOUT" => &[R::Requests],
        "SYSTEM_CONTRACT_EMPTY" | "SYSTEM_CONTRACT_CALL_FAILED" => &[R::SystemContract],
        // Transactions.
        "TYPE_NOT_SUPPORTED"
        | "TYPE_1_TX_PRE_FORK"
        | "TYPE_2_TX_PRE_FORK"
        | "TYPE_3_TX_PRE_FORK"
        | "TYPE_3_TX_ZERO_BLOBS_PRE_FORK"
        | "TYPE_4_TX_PRE_FORK" => &[R::Transaction(T::Type), R::Malformed],
        "INVALID_CHAINID" => &[
            R::Transaction(T::ChainId),
            R::Transaction(T::Signature),
            R::Malformed,
        ],
        "INVALID_SIGNATURE_VRS" | "EC_RECOVERY_FAIL" | "InvalidTransactionVRS" => &[
            R::Transaction(T::Signature),
            R::Transaction(T::ChainId),
            R::Malformed,
        ],
        "SENDER_NOT_EOA" => &[R::Transaction(T::SenderNotEoa)],
        "NONCE_MISMATCH_TOO_HIGH" | "NONCE_MISMATCH_TOO_LOW" | "NONCE_IS_MAX" => {
            &[R::Transaction(T::Nonce)]
        }
        "NONCE_TOO_BIG" | "NONCE_OVERFLOW" => &[R::Transaction(T::Nonce), R::Malformed],
        "GASLIMIT_OVERFLOW" | "VALUE_OVERFLOW" | "GASPRICE_OVERFLOW" | "PRIORITY_OVERFLOW"
        | "ADDRESS_TOO_SHORT" | "ADDRESS_TOO_LONG" => &[R::Malformed],
        "GASLIMIT_PRICE_PRODUCT_OVERFLOW" | "INSUFFICIENT_ACCOUNT_FUNDS" => {
            &[R::Transaction(T::Funds)]
        }
        "INSUFFICIENT_MAX_FEE_PER_GAS" => &[R::Transaction(T::FeeTooLow)],
        "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS" | "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS_2" => {
            &[R::Transaction(T::TipAboveFee)]
        }
        "INSUFFICIENT_MAX_FEE_PER_BLOB_GAS" => &[R::Transaction(T::BlobFeeTooLow)],
        "INTRINSIC_GAS_TOO_LOW" | "INTRINSIC_GAS_BELOW_FLOOR_GAS_COST" | "IntrinsicGas" => {
            &[R::Transaction(T::IntrinsicGas)]
        }
        "GAS_ALLOWANCE_EXCEEDED" => &[R::Transaction(T::BlockGas)],
        "GAS_LIMIT_EXCEEDS_MAXIMUM" => &[R::Transaction(T::GasCap)],
        "INITCODE_SIZE_EXCEEDED" => &[R::Transaction(T::InitCode)],
        "TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH" | "TYPE_3_TX_ZERO_BLOBS" => {
            &[R::Transaction(T::Blobs)]
        }
        "TYPE_3_TX_BLOB_COUNT_EXCEEDED" | "TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED" => {
            &[R::Transaction(T::Blobs), R::BlobGasUsed]
        }
        "TYPE_3_TX_WITH_FULL_BLOBS" => &[R::Malformed],
        "TYPE_3_TX_CONTRACT_CREATION" | "TYPE_4_TX_CONTRACT_CREATION" => {
            &[R::Transaction(T::Creation), R::Malformed]
        }
        "TYPE_4_EMPTY_AUTHORIZATION_LIST" => &[R::Transaction(T::Authorizations)],
        "TYPE_4_INVALID_AUTHORITY_SIGNATURE"
        | "TYPE_4_INVALID_AUTHORITY_SIGNATURE_S_TOO_HIGH"
        | "TYPE_4_INVALID_AUTHORIZATION_FORMAT" => {
            &[R::Transaction(T::Authorizations), R::Malformed]
        }
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_than_ten_vectors_are_skipped() {
        assert!(SKIPPED_VECTORS.len() < 10);
        assert!(skip_reason("TrieTests/trietestnextprev.json").is_some());
        assert!(skip_reason("TrieTests/trietest.json").is_none());
    }

    #[test]
    fn exception_names_of_all_fillers_are_known() {
        assert_eq!(
            classes("BlockException.INVALID_STATE_ROOT"),
            [Refusal::StateRoot]
        );
        assert_eq!(classes("InvalidStateRoot"), [Refusal::StateRoot]);
        let either = classes(
            "TransactionException.SENDER_NOT_EOA|TransactionException.INSUFFICIENT_ACCOUNT_FUNDS",
        );
        assert_eq!(
            either,
            [TxRefusal::SenderNotEoa, TxRefusal::Funds].map(Refusal::Transaction)
        );
        assert_eq!(
            classes("BlockException.RLP_BLOCK_LIMIT_EXCEEDED"),
            [Refusal::Size]
        );
        assert_eq!(
            classes("RLP_InputContainsMoreThanOneValue"),
            [Refusal::Malformed]
        );
        assert!(classes("NoSuchException").is_empty());
    }
}
