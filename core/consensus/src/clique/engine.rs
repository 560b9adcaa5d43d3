//! The clique engine.

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc};

use actoreum_primitives::{
    Address, B256, Block, ChainConfig, EMPTY_OMMERS_HASH, Header, U256, config::CliqueConfig,
};
use lru::LruCache;
use parking_lot::{Mutex, RwLock};
use rayon::prelude::*;

use super::{
    CliqueError, Snapshot, SnapshotStore,
    extra::ExtraParts,
    seal::{recover_signer, seal_hash},
    sealing,
    snapshot::{DIFFICULTY_IN_TURN, DIFFICULTY_OUT_OF_TURN, NONCE_AUTHORIZE, NONCE_DROP},
    snapshots::Snapshots,
};
use crate::{
    BatchChain, BatchError, ConsensusError, Engine, HeaderChain,
    engine::verify_each,
    limits::{CLIQUE_MAX_REPLAY, CLIQUE_SIGNATURES_IN_MEMORY},
    rules::{self, fork_fields, fork_fields::Sealer},
};

/// The proof-of-authority engine.
#[derive(Debug)]
pub struct Clique {
    pub(super) config: CliqueConfig,
    snapshots: Snapshots,
    /// Recovered signers by header hash.
    signatures: Mutex<LruCache<B256, Address>>,
    pub(super) sealing: RwLock<Sealing>,
}

/// The sealing settings of this node.
#[derive(Debug, Default)]
pub(super) struct Sealing {
    pub(super) signer: Option<Address>,
    pub(super) proposals: BTreeMap<Address, bool>,
}

impl Clique {
    /// Creates an engine that saves every 1,024th snapshot in `store`; without a store it keeps
    /// snapshots in memory only.
    pub fn new(config: CliqueConfig, store: Option<Arc<dyn SnapshotStore>>) -> Self {
        let signatures = NonZeroUsize::new(CLIQUE_SIGNATURES_IN_MEMORY)
            .expect("because the limit is a constant above zero");
        let epoch = match config.epoch {
            0 => actoreum_primitives::config::DEFAULT_CLIQUE_EPOCH,
            epoch => epoch,
        };
        Self {
            config: CliqueConfig { epoch, ..config },
            snapshots: Snapshots::new(store),
            signatures: Mutex::new(LruCache::new(signatures)),
            sealing: RwLock::default(),
        }
    }

    /// Returns the snapshot after the block with this hash and number.
    pub fn snapshot(
        &self,
        chain: &dyn HeaderChain,
        number: u64,
        hash: B256,
    ) -> Result<Arc<Snapshot>, ConsensusError> {
        let mut collected: Vec<(B256, Header)> = Vec::new();
        let (mut number, mut hash) = (number, hash);
        let base = loop {
            if let Some(snapshot) = self.snapshots.find(number, &hash) {
                break snapshot;
            }
            let header = chain
                .header(&hash, number)
                .ok_or(ConsensusError::UnknownAncestor)?;
            if self.is_trusted_checkpoint(chain, &header, collected.len()) {
                let signers = ExtraParts::of(&header)?.signer_list()?;
                let snapshot = Snapshot::at_checkpoint(number, hash, signers);
                self.snapshots.store_if_interval(&snapshot)?;
                break self.snapshots.cache_snapshot(snapshot);
            }
            let parent_hash = header.parent_hash;
            collected.push((hash, header));
            hash = parent_hash;
            number = number
                .checked_sub(1)
                .ok_or(ConsensusError::UnknownAncestor)?;
        };
        if collected.is_empty() {
            return Ok(base);
        }
        collected
            .par_iter()
            .try_for_each(|(hash, header)| self.signer_of(header, *hash).map(drop))?;
        let mut snapshot = Snapshot::clone(&base);
        for (hash, header) in collected.iter().rev() {
            let signer = self.signer_of(header, *hash)?;
            snapshot.apply(header, *hash, signer, self.config.epoch)?;
            self.snapshots.store_if_interval(&snapshot)?;
        }
        Ok(self.snapshots.cache_snapshot(snapshot))
    }

