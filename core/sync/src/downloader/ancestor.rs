//! Search for the common ancestor: the newest block that the master and the local chain share.

use actoreum_primitives::B256;

use super::limits::{ANCESTOR_SPAN, MAX_FORK_ANCESTRY};
use super::{HeaderQuery, SyncError};
use crate::HashedHeader;

/// State of the search. Recent headers come first, since most chains diverge there; then a binary
/// search goes below them.
#[derive(Debug)]
pub(super) struct AncestorSearch {
    /// The newest block that can be the ancestor without having been requested.
    low: u64,
    /// Blocks from this number on are not common.
    high: u64,
    /// The newest common block found so far.
    found: Option<(u64, B256)>,
    is_probing: bool,
}

/// Next step of the search.
#[derive(Debug)]
pub(super) enum Step {
    Ask(HeaderQuery),
    /// Number and hash of the newest common block.
    Found(u64, B256),
    Failed(SyncError),
}

impl AncestorSearch {
    /// Starts a search from the heights of both chains.
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

    /// Takes the answer to the last request. `has` returns true if a header's block is stored
    /// locally; `genesis` is the local genesis hash.
    pub fn on_headers(
        &mut self,
        headers: &[HashedHeader],
        has: &dyn Fn(&HashedHeader) -> bool,
        genesis: Option<B256>,
    ) -> Step {
        if self.is_probing {
            self.on_probe(headers, has, genesis)
        } else {
            self.on_recent(headers, has, genesis)
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
        if has(header) {
            self.low = number;
            self.found = Some((number, header.hash));
        } else {
            self.high = number;
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
            // The status handshake has checked that both chains have the same genesis block.
            (None, 0, Some(genesis)) => Step::Found(0, genesis),
            _ => Step::Failed(SyncError::InvalidAncestor),
        }
    }
}
