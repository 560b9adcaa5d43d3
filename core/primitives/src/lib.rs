//! Headers, blocks, transactions, receipts, RLP, Keccak, secp256k1, chain config and genesis.

mod account;
mod block;
pub mod config;
mod constants;
pub mod crypto;
pub mod genesis;
mod header;
pub mod limits;
mod log;
mod receipt;
pub mod rlp;
pub mod state;
#[cfg(test)]
mod strategies;
pub mod transaction;
mod withdrawal;

pub use account::Account;
pub use alloy_primitives::{self, Address, B64, B256, Bloom, Bytes, U256, address, b256};
pub use block::{Block, Body, transaction_trie_items, withdrawal_trie_items};
pub use config::{BlobParams, ChainConfig, CliqueConfig, EngineConfig, Fork};
pub use constants::*;
pub use crypto::{CryptoError, PublicKey, SecretKey, Signature, keccak256};
pub use genesis::{DevChain, Genesis, GenesisAccount, GenesisError, MAINNET_GENESIS_HASH};
pub use header::Header;
pub use log::{Log, logs_bloom};
pub use receipt::{Receipt, ReceiptOutcome, receipt_trie_items};
pub use state::{
    AccountChange, AccountInfo, BlockHashes, SlotChange, StateDiff, StateError, StateReader,
};
pub use transaction::{
    AccessListItem, AccessListTx, Authorization, BlobSidecar, BlobTx, DynamicFeeTx, LegacyTx,
    PooledTransaction, SenderError, SenderRules, SetCodeTx, SidecarProofs, Transaction, TxPayload,
    TxType, contract_address, recover_senders,
};
pub use withdrawal::Withdrawal;
