//! Fetching headers: a skeleton of anchors from the peer that is followed, the gaps from all.
//!
//! ```text
//!   last queued      anchor 0         anchor 1         anchor 2     ... target
//!       |---- fill 0 ----|---- fill 1 ----|---- fill 2 ----|  plain  |
//!        192 headers, from any peer         ... or from the peer that is followed
//! ```
//!
//! Anchors are the word of one peer, and decide what a fill must end with: whoever fills a gap
//! with something else is found out at once, and the peer that is followed is found out when its
//! own anchors do not fit together.

use actoreum_primitives::B256;

use super::limits::{HEADERS_PER_REQUEST, MOVING_TOP, SKELETON_ANCHORS};
use super::{HeaderQuery, SyncError};
use crate::HashedHeader;

/// How far the headers are.
#[derive(Debug)]
pub(super) struct HeaderFetch {
    /// The newest header that was handed on.
    last: (u64, B256),
    /// The last header to fetch, and its hash.
    target: (u64, B256),
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The peer that is followed is to be asked, or is being asked.
    Master { is_asked: bool },
    /// Gaps are being filled, the first of them first.
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

/// What a wrong answer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// No honest peer answers so.
    Lie(SyncError),
    /// The peer that is followed has another chain than before.
    Moved,
    /// The peer is on another chain than the one that is fetched, or has not got so far.
    OtherChain,
}

impl HeaderFetch {
    /// Headers above the block `ancestor`, up to `target`.
    pub fn new(ancestor: (u64, B256), target: (u64, B256)) -> Self {
        Self {
            last: ancestor,
            target,
            stage: Stage::Master { is_asked: false },
        }
    }

    /// Whether all headers were handed on.
    pub fn is_done(&self) -> bool {
        self.last.0 >= self.target.0
    }

    /// What the peer that is followed is to be asked for next, if it is its turn.
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

    /// The peer that is followed has not answered: it is to be asked again.
    pub fn master_unanswered(&mut self) {
        if let Stage::Master { is_asked } = &mut self.stage {
            *is_asked = false;
        }
    }

    /// The answer of the peer that is followed: headers that can be handed on, or none where they
    /// were anchors.
    pub fn on_master(&mut self, headers: Vec<HashedHeader>) -> Result<Vec<HashedHeader>, Fault> {
        let query = self.master_query();
        if headers.is_empty() {
            return Err(Fault::Lie(SyncError::EmptyHeaderSet));
        }
        let is_asked = (0..query.amount)
            .zip(&headers)
            .all(|(index, header)| header.header.number == query.first + index * (query.skip + 1));
        if !is_asked || headers.len() as u64 > query.amount {
            return Err(Fault::Lie(SyncError::BadPeer("headers not asked for")));
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
            return Err(Fault::Lie(SyncError::InvalidChain(
                "headers do not follow each other",
            )));
        }
        self.hand_on(headers)
    }

    /// Headers that follow each other are taken as the next ones.
    fn hand_on(&mut self, headers: Vec<HashedHeader>) -> Result<Vec<HashedHeader>, Fault> {
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

    fn check_target(&self, headers: &[HashedHeader]) -> Result<(), Fault> {
        let target = headers
            .iter()
            .find(|header| header.header.number == self.target.0);
        match target {
            Some(header) if header.hash != self.target.1 => Err(self.does_not_fit()),
            _ => Ok(()),
        }
    }

    /// Near its head a peer's chain may change between two answers, further down it may not.
    fn does_not_fit(&self) -> Fault {
        match self.target.0 - self.last.0 <= MOVING_TOP + HEADERS_PER_REQUEST {
            true => Fault::Moved,
            false => Fault::Lie(SyncError::InvalidChain(
                "headers do not follow those before",
            )),
        }
    }

    /// The first numbers of the gaps that nobody was asked for.
    pub fn open_gaps(&self) -> impl Iterator<Item = u64> {
        let gaps = match &self.stage {
            Stage::Fill(gaps) => gaps.as_slice(),
            Stage::Master { .. } => &[],
        };
        gaps.iter()
            .filter(|gap| matches!(gap.state, GapState::Open))
            .map(|gap| gap.first)
    }

    /// Marks a gap as asked for; what to ask.
    pub fn ask_gap(&mut self, first: u64) -> HeaderQuery {
        if let Some(gap) = self.gap_mut(first) {
            gap.state = GapState::Asked;
        }
        HeaderQuery::up(first, HEADERS_PER_REQUEST)
    }

    /// The peer that was asked for a gap has not filled it.
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

    /// A peer's answer for a gap. An error leaves the gap open.
    pub fn on_fill(&mut self, first: u64, headers: Vec<HashedHeader>) -> Result<(), Fault> {
        self.gap_unanswered(first);
        let Some(gap) = self.gap_mut(first) else {
            return Ok(());
        };
        let Some(begin) = headers.first() else {
            return Err(Fault::OtherChain);
        };
        if begin.header.number != first || headers.len() as u64 > HEADERS_PER_REQUEST {
            return Err(Fault::Lie(SyncError::BadPeer("headers not asked for")));
        }
        if !is_chain(&headers) {
            return Err(Fault::Lie(SyncError::InvalidChain(
                "headers do not follow each other",
            )));
        }
        let is_whole = headers.len() as u64 == HEADERS_PER_REQUEST;
        if !is_whole || headers.last().map(|last| last.hash) != Some(gap.anchor) {
            return Err(Fault::OtherChain);
        }
        gap.state = GapState::Filled(headers);
        Ok(())
    }

    /// The headers of the first gaps, as far as they are filled. An error is of the peer that is
    /// followed: its anchors are of several chains.
    pub fn take_filled(&mut self) -> Result<Vec<HashedHeader>, Fault> {
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
                all.extend(self.hand_on(headers)?);
            }
        }
        Ok(all)
    }

    /// Headers that gaps hold: how many bytes.
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
