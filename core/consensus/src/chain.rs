//! The engines' access to the chain, and batches of headers on top of it.

use actoreum_primitives::{B256, Block, ChainConfig, Header, U256};
use rayon::prelude::*;

/// The part of the chain that the consensus rules need. Reads do not wait for a writer.
pub trait HeaderChain: Sync {
    /// Returns the header with this hash and number, on any branch.
    fn header(&self, hash: &B256, number: u64) -> Option<Header>;
    /// Returns the canonical header at `number`.
    fn header_by_number(&self, number: u64) -> Option<Header>;
    /// Returns the ommers of the block with this hash and number.
    fn ommers(&self, hash: &B256, number: u64) -> Option<Vec<Header>>;
    /// Returns the total difficulty of a block: the sum from genesis up to and including it.
    fn total_difficulty(&self, hash: &B256, number: u64) -> Option<U256>;
    /// Returns the chain config.
    fn config(&self) -> &ChainConfig;
}

/// A run of headers that is verified as an extension of the chain: each header finds its ancestors
/// in the batch or in the chain below it.
///
/// The headers should be ascending and each the child of the one before; otherwise the bulk checks
/// return [`crate::ConsensusError::UnknownAncestor`].
pub struct BatchChain<'a> {
    chain: &'a dyn HeaderChain,
    headers: Vec<&'a Header>,
    hashes: Vec<B256>,
    /// The ommers of each block; empty for a batch of headers only.
    ommers: Vec<&'a [Header]>,
}

impl<'a> BatchChain<'a> {
    /// Creates a batch of headers without bodies.
    pub fn of_headers(
        chain: &'a dyn HeaderChain,
        headers: impl IntoIterator<Item = &'a Header>,
    ) -> Self {
        Self::new(chain, headers.into_iter().collect(), Vec::new())
    }

    /// Creates a batch of blocks.
    pub fn of_blocks(chain: &'a dyn HeaderChain, blocks: &'a [Block]) -> Self {
        let headers = blocks.iter().map(|block| &block.header).collect();
        let ommers = blocks
            .iter()
            .map(|block| block.body.ommers.as_slice())
            .collect();
        Self::new(chain, headers, ommers)
    }

    fn new(
        chain: &'a dyn HeaderChain,
        headers: Vec<&'a Header>,
        ommers: Vec<&'a [Header]>,
    ) -> Self {
        let hashes = headers
            .par_iter()
            .with_min_len(32)
            .map(|header| header.hash())
            .collect();
        Self {
            chain,
            headers,
            hashes,
            ommers,
        }
    }

    /// Returns the headers of the batch.
    pub fn headers(&self) -> &[&'a Header] {
        &self.headers
    }

    /// Returns the hashes of the headers.
    pub fn hashes(&self) -> &[B256] {
        &self.hashes
    }

    /// Returns the parent of the batch's header at `index`: the header before it, or, for the
    /// first, one from the chain. `None` if the parent is unknown or the batch is not contiguous.
    pub fn parent(&self, index: usize) -> Option<Header> {
        let header = self.headers.get(index)?;
        match index.checked_sub(1) {
            None => self
                .chain
                .header(&header.parent_hash, header.number.checked_sub(1)?),
            Some(before) => {
                (self.hashes[before] == header.parent_hash).then(|| self.headers[before].clone())
            }
        }
    }

    /// Returns the first `count` headers as a batch.
    pub(crate) fn first(&self, count: usize) -> BatchChain<'_> {
        BatchChain {
            chain: self.chain,
            headers: self.headers[..count].to_vec(),
            hashes: self.hashes[..count].to_vec(),
            ommers: self.ommers.iter().take(count).copied().collect(),
        }
    }

    /// Returns the batch without its first `count` headers, which become part of the chain below.
    pub(crate) fn after(&self, count: usize) -> BatchChain<'_> {
        BatchChain {
            chain: self,
            headers: self.headers[count..].to_vec(),
            hashes: self.hashes[count..].to_vec(),
            ommers: self.ommers.iter().skip(count).copied().collect(),
        }
    }

    fn index_of(&self, hash: &B256, number: u64) -> Option<usize> {
        let first = self.headers.first()?.number;
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        (self.hashes.get(index)? == hash).then_some(index)
    }
}

impl HeaderChain for BatchChain<'_> {
    fn header(&self, hash: &B256, number: u64) -> Option<Header> {
        match self.index_of(hash, number) {
            Some(index) => Some(self.headers[index].clone()),
            None => self.chain.header(hash, number),
        }
    }

    fn header_by_number(&self, number: u64) -> Option<Header> {
        let first = self
            .headers
            .first()
            .map_or(u64::MAX, |header| header.number);
        let index = number
            .checked_sub(first)
            .and_then(|index| usize::try_from(index).ok());
        match index.and_then(|index| self.headers.get(index)) {
            Some(header) => Some((*header).clone()),
            None => self.chain.header_by_number(number),
        }
    }

    fn ommers(&self, hash: &B256, number: u64) -> Option<Vec<Header>> {
        match self.index_of(hash, number) {
            Some(index) => self.ommers.get(index).map(|ommers| ommers.to_vec()),
            None => self.chain.ommers(hash, number),
        }
    }

    fn total_difficulty(&self, hash: &B256, number: u64) -> Option<U256> {
        let Some(index) = self.index_of(hash, number) else {
            return self.chain.total_difficulty(hash, number);
        };
        let first = self.headers[0];
        let below = self
            .chain
            .total_difficulty(&first.parent_hash, first.number.checked_sub(1)?)?;
        let in_batch = self.headers[..=index].iter();
        Some(in_batch.fold(below, |sum, header| sum.saturating_add(header.difficulty)))
    }

    fn config(&self) -> &ChainConfig {
        self.chain.config()
    }
}