    /// Returns true if the signer list of this header is trusted without its ancestors: genesis, a
    /// checkpoint whose parent is unknown, and a checkpoint that is too deep for a reorg.
    fn is_trusted_checkpoint(
        &self,
        chain: &dyn HeaderChain,
        header: &Header,
        collected: usize,
    ) -> bool {
        let Some(parent_number) = header.number.checked_sub(1) else {
            return true;
        };
        header.number.is_multiple_of(self.config.epoch)
            && (collected > CLIQUE_MAX_REPLAY
                || chain.header(&header.parent_hash, parent_number).is_none())
    }

    /// Returns the signer of the header with this hash, from the cache if possible.
    fn signer_of(&self, header: &Header, hash: B256) -> Result<Address, CliqueError> {
        if let Some(signer) = self.signatures.lock().get(&hash) {
            return Ok(*signer);
        }
        let signer = recover_signer(header)?;
        self.signatures.lock().put(hash, signer);
        Ok(signer)
    }

    /// Checks the header without its parent, in geth's order.
    fn verify_standalone(&self, header: &Header, now: u64) -> Result<(), ConsensusError> {
        if header.timestamp > now {
            return Err(ConsensusError::FutureBlock);
        }
        let is_checkpoint = header.number.is_multiple_of(self.config.epoch);
        if is_checkpoint && !header.beneficiary.is_zero() {
            return Err(CliqueError::CheckpointBeneficiary.into());
        }
        if header.nonce != NONCE_AUTHORIZE && header.nonce != NONCE_DROP {
            return Err(CliqueError::InvalidVote.into());
        }
        if is_checkpoint && header.nonce != NONCE_DROP {
            return Err(CliqueError::CheckpointVote.into());
        }
        let parts = ExtraParts::of(header)?;
        if !is_checkpoint && !parts.signers.is_empty() {
            return Err(CliqueError::ExtraSigners.into());
        }
        if is_checkpoint {
            parts.signer_list()?;
        }
        if !header.mix_hash.is_zero() {
            return Err(CliqueError::NonZeroMixDigest.into());
        }
        if header.ommers_hash != EMPTY_OMMERS_HASH {
            return Err(CliqueError::NonEmptyOmmersHash.into());
        }
        if header.difficulty != DIFFICULTY_IN_TURN && header.difficulty != DIFFICULTY_OUT_OF_TURN {
            return Err(CliqueError::InvalidDifficulty.into());
        }
        Ok(())
    }

    /// Checks the signer, and the signer list of a checkpoint, against the parent's snapshot.
    fn verify_signer(
        &self,
        snapshot: &Snapshot,
        header: &Header,
        signer: Address,
    ) -> Result<(), CliqueError> {
        if header.number.is_multiple_of(self.config.epoch) {
            let listed = ExtraParts::of(header)?.signer_list()?;
            if !listed.iter().eq(&snapshot.signers) {
                return Err(CliqueError::MismatchingCheckpointSigners);
            }
        }
        if !snapshot.signers.contains(&signer) {
            return Err(CliqueError::UnauthorizedSigner);
        }
        if snapshot.signed_recently(header.number, &signer) {
            return Err(CliqueError::RecentlySigned);
        }
        if header.difficulty == snapshot.difficulty_for(header.number, &signer) {
            Ok(())
        } else {
            Err(CliqueError::WrongDifficulty)
        }
    }

    /// Verifies the batch's headers and applies them to the snapshot, up to the first invalid one.
    fn apply_batch(
        &self,
        batch: &BatchChain<'_>,
        signers: &[Result<Address, CliqueError>],
        snapshot: &mut Snapshot,
    ) -> Result<(), BatchError> {
        for (index, header) in batch.headers().iter().enumerate() {
            let hash = batch.hashes()[index];
            let is_next = index == 0 || header.parent_hash == snapshot.hash;
            let verified = if is_next {
                Ok(())
            } else {
                Err(ConsensusError::UnknownAncestor)
            };
            let counted = verified.and_then(|()| {
                let signer = signers[index].clone()?;
                self.verify_signer(snapshot, header, signer)?;
                snapshot.apply(header, hash, signer, self.config.epoch)?;
                Ok(self.snapshots.store_if_interval(snapshot)?)
            });
            counted.map_err(|error| BatchError { index, error })?;
        }
        Ok(())
    }
}

