//! Messages to SealerActor, which seals blocks that others built.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use actix::Message;
use actoreum_consensus::{ConsensusError, ethash::Solution};
use actoreum_primitives::{B256, Block, U256};

/// Seal a block. The answer comes when it may be published: with clique, when its time has come.
///
/// From: WorkerActor. In the place of geth's `worker.taskCh`, `resultCh` and the `stop` channel of
/// `Engine.Seal`.
#[derive(Debug, Message)]
#[rtype(result = "Result<Block, SealRefused>")]
pub struct Seal {
    /// The block, executed, without its seal.
    pub block: Block,
    /// Whether somebody asked for a block even though it is empty.
    pub even_if_empty: bool,
    /// Set once nobody wants the block any more: then it is not signed.
    pub is_outdated: Arc<AtomicBool>,
}

/// Why a block was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealRefused {
    /// The engine says no, or not now.
    #[error(transparent)]
    Engine(#[from] ConsensusError),
    /// A block of this height, or of a higher one, was signed here before: there must not be a
    /// second one. Here it is, to be imported in case it was not.
    #[error("block {} was signed here before", .0.header.number)]
    SignedBefore(Box<Block>),
    /// The key has signed a block of this height or of a higher one, which this database does not
    /// have: it was removed, is an older one, or another data directory's.
    #[error(
        "this key has signed up to block {highest} of this chain: the others go first. Where nobody \
         has those blocks any more, stop the node and remove {}", named(.files)
    )]
    OnRecord {
        /// The highest block that was signed.
        highest: u64,
        /// The files of the record that says so.
        files: Vec<PathBuf>,
    },
    /// The record of what the key has signed can't be used; where another process holds it, that
    /// one seals.
    #[error("{0}")]
    Record(String),
    /// Another head came before it was signed, sealing pauses, or nobody wants it any more.
    #[error("another block took its place")]
    Outdated,
    /// Another block of this height is being signed.
    #[error("another block of this height is being signed")]
    Busy,
    /// The signer's key could not be used.
    #[error("signer: {0}")]
    Signer(String),
    /// What was signed could not be remembered on disk, so it is not given away.
    #[error("signed block could not be remembered: {0}")]
    Store(String),
}

fn named(files: &[PathBuf]) -> String {
    let names: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    names.join(" and ")
}

/// The last block that was signed here. It may never have been imported: whoever begins to build
/// asks for it first.
///
/// From: WorkerActor, when it starts.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Option<Box<Block>>")]
pub struct GetLastSigned;

/// The signed block with this hash can never become part of any chain: another may take its
/// place.
///
/// From: WorkerActor, where the import refused the block for ever.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Withdraw {
    /// Hash of the block.
    pub hash: B256,
}

/// The operator took a chain of one signer back to an earlier block: heights above it may be signed
/// again, save those that were signed while there were several signers.
///
/// From: WorkerActor, on a development chain; `debug_setHead`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Rewound {
    /// Number of the head now.
    pub to: u64,
    /// Number of the head before. What was signed above it, on a branch that an earlier step took
    /// away, stays signed.
    pub from: u64,
}

/// Search no longer, until another block is to be sealed; let go of the signer's record, which
/// another process may take then.
///
/// From: WorkerActor and MinerActor, where sealing was ended. In the place of geth's
/// `SetThreads(-1)`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct EndSearch;

/// Search with so many threads as are wanted now.
///
/// From: MinerActor. In the place of geth's `Ethash.SetThreads` and its `update` channel.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct ThreadsChanged;

/// What is searched for now; `None` where nothing is.
///
/// From: `eth_getWork`. In the place of geth's `fetchWorkCh`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Option<Work>")]
pub struct GetWork;

/// What a remote miner needs to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Keccak-256 of the header without its seal.
    pub seal_hash: B256,
    /// The epoch's seed.
    pub seed_hash: B256,
    /// The greatest result that is good enough, big-endian.
    pub target: U256,
    /// The block's number.
    pub number: u64,
}

impl Work {
    /// The four strings that miners read: seal hash, seed hash, target, number.
    pub fn strings(&self) -> [String; 4] {
        [
            self.seal_hash.to_string(),
            self.seed_hash.to_string(),
            B256::from(self.target.to_be_bytes()).to_string(),
            format!("{:#x}", self.number),
        ]
    }

    /// [`Self::strings`] as a JSON array.
    pub fn json(&self) -> String {
        let [seal, seed, target, number] = self.strings();
        format!(r#"["{seal}","{seed}","{target}","{number}"]"#)
    }
}

/// A remote miner found a seal. Answers whether it is good and of use.
///
/// From: `eth_submitWork`. In the place of geth's `submitWorkCh`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "bool")]
pub struct SubmitWork {
    /// Which work it is for.
    pub seal_hash: B256,
    /// What was found.
    pub solution: Solution,
}

/// A remote miner says how fast it is.
///
/// From: `eth_submitHashrate`. In the place of geth's `submitRateCh`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct SubmitHashrate {
    /// Who says so.
    pub miner: B256,
    /// Hashes a second.
    pub rate: u64,
}
