//! Clique: proof of authority by signatures and votes. (EIP-225.)
//!
//! ```text
//!   header ── extra data: vanity │ signers (at a checkpoint) │ signature ──> signer
//!     │                                                                        │
//!     └─ beneficiary, nonce: a vote ──> Snapshot of the parent <── may it sign?┘
//!                                        signers, recents, votes, tally
//! ```
//!
//! A snapshot is the state of the votes after a block. The newest are in memory, every 1,024th is
//! saved in a [`SnapshotStore`], any other is rebuilt from the headers between.

mod engine;
mod error;
mod extra;
mod seal;
mod sealing;
mod snapshot;
mod snapshots;

pub use engine::Clique;
pub use error::CliqueError;
pub use extra::{SEAL_BYTES, VANITY_BYTES, unsealed_extra};
pub use seal::{put_seal, recover_signer, seal_hash, seal_rlp};
pub use sealing::SealPlan;
pub use snapshot::{
    DIFFICULTY_IN_TURN, DIFFICULTY_OUT_OF_TURN, NONCE_AUTHORIZE, NONCE_DROP, Snapshot, Tally, Vote,
};
pub use snapshots::SnapshotStore;

#[cfg(test)]
mod tests;
