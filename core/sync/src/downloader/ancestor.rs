//! The search for the newest block that a peer and we have in common.

use actoreum_primitives::B256;

use super::limits::{ANCESTOR_SPAN, MAX_FORK_ANCESTRY};
use super::{HeaderQuery, SyncError};
use crate::HashedHeader;

/// First a look at recent headers, where the chains part in nearly all cases; then a binary
/// search below them.
#[derive(Debug)]
pub(super) struct AncestorSearch {
    /// The newest block that can still be the answer without being looked at.
    low: u64,
    /// Blocks from this one on are not common.
    high: u64,
    /// The newest common block that was seen.
    found: Option<(u64, B256)>,
    is_probing: bool,
}

/// What follows from an answer.
#[derive(Debug)]
pub(super) enum Step {
    Ask(HeaderQuery),
    /// The number and the hash of the newest common block.
    Found(u64, B256),
    Failed(SyncError),
}

impl AncestorSearch {
    /// Begins with the heights of both chains.
    pub fn begin(local: u64, remote: u64) -> (Self, HeaderQuery) {
        let top = local.min(remote);
        let search = Self {
            low: local.saturating_sub(MAX_FORK_ANCESTRY),
            high: top.saturating_add(1),
            found: None,
            is_probing: false,
        };
        (search, HeaderQuery::down(top, ANCESTOR_SPAN.min(top + 1)))
    }

    /// Takes the peer's answer to what was asked last. `has` tells what we have; `genesis` is ours.
    pub fn on_headers(
        &mut self,
        headers: &[HashedHeader],
        has: &dyn Fn(&HashedHeader) -> bool,
        genesis: Option<B256>,
    ) -> Step {
        match self.is_probing {
            false => self.on_recent(headers, has, genesis),
            true => self.on_probe(headers, has, genesis),
        }
    }

    fn on_recent(
        &mut self,
        headers: &[HashedHeader],
        has: &dyn Fn(&HashedHeader) -> bool,
        genesis: Option<B256>,
    ) -> Step {
        let Some(first) = headers.first() else {
            return Step::Failed(SyncError::EmptyHeaderSet);
        };
        let is_run = headers.windows(2).all(|pair| pair[0].follows(&pair[1]));
        if first.header.number.checked_add(1) != Some(self.high) || !is_run {
            return Step::Failed(SyncError::InvalidChain("recent headers are no chain"));
        }
        for header in headers {
            if has(header) {
                return Step::Found(header.header.number, header.hash);
            }
            self.high = header.header.number;
        }
        self.next(genesis)
    }

    fn on_probe(
        &mut self,
        headers: &[HashedHeader],
        has: &dyn Fn(&HashedHeader) -> bool,
        genesis: Option<B256>,
    ) -> Step {
        let [header] = headers else {
            return Step::Failed(SyncError::BadPeer("not the one header that was asked for"));
        };
        let number = header.header.number;
        if number != self.middle() {
            return Step::Failed(SyncError::BadPeer("another header than asked for"));
        }
        match has(header) {
            true => {
                self.low = number;
                self.found = Some((number, header.hash));
            }
            false => self.high = number,
        }
        self.next(genesis)
    }

    fn middle(&self) -> u64 {
        self.low + (self.high - self.low) / 2
    }

    fn next(&mut self, genesis: Option<B256>) -> Step {
        if self.low + 1 < self.high {
            self.is_probing = true;
            return Step::Ask(HeaderQuery::down(self.middle(), 1));
        }
        match (self.found, self.low, genesis) {
            (Some((number, hash)), ..) => Step::Found(number, hash),
            // Both statuses named the same genesis block.
            (None, 0, Some(genesis)) => Step::Found(0, genesis),
            _ => Step::Failed(SyncError::InvalidAncestor),
        }
    }
}
