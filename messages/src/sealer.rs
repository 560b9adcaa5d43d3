//! Messages to SealerActor, which seals blocks that others built.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use actoreum_consensus::{ConsensusError, ethash::Solution};
use actoreum_primitives::{B256, Block, U256};
use actoreum_supervision::Message;

/// Seals a block. The answer comes when the block may be published: with clique, when its time has
/// come.
///
/// From: WorkerActor. Replaces geth's `worker.taskCh`, `resultCh` and the `stop` channel of
/// `Engine.Seal`.
#[derive(Debug, Message)]
#[answer(Result<Block, SealRefused>)]
pub struct Seal {
    /// The executed block, without its seal.
    pub block: Block,
    /// True if the block was requested, and is to be sealed even if it is empty.
    pub even_if_empty: bool,
    /// Set once the block is superseded; then it is not signed.
    pub is_outdated: Arc<AtomicBool>,
}

/// Reason why a block was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealRefused {
    /// The consensus engine refuses, for now or for good.
    #[error(transparent)]
    Engine(#[from] ConsensusError),
    /// A block of this height or of a higher one was signed here before: a second one would be a
    /// double sign. The signed block is attached, to be imported in case it was not.
    #[error("block {} was signed here before", .0.header.number)]
    SignedBefore(Box<Block>),
    /// The key has signed a block of this height or of a higher one that this database does not
    /// have: it was removed, or the database is older or in another data directory.
    #[error(
        "this key has signed up to block {highest} of this chain: the others go first. Where nobody \
         has those blocks any more, stop the node and remove {}", join_paths(.files)
    )]
    SignedElsewhere {
        /// Number of the highest block that was signed.
        highest: u64,
        /// Files of the signing record.
        files: Vec<PathBuf>,
    },
    /// The record of signed blocks cannot be used; if another process holds it, that process seals.
    #[error("{0}")]
    Record(String),
    /// The head changed before the block was signed, sealing is paused, or the block is not wanted
    /// any more.
    #[error("another block took its place")]
    Outdated,
    /// Another block of this height is being signed.
    #[error("another block of this height is being signed")]
    Busy,
    /// The signer's key could not be used.
    #[error("signer: {0}")]
    Signer(String),
    /// The signed block could not be stored on disk, so that it is not published.
    #[error("signed block could not be remembered: {0}")]
    Store(String),
}

fn join_paths(files: &[PathBuf]) -> String {
    let names: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    names.join(" and ")
}

/// Answers the last block that was signed here. It may never have been imported: WorkerActor
/// imports it before it builds another one.
///
/// From: WorkerActor, when it starts.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Option<Box<Block>>)]
pub struct GetLastSigned;

/// Discards a signed block that can never become part of any chain: another block of its height may
/// be signed.
///
/// From: WorkerActor, if the import refused the block for good.
#[derive(Debug, Clone, Copy, Message)]
pub struct DiscardSigned {
    /// Hash of the block.
    pub hash: B256,
}

/// Reports a rewind of a chain with one signer: heights above the new head may be signed again,
/// except those that were signed while there were several signers.
///
/// From: WorkerActor, on a development chain; `debug_setHead`.
#[derive(Debug, Clone, Copy, Message)]
pub struct ChainRewound {
    /// Number of the new head.
    pub to: u64,
    /// Number of the old head. Blocks above it, signed on a branch that an earlier rewind removed,
    /// stay signed.
    pub from: u64,
}

/// Stops sealing until another block is to be sealed, and releases the signing record, so that
/// another process may take it.
///
/// From: WorkerActor and MinerActor, when sealing was stopped. Replaces geth's `SetThreads(-1)`.
#[derive(Debug, Clone, Copy, Message)]
pub struct StopSealing;

/// Reports that the number of threads for the search changed.
///
/// From: MinerActor. Replaces geth's `Ethash.SetThreads` and its `update` channel.
#[derive(Debug, Clone, Copy, Message)]
pub struct ThreadsChanged;

/// Answers the current proof-of-work task; `None` if there is none.
///
/// From: `eth_getWork`. Replaces geth's `fetchWorkCh`.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Option<Work>)]
pub struct GetWork;

/// A proof-of-work task for a remote miner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Keccak-256 of the header without its seal.
    pub seal_hash: B256,
    /// Seed hash of the epoch.
    pub seed_hash: B256,
    /// The highest valid result, big-endian.
    pub target: U256,
    /// Number of the block.
    pub number: u64,
}

impl Work {
    /// Returns the four strings of `eth_getWork`: seal hash, seed hash, target, number.
    pub fn strings(&self) -> [String; 4] {
        [
            self.seal_hash.to_string(),
            self.seed_hash.to_string(),
            B256::from(self.target.to_be_bytes()).to_string(),
            format!("{:#x}", self.number),
        ]
    }

    /// Returns [`Self::strings`] as a JSON array.
    pub fn json(&self) -> String {
        let [seal, seed, target, number] = self.strings();
        format!(r#"["{seal}","{seed}","{target}","{number}"]"#)
    }
}

/// A solution of a remote miner. Answers true if it is valid and of use.
///
/// From: `eth_submitWork`. Replaces geth's `submitWorkCh`.
#[derive(Debug, Clone, Copy, Message)]
#[answer(bool)]
pub struct SubmitWork {
    /// Seal hash of the task.
    pub seal_hash: B256,
    /// The solution.
    pub solution: Solution,
}

/// Hash rate that a remote miner reports.
///
/// From: `eth_submitHashrate`. Replaces geth's `submitRateCh`.
#[derive(Debug, Clone, Copy, Message)]
pub struct SubmitHashrate {
    /// Id of the miner.
    pub miner: B256,
    /// Hashes per second.
    pub rate: u64,
}
