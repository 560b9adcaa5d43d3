//! Consensus rules: verification of headers, seals and ommers, and preparation of blocks to seal.
//!
//! ```text
//!                  ┌──────────────── Engine ────────────────┐
//!    header, ────> │ Ethash    Clique    Merge (over either)│ ──> valid, or ConsensusError:
//!    parent        └───┬─────────┬──────────┬───────────────┘     class, disposition
//!                      │         │          │
//!      HeaderChain <───┴─────────┴──────────┴──> rules: gas limit, base fee, blob gas,
//!      (ancestors, a BatchChain                  fork fields, difficulty, ommers, rewards
//!       over them in bulk)
//! ```
//!
//! An [`Engine`] verifies headers and seals, one by one or as a [`BatchChain`] on all cores. It
//! reads ancestors through the [`HeaderChain`] trait, and shares the rules that do not depend on
//! the engine with the others. An error tells which rule was violated and what to do with the
//! block.
//!
//! Forks are chosen by the config, sealing by the engine, and the two are independent: a clique or
//! ethash chain may use every fork up to Osaka (`docs/self-sealing-forks.md`).
//!
//! ```
//! use actoreum_consensus::{EngineOptions, engine_for};
//! use actoreum_primitives::{ChainConfig, Header, U256};
//!
//! let config = ChainConfig { chain_id: 7, homestead_block: Some(0), ..ChainConfig::default() };
//! let engine = engine_for(&config, EngineOptions::default()).engine;
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

/// Options of the engine of a chain. The default is that of a chain that is only verified.
#[derive(Default)]
pub struct EngineOptions {
    /// Caches and datasets of ethash.
    pub ethash: EthashOptions,
    /// Verification of proofs of work.
    pub seals: SealCheck,
    /// Storage of clique's snapshots; without it they are kept in memory only.
    pub snapshots: Option<Arc<dyn SnapshotStore>>,
    /// Whether merged blocks are sealed here, without a beacon chain: on a development chain.
    pub seals_merged: bool,
}

/// The engine of a chain, and the concrete engine inside it: for proposals, for mining.
pub struct ChainEngine {
    /// The engine that verifies and prepares blocks.
    pub engine: Arc<dyn Engine>,
    /// The clique engine, on a clique chain.
    pub clique: Option<Arc<Clique>>,
    /// The ethash engine, on an ethash chain.
    pub ethash: Option<Ethash>,
}

/// Returns the engine that a config asks for: ethash or clique, wrapped in [`Merge`] if the config
/// has a terminal total difficulty.
pub fn engine_for(config: &ChainConfig, options: EngineOptions) -> ChainEngine {
    let (mut clique, mut ethash) = (None, None);
    let sealing: Arc<dyn Engine> = match config.engine() {
        EngineConfig::Clique(settings) => {
            let engine = Arc::new(Clique::new(settings, options.snapshots));
            clique = Some(Arc::clone(&engine));
            engine
        }
        EngineConfig::Ethash => {
            let engine = Ethash::new(options.ethash, options.seals);
            ethash = Some(engine.clone());
            Arc::new(engine)
        }
    };
    let engine: Arc<dyn Engine> = match config.terminal_total_difficulty {
        Some(_) if options.seals_merged => Arc::new(Merge::sealing(sealing)),
        Some(_) => Arc::new(Merge::new(sealing)),
        None => sealing,
    };
    ChainEngine {
        engine,
        clique,
        ethash,
    }
}

#[cfg(test)]
mod tests;
