//! Tests of whole engines: published vectors, real chains, every fork on every engine.

mod batch;
pub(crate) mod chain;
mod clique_bench;
mod difficulty_vectors;
pub(crate) mod fixtures;
mod mainnet;
mod merge;
mod ommers;
mod self_sealing;
