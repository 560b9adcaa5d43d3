//! The suites, one module each: each parses its kind of vector, runs it and compares.

pub mod basic;
pub mod blockchain;
pub mod difficulty;
pub mod genesis;
pub mod keystore;
pub mod proof_of_work;
pub mod rlp;
pub mod state;
pub mod transaction;
pub mod trie;
pub mod vm;
