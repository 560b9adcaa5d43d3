//! What an engine may ask about the chain, and a batch of headers on top of it.

use actoreum_primitives::{B256, Block, ChainConfig, Header, U256};
use rayon::prelude::*;

/// The chain as far as the rules need it. Answers come without waiting for a writer.
pub trait HeaderChain: Sync {
    /// The header with this hash and number, on any branch.
    fn header(&self, hash: &B256, number: u64) -> Option<Header>;
    /// The header with this number on the canonical branch.
    fn header_by_number(&self, number: u64) -> Option<Header>;
    /// The ommers that the block with this hash and number includes.
    fn ommers(&self, hash: &B256, number: u64) -> Option<Vec<Header>>;
    /// The sum of the difficulties from genesis to this block, itself included.
    fn total_difficulty(&self, hash: &B256, number: u64) -> Option<U256>;
    /// The rules of this chain.
    fn config(&self) -> &ChainConfig;
}

/// A run of headers that is being verified, as an extension of the chain: each finds
/// its ancestors among those before it, and what lies below in the chain.
///
/// The headers should be ascending and each the child of the one before; where they
/// are not, the bulk checks say [`crate::ConsensusError::UnknownAncestor`].
pub struct BatchChain<'a> {
    chain: &'a dyn HeaderChain,
    headers: Vec<&'a Header>,
    hashes: Vec<B256>,
    /// Empty where the batch was made of headers only.
    ommers: Vec<&'a [Header]>,
}

impl<'a> BatchChain<'a> {
    /// A batch of headers whose bodies are not at hand.
    pub fn of_headers(
        chain: &'a dyn HeaderChain,
        headers: impl IntoIterator<Item = &'a Header>,
    ) -> Self {
        Self::new(chain, headers.into_iter().collect(), Vec::new())
    }

    /// A batch of whole blocks.
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

    /// The headers of the batch.
    pub fn headers(&self) -> &[&'a Header] {
        &self.headers
    }

    /// Their hashes.
    pub fn hashes(&self) -> &[B256] {
        &self.hashes
    }

    /// The parent of the batch's header at `index`: the one before it, or, of the first,
    /// one from the chain. `None` where it is not known or the batch is not contiguous.
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

    /// The batch's first `count` headers.
    pub(crate) fn first(&self, count: usize) -> BatchChain<'_> {
        BatchChain {
            chain: self.chain,
            headers: self.headers[..count].to_vec(),
            hashes: self.hashes[..count].to_vec(),
            ommers: self.ommers.iter().take(count).copied().collect(),
        }
    }

    /// The batch without its first `count` headers, which become part of the chain below.
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
