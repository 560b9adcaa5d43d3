//! The rules of merged headers (EIP-3675), and the transition to them at the terminal total
//! difficulty.
//!
//! The beacon chain decides the merged blocks of a public network. A development chain has none:
//! its node prepares them itself ([`Merge::sealing`]).

use std::sync::Arc;

use actoreum_primitives::{
    Address, B64, B256, Block, ChainConfig, EMPTY_OMMERS_HASH, Header, U256, keccak256,
};

use crate::{
    BatchChain, BatchError, ConsensusError, Engine, HeaderChain,
    engine::{parent_of, verify_each},
    limits,
    rules::{self, fork_fields, fork_fields::Sealer},
};

/// An engine for a chain that merges: the inner engine up to the block whose total difficulty
/// reaches the terminal one, the constants of merged headers after it.
///
/// The beacon chain's statements (proposer, withdrawals, beacon root) cannot be verified here;
/// beacon clients do that.
#[derive(Debug, Clone)]
pub struct Merge {
    inner: Arc<dyn Engine>,
    /// Whether merged blocks are prepared here, without a beacon chain.
    seals: bool,
}

impl Merge {
    /// Wraps the engine of the blocks before the merge. Merged blocks are verified only.
    pub fn new(inner: Arc<dyn Engine>) -> Self {
        let seals = false;
        Self { inner, seals }
    }

    /// Wraps the engine of the blocks before the merge, and prepares merged blocks too: the engine
    /// of a development chain.
    pub fn sealing(inner: Arc<dyn Engine>) -> Self {
        let seals = true;
        Self { inner, seals }
    }

    /// Fills the fields that a beacon chain would give, and those of the forks. A mix digest that
    /// is set already stays: the user of a development chain may choose it.
    fn prepare_merged(config: &ChainConfig, header: &mut Header, parent: &Header, now: u64) {
        header.difficulty = U256::ZERO;
        header.nonce = B64::ZERO;
        header.ommers_hash = EMPTY_OMMERS_HASH;
        let earliest = parent.timestamp.saturating_add(1).max(now);
        header.timestamp = header.timestamp.max(earliest);
        if header.mix_hash.is_zero() {
            header.mix_hash = derived(header, Derived::PrevRandao);
        }
        fork_fields::fill(config, header, parent);
        if header.parent_beacon_block_root.is_some() {
            header.parent_beacon_block_root = Some(derived(header, Derived::BeaconRoot));
        }
    }

    /// Verifies a header whose parent is terminal, or merged itself.
    fn verify_merged(
        config: &ChainConfig,
        header: &Header,
        parent: &Header,
    ) -> Result<(), ConsensusError> {
        let (have, max) = (header.extra_data.len(), limits::MAX_EXTRA_DATA_BYTES);
        if have > max {
            return Err(ConsensusError::ExtraDataTooLong { have, max });
        }
        if header.nonce != B64::ZERO {
            return Err(ConsensusError::MergedNonce);
        }
        if header.ommers_hash != EMPTY_OMMERS_HASH {
            return Err(ConsensusError::MergedOmmersHash);
        }
        // A state edit of a development chain takes no time of the chain.
        let is_too_early = if config.is_development {
            header.timestamp < parent.timestamp
        } else {
            header.timestamp <= parent.timestamp
        };
        if is_too_early {
            return Err(ConsensusError::MergedTimestamp);
        }
        if !header.difficulty.is_zero() {
            let (have, want) = (header.difficulty, U256::ZERO);
            return Err(ConsensusError::InvalidDifficulty { have, want });
        }
        rules::verify_gas_and_base_fee(config, header, parent)?;
        rules::verify_number(header, parent)?;
        fork_fields::verify(config, header, parent, Sealer::BeaconChain)
    }
}

/// A value of the beacon chain that is derived where there is none.
#[derive(Clone, Copy)]
enum Derived {
    PrevRandao = 0,
    BeaconRoot = 1,
}

/// Returns Keccak-256 of parent hash, number and kind: it differs by block, and is the same
/// whenever the same block is built again.
fn derived(header: &Header, kind: Derived) -> B256 {
    let mut input = header.parent_hash.to_vec();
    input.extend(header.number.to_be_bytes());
    input.push(kind as u8);
    keccak256(input)
}

/// Returns true if the block after `parent` is a merged one, because the parent's total difficulty
/// has reached the terminal one.
fn is_merged_after(chain: &dyn HeaderChain, parent: &Header) -> Result<bool, ConsensusError> {
    let config = chain.config();
    if config.terminal_total_difficulty == Some(U256::ZERO) {
        return Ok(true);
    }
    // A merged parent was verified by this same rule.
    if parent.number > 0 && config.is_proof_of_stake(parent) {
        return Ok(true);
    }
    let total = chain.total_difficulty(&parent.hash(), parent.number);
    Ok(config.is_terminal(total.ok_or(ConsensusError::UnknownAncestor)?))
}

