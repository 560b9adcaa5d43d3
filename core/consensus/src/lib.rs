//! Who may seal a block, and how a header must look.
//!
//! ```text
//!                  ┌──────────────── Engine ────────────────┐
//!    header, ────> │ Ethash    Clique    Merge (over either)│ ──> sound, or ConsensusError:
//!    parent        └───┬─────────┬──────────┬───────────────┘     class, disposition
//!                      │         │          │
//!      HeaderChain <───┴─────────┴──────────┴──> rules: gas limit, base fee, blob gas,
//!      (ancestors, a BatchChain                  fork fields, difficulty, ommers, rewards
//!       over them in bulk)
//! ```
//!
//! Forks are chosen by the config, sealing by the engine, and the two are independent: a
//! clique or ethash chain may run every fork up to Osaka (`docs/self-sealing-forks.md`).
//!
//! ```
//! use actoreum_consensus::{Engine, EthashOptions, engine_for};
//! use actoreum_primitives::{ChainConfig, Header, U256};
//!
//! let config = ChainConfig { chain_id: 7, homestead_block: Some(0), ..ChainConfig::default() };
//! let engine = engine_for(&config, EthashOptions::default(), None);
//! let miner = engine.rewards(&config, &Header { number: 1, ..Header::default() }, &[]);
//! assert_eq!(miner[0].1, U256::from(5_000_000_000_000_000_000_u64));
//! ```

mod chain;
pub mod clique;
mod engine;
mod error;
pub mod ethash;
pub mod limits;
mod merge;
pub mod rules;

use std::sync::Arc;

use actoreum_primitives::{ChainConfig, config::EngineConfig};

pub use chain::{BatchChain, HeaderChain};
pub use clique::{Clique, CliqueError, SnapshotStore};
pub use engine::Engine;
pub use error::{BatchError, ConsensusError, Disposition, ErrorClass};
pub use ethash::{Ethash, EthashOptions, SealCheck};
pub use merge::Merge;

/// The engine that a config asks for: ethash or clique, under [`Merge`] where the config
/// names a terminal total difficulty. Clique keeps its snapshots in `snapshots`, in memory
/// only where there is none.
///
/// To keep the concrete engine (for proposals, for mining), build it with
/// [`Ethash::new`] or [`Clique::new`] and pass a clone to [`Merge::new`].
pub fn engine_for(
    config: &ChainConfig,
    ethash: EthashOptions,
    snapshots: Option<Arc<dyn SnapshotStore>>,
) -> Arc<dyn Engine> {
    let engine: Arc<dyn Engine> = match config.engine() {
        EngineConfig::Ethash => Arc::new(Ethash::new(ethash, SealCheck::Full)),
        EngineConfig::Clique(clique) => Arc::new(Clique::new(clique, snapshots)),
    };
    match config.terminal_total_difficulty {
        Some(_) => Arc::new(Merge::new(engine)),
        None => engine,
    }
}

#[cfg(test)]
mod tests;
