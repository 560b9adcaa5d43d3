//! The transaction pool's rules as a plain state machine, and its journal.
//!
//! ```text
//!   any thread      PoolTx::prepare: size, signature, blobs
//!                        |
//!   one owner            v
//!                   Pool::add(state) ---> Changes: newly executable (announce), local (journal)
//!   head moved ---> Pool::reset(state)
//!   every minute --> Pool::evict_expired
//!                        |
//!                        v
//!                   Pool::snapshot --> PoolReader --> any number of readers, no lock
//!                                          `--> best(base fee): the sealer's order
//! ```
//!
//! The pool has no clock, no threads and no chain state of its own: its owner passes them in. Only
//! [`Journal`] accesses files.
//!
//! # Invariants
//!
//! - An account's pending transactions have the nonces from the state's nonce on, without a gap.
//! - The maximum costs of an account's transactions together are within its balance.
//! - Slots, queue, an account's queue, a peer's share and memory stay within their limits.
//!   Local transactions are exempt from all limits but the last.
//! - A transaction that is not executable yet never evicts a pending one, and no transaction
//!   evicts one that offers at least the same price.
//!
//! ```
//! use std::sync::Arc;
//! use actoreum_primitives::*;
//! use actoreum_txpool::{Head, Origin, Pool, PoolConfig, PoolTx, Status};
//!
//! struct Rich;
//! impl StateReader for Rich {
//!     fn account(&self, _: &Address) -> Result<Option<AccountInfo>, StateError> {
//!         let balance = U256::from(ETHER);
//!         Ok(Some(AccountInfo { balance, ..AccountInfo::default() }))
//!     }
//!     fn storage(&self, _: &Address, _: &U256) -> Result<U256, StateError> {
//!         Ok(U256::ZERO)
//!     }
//!     fn code(&self, _: &B256) -> Result<Bytes, StateError> {
//!         Ok(Bytes::new())
//!     }
//! }
//!
//! let config = ChainConfig::active_from_genesis(1337, Fork::Byzantium);
//! let header = Header { gas_limit: 8_000_000, ..Header::default() };
//! let head = Head::new(&config, &header, header.hash(), 0);
//! let mut pool = Pool::new(PoolConfig::default(), head);
//!
//! let payload = LegacyTx {
//!     gas_price: U256::from(GWEI),
//!     gas_limit: 21_000,
//!     to: Some(Address::ZERO),
//!     ..LegacyTx::default()
//! };
//! let transaction = TxPayload::Legacy(payload).sign(&SecretKey::random());
//! let pooled = PooledTransaction { transaction, sidecar: None };
//! let tx = Arc::new(PoolTx::prepare(pooled, &pool.head().senders)?);
//!
//! assert_eq!(pool.add(Arc::clone(&tx), Origin::Local, &Rich, 0)?, Status::Pending);
//! assert_eq!(pool.snapshot().best(None).next(), Some(tx));
//! # Ok::<(), actoreum_txpool::AddError>(())
//! ```

mod account;
mod best;
mod blobs;
mod config;
mod error;
mod head;
mod intrinsic;
mod journal;
pub mod limits;
mod pool;
mod prices;
mod snapshot;
mod tally;
mod transaction;

pub use account::Origin;
pub use best::BestTransactions;
pub use blobs::prepare_blob_checks;
pub use config::PoolConfig;
pub use error::{AddError, PeerFault};
pub use head::Head;
pub use journal::{Journal, read_journal};
pub use pool::{Changes, Pool};
pub use snapshot::{PoolReader, Sender, Snapshot, Status};
pub use transaction::PoolTx;
