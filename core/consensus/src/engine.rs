//! The trait of engines.

use std::fmt::Debug;

use actoreum_primitives::{Address, B256, Block, ChainConfig, Header, U256};
use rayon::prelude::*;

use crate::{BatchChain, BatchError, ConsensusError, HeaderChain};

/// Who may seal a block, and how a header must look.
///
/// Cheap checks and dear ones are apart, so that a caller refuses nonsense before it pays
/// for a seal: [`verify_header`](Self::verify_header) first, then
/// [`verify_seal`](Self::verify_seal). In bulk the same, over a [`BatchChain`].
pub trait Engine: Debug + Send + Sync {
    /// Who made the block: the beneficiary, or in clique the signer.
    fn author(&self, header: &Header) -> Result<Address, ConsensusError>;

    /// Everything but the seal: the header alone, and against its parent. `now` is in
    /// seconds since 1970.
    fn verify_header(
        &self,
        chain: &dyn HeaderChain,
        header: &Header,
        parent: &Header,
        now: u64,
    ) -> Result<(), ConsensusError>;

    /// The seal of a header that [`verify_header`](Self::verify_header) found sound.
    fn verify_seal(&self, chain: &dyn HeaderChain, header: &Header) -> Result<(), ConsensusError>;

    /// What can be said of the seal of a header whose parent is not known, close to our head: a
    /// header that fails is not worth being kept until its parent comes. A valid one can fail
    /// where the chain changed much in between (clique: a signer that was voted in meanwhile); its
    /// block then comes with a sync.
    fn verify_orphan_seal(
        &self,
        chain: &dyn HeaderChain,
        head: &Header,
        header: &Header,
    ) -> Result<(), ConsensusError>;

    /// [`verify_header`](Self::verify_header) for a whole batch, on all cores. The error is
    /// the one with the lowest index.
    fn verify_headers(&self, batch: &BatchChain<'_>, now: u64) -> Result<(), BatchError>;

    /// [`verify_seal`](Self::verify_seal) for a whole batch, on all cores. The error is the
    /// one with the lowest index.
    fn verify_seals(&self, batch: &BatchChain<'_>) -> Result<(), BatchError>;

    /// The block's ommers, seals included. That the header commits to them is checked with
    /// the body.
    fn verify_ommers(&self, chain: &dyn HeaderChain, block: &Block) -> Result<(), ConsensusError>;

    /// Fills in what the engine and the forks decide about a header that will be sealed:
    /// difficulty, base fee, the fields of later forks, and for clique also beneficiary,
    /// nonce, extra data and time.
    ///
    /// Parent hash, number, timestamp, gas limit, beneficiary and extra data should be set.
    /// A timestamp that is too early is moved.
    fn prepare(
        &self,
        chain: &dyn HeaderChain,
        header: &mut Header,
        now: u64,
    ) -> Result<(), ConsensusError>;

    /// Who gets how much wei for the block, in the order in which it is credited.
    fn rewards(
        &self,
        config: &ChainConfig,
        header: &Header,
        ommers: &[Header],
    ) -> Vec<(Address, U256)>;

    /// The difficulty of a block after `parent` with this timestamp; with clique, of one
    /// that the configured signer seals.
    fn difficulty(
        &self,
        chain: &dyn HeaderChain,
        timestamp: u64,
        parent: &Header,
    ) -> Result<U256, ConsensusError>;

    /// What is sealed: Keccak-256 of the header without its seal. `None` where the extra
    /// data has no room for a clique seal.
    fn seal_hash(&self, header: &Header) -> Option<B256>;
}

/// The parent of a header that is not part of a batch.
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

/// Runs a check on every header of a batch with its parent, on all cores; the error is
/// the one with the lowest index.
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
