//! Header fetch: a skeleton of anchors from the master, and the gaps between them from all peers.
//!
//! ```text
//!   last queued      anchor 0         anchor 1         anchor 2     ... target
//!       |---- fill 0 ----|---- fill 1 ----|---- fill 2 ----|  plain  |
//!        192 headers, from any peer         ... or from the master
//! ```
//!
//! Only the master vouches for the anchors, and an anchor determines the last header of the gap
//! before it: a peer that fills a gap with anything else is detected at once, and the master is
//! detected when its own anchors do not link up.

use actoreum_primitives::B256;

use super::limits::{HEADERS_PER_REQUEST, REORG_THRESHOLD, SKELETON_ANCHORS};
use super::{HeaderQuery, SyncError};
use crate::HashedHeader;

/// Progress of the header fetch.
#[derive(Debug)]
pub(super) struct HeaderFetch {
    /// Number and hash of the newest header that was accepted.
    last: (u64, B256),
    /// Number and hash of the last header to fetch.
    target: (u64, B256),
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The next request goes to the master, or is pending.
    Master { is_asked: bool },
    /// Gaps are being filled, in ascending order.
    Fill(Vec<Gap>),
}

#[derive(Debug)]
struct Gap {
    first: u64,
    anchor: B256,
    state: GapState,
}

#[derive(Debug)]
enum GapState {
    Open,
    Asked,
    Filled(Vec<HashedHeader>),
}

/// Reason why headers were not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// No honest peer sends this answer.
    Invalid(SyncError),
    /// The master's chain changed since its last answer.
    Moved,
    /// The peer is on another chain than the one that is fetched, or has a lower head.
    OtherChain,
}

impl HeaderFetch {
    /// Creates the fetch of the headers above the block `ancestor`, up to `target`.
    pub fn new(ancestor: (u64, B256), target: (u64, B256)) -> Self {
        Self {
            last: ancestor,
            target,
            stage: Stage::Master { is_asked: false },
        }
    }

    /// Returns true if all headers were accepted.
    pub fn is_done(&self) -> bool {
        self.last.0 >= self.target.0
    }

    /// Returns the next request to the master, if it is the master's turn.
    pub fn ask_master(&mut self) -> Option<HeaderQuery> {
        if self.is_done() || !matches!(self.stage, Stage::Master { is_asked: false }) {
            return None;
        }
        self.stage = Stage::Master { is_asked: true };
        Some(self.master_query())
    }

    fn master_query(&self) -> HeaderQuery {
        let missing = self.target.0 - self.last.0;
        let anchors = (missing / HEADERS_PER_REQUEST).min(SKELETON_ANCHORS);
        if anchors < 2 {
            return HeaderQuery::up(self.last.0 + 1, missing.min(HEADERS_PER_REQUEST));
        }
        HeaderQuery {
            first: self.last.0 + HEADERS_PER_REQUEST,
            amount: anchors,
            skip: HEADERS_PER_REQUEST - 1,
            reverse: false,
        }
    }

    /// Notes that the master did not answer: it is asked again.
    pub fn master_unanswered(&mut self) {
        if let Stage::Master { is_asked } = &mut self.stage {
            *is_asked = false;
        }
    }

    /// Takes the master's answer. Returns the accepted headers: none if they are anchors.
    pub fn on_master(
        &mut self,
        headers: Vec<HashedHeader>,
    ) -> Result<Vec<HashedHeader>, HeaderFault> {
        let query = self.master_query();
        if headers.is_empty() {
            return Err(HeaderFault::Invalid(SyncError::EmptyHeaderSet));
        }
        let is_asked = (0..query.amount)
            .zip(&headers)
            .all(|(index, header)| header.header.number == query.first + index * (query.skip + 1));
        if !is_asked || headers.len() as u64 > query.amount {
            return Err(HeaderFault::Invalid(SyncError::BadPeer(
                "headers not asked for",
            )));
        }
        if query.skip > 0 {
            self.check_target(&headers)?;
            let gaps = headers.iter().map(|anchor| Gap {
                first: anchor.header.number + 1 - HEADERS_PER_REQUEST,
                anchor: anchor.hash,
                state: GapState::Open,
            });
            self.stage = Stage::Fill(gaps.collect());
            return Ok(Vec::new());
        }
        self.stage = Stage::Master { is_asked: false };
        if !is_chain(&headers) {
            return Err(HeaderFault::Invalid(SyncError::InvalidChain(
                "headers do not follow each other",
            )));
        }
        self.accept_headers(headers)
    }

    /// Accepts linked headers as the next ones.
    fn accept_headers(
        &mut self,
        headers: Vec<HashedHeader>,
    ) -> Result<Vec<HashedHeader>, HeaderFault> {
        let follows = headers
            .first()
            .is_none_or(|first| first.header.parent_hash == self.last.1);
        if !follows {
            return Err(self.does_not_fit());
        }
        self.check_target(&headers)?;
        if let Some(last) = headers.last() {
            self.last = (last.header.number, last.hash);
        }
        Ok(headers)
    }

