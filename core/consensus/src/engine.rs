//! The `Engine` trait.

use std::fmt::Debug;

use actoreum_primitives::{Address, B256, Block, ChainConfig, Header, U256};
use rayon::prelude::*;

use crate::{BatchChain, BatchError, ConsensusError, HeaderChain};

/// A consensus engine: verifies headers and seals, and prepares headers for sealing.
///
/// Cheap and expensive checks are separate, so that a caller can refuse malformed input before it
/// pays for the seal: [`verify_header`](Self::verify_header) first, then
/// [`verify_seal`](Self::verify_seal); likewise for a [`BatchChain`] in bulk.
pub trait Engine: Debug + Send + Sync {
    /// Returns the author of the block: the beneficiary, or in clique the signer.
    fn author(&self, header: &Header) -> Result<Address, ConsensusError>;

    /// Verifies everything but the seal, both of the header alone and against its parent. `now` is
    /// in seconds since 1970.
    fn verify_header(
        &self,
        chain: &dyn HeaderChain,
        header: &Header,
        parent: &Header,
        now: u64,
    ) -> Result<(), ConsensusError>;

    /// Verifies the seal of a header that [`verify_header`](Self::verify_header) accepted.
    fn verify_seal(&self, chain: &dyn HeaderChain, header: &Header) -> Result<(), ConsensusError>;

    /// Checks the seal of an orphan header (one whose parent is unknown) that is near the head, as
    /// far as possible: an orphan that fails is not worth queueing.
    ///
    /// A valid header can fail if the chain changed much in between (clique: a signer that was
    /// voted in meanwhile); its block then arrives with a sync.
    fn verify_orphan_seal(
        &self,
        chain: &dyn HeaderChain,
        head: &Header,
        header: &Header,
    ) -> Result<(), ConsensusError>;

    /// Runs [`verify_header`](Self::verify_header) on a whole batch, on all cores. Returns the
    /// error with the lowest index.
    fn verify_headers(&self, batch: &BatchChain<'_>, now: u64) -> Result<(), BatchError>;

    /// Runs [`verify_seal`](Self::verify_seal) on a whole batch, on all cores. Returns the error
    /// with the lowest index.
    fn verify_seals(&self, batch: &BatchChain<'_>) -> Result<(), BatchError>;

    /// Verifies the block's ommers, including their seals. The ommers hash of the header is checked
    /// with the body.
    fn verify_ommers(&self, chain: &dyn HeaderChain, block: &Block) -> Result<(), ConsensusError>;

    /// Fills the fields that the engine and the forks determine in a header that will be sealed:
    /// difficulty, base fee, the fields of later forks, and for clique also beneficiary, nonce,
    /// extra data and time.
    ///
    /// Parent hash, number, timestamp, gas limit, beneficiary and extra data should be set. A
    /// timestamp that is too early is moved.
    fn prepare(
        &self,
        chain: &dyn HeaderChain,
        header: &mut Header,
        now: u64,
    ) -> Result<(), ConsensusError>;

    /// Returns the recipients of the block reward with their amounts in wei, in the order in which
    /// they are credited.
    fn rewards(
        &self,
        config: &ChainConfig,
        header: &Header,
        ommers: &[Header],
    ) -> Vec<(Address, U256)>;

    /// Returns the difficulty of a block after `parent` with this timestamp; with clique, of one
    /// that the configured signer seals.
    fn difficulty(
        &self,
        chain: &dyn HeaderChain,
        timestamp: u64,
        parent: &Header,
    ) -> Result<U256, ConsensusError>;

    /// Returns the seal hash: Keccak-256 of the header without its seal. `None` if the extra data
    /// has no room for a clique seal.
    fn seal_hash(&self, header: &Header) -> Option<B256>;
}

/// Returns the parent of a header that is not part of a batch.
pub(crate) fn parent_of(
    chain: &dyn HeaderChain,
    header: &Header,
) -> Result<Header, ConsensusError> {
    header
        .number
        .checked_sub(1)
        .and_then(|number| chain.header(&header.parent_hash, number))
        .ok_or(ConsensusError::UnknownAncestor)
}

/// Runs a check on every header of a batch with its parent, on all cores. Returns the error with
/// the lowest index.
pub(crate) fn verify_each(
    batch: &BatchChain<'_>,
    verify: impl Fn(&Header, &Header) -> Result<(), ConsensusError> + Sync,
) -> Result<(), BatchError> {
    let verify_at = |(index, header): (usize, &&Header)| {
        let outcome = match batch.parent(index) {
            Some(parent) => verify(header, &parent),
            None => Err(ConsensusError::UnknownAncestor),
        };
        outcome.err().map(|error| BatchError { index, error })
    };
    let headers = batch.headers().par_iter().with_min_len(64).enumerate();
    headers.find_map_first(verify_at).map_or(Ok(()), Err)
}
