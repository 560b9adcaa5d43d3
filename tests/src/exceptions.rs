//! Why a block or a transaction is refused: the names that the vectors use, and the
//! classes of reasons that they stand for.

use std::fmt;

/// Vectors that are deliberately not held to, by file (or file and name), with the reason.
/// There are fewer than ten.
pub const NOT_HELD: &[(&str, &str)] = &[
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

/// The reason why the file at `path` is not held to, if it is one of [`NOT_HELD`].
pub fn not_held(path: &str) -> Option<&'static str> {
    NOT_HELD
        .iter()
        .find(|(file, _)| path.ends_with(file))
        .map(|(_, reason)| *reason)
}

/// A class of reasons for refusing a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The bytes are no block: bad RLP, a field of a wrong size, an item too many.
    Malformed,
    /// The parent is not known.
    UnknownParent,
    /// The number is not the parent's plus one.
    Number,
    /// The time is not after the parent's, or too far ahead.
    Timestamp,
    /// The gas limit leaves its bounds.
    GasLimit,
    /// The gas used is above the limit, or not what execution gives.
    GasUsed,
    /// The extra data is too long, or not what a fork demands.
    ExtraData,
    /// The difficulty is not what the rules give.
    Difficulty,
    /// The base fee is not what the rules give.
    BaseFee,
    /// Fields (or withdrawals) that the fork demands are missing, or stand too early.
    ForkFields,
    /// An ommer is not allowed.
    Ommers,
    /// The ommers are not those of the header.
    OmmersHash,
    /// The transactions are not those of the header.
    TransactionsRoot,
    /// The withdrawals are not those of the header.
    WithdrawalsRoot,
    /// The receipts are not those of the header.
    ReceiptsRoot,
    /// The logs are not those of the header.
    LogsBloom,
    /// The state is not the header's.
    StateRoot,
    /// The blob gas used is above the limit, or not what the transactions use.
    BlobGasUsed,
    /// The excess blob gas is not what the rules give.
    ExcessBlobGas,
    /// The requests are not the header's, or a deposit's log cannot be read.
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

/// A class of reasons for refusing a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TxRefusal {
    /// Its type is not known, or not yet switched on.
    Type,
    /// It is for another chain.
    ChainId,
    /// Its signature gives no sender.
    Signature,
    /// Its sender has code.
    SenderNotEoa,
    /// Its nonce is not the sender's, or the last one.
    Nonce,
    /// The sender cannot pay for it (or what it costs does not fit 256 bits).
    Funds,
    /// The fee that it offers is below the base fee.
    FeeTooLow,
    /// Its tip is above its fee.
    TipAboveFee,
    /// The blob fee that it offers is below the blob base fee.
    BlobFeeTooLow,
    /// Its gas limit is below what it costs before it runs.
    IntrinsicGas,
    /// Its gas limit is above what is left in the block.
    BlockGas,
    /// Its gas limit is above the cap of EIP-7825.
    GasCap,
    /// Its init code is too long.
    InitCode,
    /// It has no blobs, too many, or hashes of a wrong version.
    Blobs,
    /// It may not create a contract.
    Creation,
    /// Its list of authorizations is empty.
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

/// The classes that an exception's name stands for; several where implementations may
/// check in another order. Empty for a name that is not known. `A|B` gives those of both.
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
        // A limit that is too low can lie below the gas used, too.
        "GASLIMIT_TOO_BIG"
        | "INVALID_GASLIMIT"
        | "InvalidGasLimit"
        | "InvalidGasLimit2"
        | "InvalidGasLimit3"
        | "InvalidGasLimit4"
        | "InvalidGasLimit5"
        | "1559BlockImportImpossible_InitialGasLimitInvalid" => &[R::GasLimit, R::GasUsed],
        // A parent is looked up by its hash and number: with another number there is none.
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
    fn fewer_than_ten_are_not_held_to() {
        assert!(NOT_HELD.len() < 10);
        assert!(not_held("TrieTests/trietestnextprev.json").is_some());
        assert!(not_held("TrieTests/trietest.json").is_none());
    }

    #[test]
    fn names_of_several_generations() {
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