impl Engine for Merge {
    fn author(&self, header: &Header) -> Result<Address, ConsensusError> {
        if header.difficulty.is_zero() {
            Ok(header.beneficiary)
        } else {
            self.inner.author(header)
        }
    }

    fn verify_header(
        &self,
        chain: &dyn HeaderChain,
        header: &Header,
        parent: &Header,
        now: u64,
    ) -> Result<(), ConsensusError> {
        if is_merged_after(chain, parent)? {
            Self::verify_merged(chain.config(), header, parent)
        } else {
            self.inner.verify_header(chain, header, parent, now)
        }
    }

    fn verify_seal(&self, chain: &dyn HeaderChain, header: &Header) -> Result<(), ConsensusError> {
        if is_merged_after(chain, &parent_of(chain, header)?)? {
            Ok(())
        } else {
            self.inner.verify_seal(chain, header)
        }
    }

    fn verify_orphan_seal(
        &self,
        chain: &dyn HeaderChain,
        head: &Header,
        header: &Header,
    ) -> Result<(), ConsensusError> {
        if header.difficulty.is_zero() || head.difficulty.is_zero() {
            // Merged blocks are not propagated between peers.
            Err(ConsensusError::UnknownAncestor)
        } else {
            self.inner.verify_orphan_seal(chain, head, header)
        }
    }

    fn verify_headers(&self, batch: &BatchChain<'_>, now: u64) -> Result<(), BatchError> {
        let split = first_merged(batch)?;
        self.inner.verify_headers(&batch.first(split), now)?;
        let merged = batch.after(split);
        verify_each(&merged, |header, parent| {
            Self::verify_merged(batch.config(), header, parent)
        })
        .map_err(|error| BatchError {
            index: split + error.index,
            ..error
        })
    }

    fn verify_seals(&self, batch: &BatchChain<'_>) -> Result<(), BatchError> {
        self.inner.verify_seals(&batch.first(first_merged(batch)?))
    }

    fn verify_ommers(&self, chain: &dyn HeaderChain, block: &Block) -> Result<(), ConsensusError> {
        if !block.header.difficulty.is_zero() {
            return self.inner.verify_ommers(chain, block);
        }
        if block.body.ommers.is_empty() {
            Ok(())
        } else {
            Err(ConsensusError::TooManyOmmers)
        }
    }

    fn prepare(
        &self,
        chain: &dyn HeaderChain,
        header: &mut Header,
        now: u64,
    ) -> Result<(), ConsensusError> {
        let parent = parent_of(chain, header)?;
        if !is_merged_after(chain, &parent)? {
            self.inner.prepare(chain, header, now)
        } else if self.seals {
            Self::prepare_merged(chain.config(), header, &parent, now);
            Ok(())
        } else {
            Err(ConsensusError::SealedByBeaconChain)
        }
    }

    fn rewards(
        &self,
        config: &ChainConfig,
        header: &Header,
        ommers: &[Header],
    ) -> Vec<(Address, U256)> {
        if header.difficulty.is_zero() {
            Vec::new()
        } else {
            self.inner.rewards(config, header, ommers)
        }
    }

    fn difficulty(
        &self,
        chain: &dyn HeaderChain,
        timestamp: u64,
        parent: &Header,
    ) -> Result<U256, ConsensusError> {
        if is_merged_after(chain, parent)? {
            Ok(U256::ZERO)
        } else {
            self.inner.difficulty(chain, timestamp, parent)
        }
    }

    fn seal_hash(&self, header: &Header) -> Option<B256> {
        self.inner.seal_hash(header)
    }
}

/// Returns the index of the batch's first merged header, or the batch's length if it has none.
fn first_merged(batch: &BatchChain<'_>) -> Result<usize, BatchError> {
    let headers = batch.headers();
    if headers.is_empty() {
        return Ok(0);
    }
    let at_first = |error| BatchError { index: 0, error };
    let parent = batch
        .parent(0)
        .ok_or(at_first(ConsensusError::UnknownAncestor))?;
    if is_merged_after(batch, &parent).map_err(at_first)? {
        return Ok(0);
    }
    let config = batch.config();
    let total = batch.total_difficulty(&parent.hash(), parent.number);
    let mut total = total.ok_or(at_first(ConsensusError::UnknownAncestor))?;
    for (index, header) in headers.iter().enumerate() {
        total = total.saturating_add(header.difficulty);
        if config.is_terminal(total) {
            return Ok(index + 1);
        }
    }
    Ok(headers.len())
}