impl Engine for Clique {
    fn author(&self, header: &Header) -> Result<Address, ConsensusError> {
        Ok(self.signer_of(header, header.hash())?)
    }

    fn verify_header(
        &self,
        chain: &dyn HeaderChain,
        header: &Header,
        parent: &Header,
        now: u64,
    ) -> Result<(), ConsensusError> {
        self.verify_standalone(header, now)?;
        let config = chain.config();
        rules::verify_fork_hash(config, header)?;
        rules::verify_number(header, parent)?;
        if header.timestamp < parent.timestamp.saturating_add(self.config.period) {
            return Err(CliqueError::InvalidTimestamp.into());
        }
        rules::verify_gas_and_base_fee(config, header, parent)?;
        fork_fields::verify(config, header, parent, Sealer::Engine)
    }

    fn verify_seal(&self, chain: &dyn HeaderChain, header: &Header) -> Result<(), ConsensusError> {
        let parent_number = header
            .number
            .checked_sub(1)
            .ok_or(CliqueError::UnknownBlock)?;
        let snapshot = self.snapshot(chain, parent_number, header.parent_hash)?;
        let signer = self.signer_of(header, header.hash())?;
        Ok(self.verify_signer(&snapshot, header, signer)?)
    }

    /// Checks that one of the signers at the head signed the header.
    fn verify_orphan_seal(
        &self,
        chain: &dyn HeaderChain,
        head: &Header,
        header: &Header,
    ) -> Result<(), ConsensusError> {
        let snapshot = self.snapshot(chain, head.number, head.hash())?;
        // Bypasses the cache of signers: byzantine peers would fill it.
        let signer = recover_signer(header)?;
        if snapshot.signers.contains(&signer) {
            Ok(())
        } else {
            Err(CliqueError::UnauthorizedSigner.into())
        }
    }

    fn verify_headers(&self, batch: &BatchChain<'_>, now: u64) -> Result<(), BatchError> {
        verify_each(batch, |header, parent| {
            self.verify_header(batch, header, parent, now)
        })
    }

    fn verify_seals(&self, batch: &BatchChain<'_>) -> Result<(), BatchError> {
        let Some(first) = batch.headers().first() else {
            return Ok(());
        };
        let at_first = |error| BatchError { index: 0, error };
        let parent_number = first
            .number
            .checked_sub(1)
            .ok_or(at_first(CliqueError::UnknownBlock.into()))?;
        let base = self
            .snapshot(batch, parent_number, first.parent_hash)
            .map_err(at_first)?;
        let headers = batch.headers().par_iter().zip(batch.hashes());
        let signers: Vec<_> = headers
            .map(|(header, hash)| self.signer_of(header, *hash))
            .collect();
        let mut snapshot = Snapshot::clone(&base);
        self.apply_batch(batch, &signers, &mut snapshot)?;
        self.snapshots.cache_snapshot(snapshot);
        Ok(())
    }

    fn verify_ommers(&self, _chain: &dyn HeaderChain, block: &Block) -> Result<(), ConsensusError> {
        if block.body.ommers.is_empty() {
            Ok(())
        } else {
            Err(ConsensusError::OmmersNotAllowed)
        }
    }

    fn prepare(
        &self,
        chain: &dyn HeaderChain,
        header: &mut Header,
        now: u64,
    ) -> Result<(), ConsensusError> {
        sealing::prepare(self, chain, header, now)
    }

    fn rewards(
        &self,
        _config: &ChainConfig,
        _header: &Header,
        _ommers: &[Header],
    ) -> Vec<(Address, U256)> {
        Vec::new()
    }

    fn difficulty(
        &self,
        chain: &dyn HeaderChain,
        _timestamp: u64,
        parent: &Header,
    ) -> Result<U256, ConsensusError> {
        let snapshot = self.snapshot(chain, parent.number, parent.hash())?;
        let signer = self.sealing.read().signer.unwrap_or_default();
        Ok(snapshot.difficulty_for(parent.number.saturating_add(1), &signer))
    }

    fn seal_hash(&self, header: &Header) -> Option<B256> {
        seal_hash(header)
    }
}