    fn check_target(&self, headers: &[HashedHeader]) -> Result<(), HeaderFault> {
        let target = headers
            .iter()
            .find(|header| header.header.number == self.target.0);
        match target {
            Some(header) if header.hash != self.target.1 => Err(self.does_not_fit()),
            _ => Ok(()),
        }
    }

    /// Returns the reason for headers that do not fit: near its head a peer's chain may change
    /// between two answers, further down it may not.
    fn does_not_fit(&self) -> HeaderFault {
        if self.target.0 - self.last.0 <= REORG_THRESHOLD + HEADERS_PER_REQUEST {
            HeaderFault::Moved
        } else {
            HeaderFault::Invalid(SyncError::InvalidChain(
                "headers do not follow those before",
            ))
        }
    }

    /// Returns the first numbers of the gaps for which no request is pending.
    pub fn open_gaps(&self) -> impl Iterator<Item = u64> {
        let gaps = match &self.stage {
            Stage::Fill(gaps) => gaps.as_slice(),
            Stage::Master { .. } => &[],
        };
        gaps.iter()
            .filter(|gap| matches!(gap.state, GapState::Open))
            .map(|gap| gap.first)
    }

    /// Marks a gap as requested. Returns the request.
    pub fn ask_gap(&mut self, first: u64) -> HeaderQuery {
        if let Some(gap) = self.gap_mut(first) {
            gap.state = GapState::Asked;
        }
        HeaderQuery::up(first, HEADERS_PER_REQUEST)
    }

    /// Marks a gap as open again if its request was pending.
    pub fn gap_unanswered(&mut self, first: u64) {
        if let Some(gap) = self.gap_mut(first)
            && matches!(gap.state, GapState::Asked)
        {
            gap.state = GapState::Open;
        }
    }

    fn gap_mut(&mut self, first: u64) -> Option<&mut Gap> {
        match &mut self.stage {
            Stage::Fill(gaps) => gaps.iter_mut().find(|gap| gap.first == first),
            Stage::Master { .. } => None,
        }
    }

    /// Takes a peer's answer for a gap. An error leaves the gap open.
    pub fn on_fill(&mut self, first: u64, headers: Vec<HashedHeader>) -> Result<(), HeaderFault> {
        self.gap_unanswered(first);
        let Some(gap) = self.gap_mut(first) else {
            return Ok(());
        };
        let Some(begin) = headers.first() else {
            return Err(HeaderFault::OtherChain);
        };
        if begin.header.number != first || headers.len() as u64 > HEADERS_PER_REQUEST {
            return Err(HeaderFault::Invalid(SyncError::BadPeer(
                "headers not asked for",
            )));
        }
        if !is_chain(&headers) {
            return Err(HeaderFault::Invalid(SyncError::InvalidChain(
                "headers do not follow each other",
            )));
        }
        let is_complete = headers.len() as u64 == HEADERS_PER_REQUEST;
        if !is_complete || headers.last().map(|last| last.hash) != Some(gap.anchor) {
            return Err(HeaderFault::OtherChain);
        }
        gap.state = GapState::Filled(headers);
        Ok(())
    }

    /// Returns the headers of the first gaps, as far as they are filled. An error is the master's:
    /// its anchors are of several chains.
    pub fn take_filled(&mut self) -> Result<Vec<HashedHeader>, HeaderFault> {
        let Stage::Fill(gaps) = &mut self.stage else {
            return Ok(Vec::new());
        };
        let is_filled = |gap: &Gap| matches!(gap.state, GapState::Filled(_));
        let count = gaps.iter().take_while(|gap| is_filled(gap)).count();
        let filled: Vec<Gap> = gaps.drain(..count).collect();
        if gaps.is_empty() {
            self.stage = Stage::Master { is_asked: false };
        }
        let mut all = Vec::new();
        for gap in filled {
            if let GapState::Filled(headers) = gap.state {
                all.extend(self.accept_headers(headers)?);
            }
        }
        Ok(all)
    }

    /// Returns the number of bytes of the headers that gaps hold.
    pub fn held_bytes(&self) -> usize {
        let Stage::Fill(gaps) = &self.stage else {
            return 0;
        };
        let held = gaps.iter().map(|gap| match &gap.state {
            GapState::Filled(headers) => headers.iter().map(HashedHeader::memory).sum(),
            GapState::Open | GapState::Asked => 0,
        });
        held.sum()
    }
}

fn is_chain(headers: &[HashedHeader]) -> bool {
    headers.windows(2).all(|pair| pair[1].follows(&pair[0]))
}
