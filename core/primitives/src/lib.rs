//! The data types of Ethereum, their encodings, and the chain config.
//!
//! This crate is the lowest floor: every other crate depends on it, and it depends on none of them.
//! It has no tries, no database, no EVM and no network.
//!
//! ```text
//!   genesis.json --> Genesis --------> Header, Block      StateDiff (what genesis allots)
//!                      |                  ^    |              ^
//!                 ChainConfig             |    v              |  StateReader, BlockHashes:
//!                 fork_at(n, t)        rlp::{Encode, Decode}  |  the seam between the crates
//!                 ForkId, ForkFilter      ^                   |  that execute, keep and order
//!                      |                  |                   |
//!                 SenderRules <---- Transaction, Receipt, Log, Withdrawal, Account
//!                      |
//!                   crypto: keccak256, SecretKey, PublicKey, Signature
//! ```
//!
//! [`rlp`] adapts fastrlp to these types. The decoders accept canonical encodings only, so that a
//! decoded value encodes to the same bytes. [`crypto`] wraps Keccak-256 and secp256k1; no other
//! crate calls those libraries. [`config`] tells which [`Fork`] is active in a block, and
//! [`genesis`] reads the first block and its state. [`state`] has the types that the crates above
//! pass to each other.
//!
//! ```
//! use actoreum_primitives::{
//!     Address, ChainConfig, LegacyTx, SecretKey, SenderRules, Transaction, TxPayload, U256,
//! };
//!
//! let key = SecretKey::random();
//! let payload = LegacyTx {
//!     chain_id: Some(1),
//!     gas_price: U256::from(1_000_000_000),
//!     gas_limit: 21_000,
//!     to: Some(Address::repeat_byte(0x11)),
//!     value: U256::from(1),
//!     ..LegacyTx::default()
//! };
//! let sent = TxPayload::Legacy(payload).sign(&key).encode_2718();
//!
//! let received = Transaction::decode_2718(&sent)?;
//! let rules = SenderRules::at(&ChainConfig::mainnet(), 20_000_000, 1_720_000_000);
//! assert_eq!(rules.sender(&received)?, key.address());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account;
mod block;
pub mod config;
mod constants;
pub mod crypto;
pub mod genesis;
mod header;
pub mod limits;
mod log;
mod peer_id;
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
pub use genesis::{
    DevChain, DevConsensus, Genesis, GenesisAccount, GenesisError, GenesisFile,
    MAINNET_GENESIS_HASH, PrivateChain, PrivateSealing,
};
pub use header::Header;
pub use log::{Log, logs_bloom};
pub use peer_id::PeerId;
pub use receipt::{Receipt, ReceiptOutcome, receipt_trie_items};
pub use state::{
    AccountChange, AccountInfo, BlockHashes, SlotChange, StateAfter, StateDiff, StateError,
    StateReader,
};
pub use transaction::{
    AccessListItem, AccessListTx, Authorization, BlobSidecar, BlobTx, DynamicFeeTx, LegacyTx,
    PooledTransaction, SenderError, SenderRules, SetCodeTx, SidecarProofs, Transaction, TxPayload,
    TxType, contract_address, recover_senders,
};
pub use withdrawal::Withdrawal;
