//! The snap protocol, version 1: ranges of the state with proofs, codes, and trie nodes by path.
//!
//! The reference is devp2p's `caps/snap.md` before snap/2, and geth 1.13 where that page is silent.
//! A peer speaks snap only beside eth, which says what chain it is on.

mod account;
mod message;
mod request;
mod slots;

pub use account::RangeAccount;
pub use message::{SnapError, SnapMessage, SnapMessageId};
pub use request::{GetAccountRange, GetByteCodes, GetStorageRanges, GetTrieNodes, TriePathSet};
pub use slots::{RangeSlot, StorageRange};

use crate::p2p::{Capability, Protocol};

/// Name of the protocol's capability.
pub const SNAP: &str = "snap";

/// Version of the protocol.
pub const SNAP_VERSION: u64 = 1;

/// Returns the protocol as a capability to offer.
pub fn snap_protocol() -> Protocol {
    Protocol {
        capability: Capability::new(SNAP, SNAP_VERSION),
        length: SnapMessageId::ALL.len() as u64,
    }
}

#[cfg(test)]
mod tests;
