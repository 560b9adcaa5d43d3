//! The engine.

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
    /// Signers by header hash.
    signatures: Mutex<LruCache<B256, Address>>,
    pub(super) sealing: RwLock<Sealing>,
}

/// What the owner of this node wants.
#[derive(Debug, Default)]
pub(super) struct Sealing {
    pub(super) signer: Option<Address>,
    pub(super) proposals: BTreeMap<Address, bool>,
}

impl Clique {
    /// An engine that keeps every 1,024th snapshot in `store`, or all in memory only.
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

    /// The snapshot after the block with this hash and number.
    pub fn snapshot(
        &self,
        chain: &dyn HeaderChain,
        number: u64,
        hash: B256,
    ) -> Result<Arc<Snapshot>, ConsensusError> {
        let mut gathered: Vec<(B256, Header)> = Vec::new();
        let (mut number, mut hash) = (number, hash);
        let base = loop {
            if let Some(snapshot) = self.snapshots.find(number, &hash) {
                break snapshot;
            }
            let header = chain
                .header(&hash, number)
                .ok_or(ConsensusError::UnknownAncestor)?;
            if self.is_trusted_checkpoint(chain, &header, gathered.len()) {
                let signers = ExtraParts::of(&header)?.signer_list()?;
                let snapshot = Snapshot::at_checkpoint(number, hash, signers);
                self.snapshots.store_if_due(&snapshot)?;
                break self.snapshots.remember(snapshot);
            }
            let parent_hash = header.parent_hash;
            gathered.push((hash, header));
            hash = parent_hash;
            number = number
                .checked_sub(1)
                .ok_or(ConsensusError::UnknownAncestor)?;
        };
        if gathered.is_empty() {
            return Ok(base);
        }
        gathered
            .par_iter()
            .try_for_each(|(hash, header)| self.signer_of(header, *hash).map(drop))?;
        let mut snapshot = Snapshot::clone(&base);
        for (hash, header) in gathered.iter().rev() {
            let signer = self.signer_of(header, *hash)?;
            snapshot.apply(header, *hash, signer, self.config.epoch)?;
            self.snapshots.store_if_due(&snapshot)?;
        }
        Ok(self.snapshots.remember(snapshot))
    }

    /// Genesis is the word of whoever set up the chain. So is a checkpoint below which
    /// nothing is known, or so deep that it will not be reorganised any more.
    fn is_trusted_checkpoint(
        &self,
        chain: &dyn HeaderChain,
        header: &Header,
        gathered: usize,
    ) -> bool {
        let Some(parent_number) = header.number.checked_sub(1) else {
            return true;
        };
        header.number.is_multiple_of(self.config.epoch)
            && (gathered > CLIQUE_MAX_REPLAY
                || chain.header(&header.parent_hash, parent_number).is_none())
    }

    /// Who signed the header with this hash, from memory where it was asked for before.
    fn signer_of(&self, header: &Header, hash: B256) -> Result<Address, CliqueError> {
        if let Some(signer) = self.signatures.lock().get(&hash) {
            return Ok(*signer);
        }
        let signer = recover_signer(header)?;
        self.signatures.lock().put(hash, signer);
        Ok(signer)
    }

    /// The checks that need nothing but the header, in geth's order.
    fn verify_alone(&self, header: &Header, now: u64) -> Result<(), ConsensusError> {
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

    /// The seal, and the signers that a checkpoint lists, against the parent's snapshot.
    fn verify_against(
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
        match header.difficulty == snapshot.difficulty_for(header.number, &signer) {
            true => Ok(()),
            false => Err(CliqueError::WrongDifficulty),
        }
    }

    /// Verifies and counts the batch's headers one after the other, up to the first bad one.
    fn count_batch(
        &self,
        batch: &BatchChain<'_>,
        signers: &[Result<Address, CliqueError>],
        snapshot: &mut Snapshot,
    ) -> Result<(), BatchError> {
        for (index, header) in batch.headers().iter().enumerate() {
            let hash = batch.hashes()[index];
            let is_next = index == 0 || header.parent_hash == snapshot.hash;
            let verified = match is_next {
                true => Ok(()),
                false => Err(ConsensusError::UnknownAncestor),
            };
            let counted = verified.and_then(|()| {
                let signer = signers[index].clone()?;
                self.verify_against(snapshot, header, signer)?;
                snapshot.apply(header, hash, signer, self.config.epoch)?;
                Ok(self.snapshots.store_if_due(snapshot)?)
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
        self.verify_alone(header, now)?;
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
        Ok(self.verify_against(&snapshot, header, signer)?)
    }

    /// One of the signers at our head signed it.
    fn verify_orphan_seal(
        &self,
        chain: &dyn HeaderChain,
        head: &Header,
        header: &Header,
    ) -> Result<(), ConsensusError> {
        let snapshot = self.snapshot(chain, head.number, head.hash())?;
        // Not from the memory of signers: byzantine peers would fill it.
        let signer = recover_signer(header)?;
        match snapshot.signers.contains(&signer) {
            true => Ok(()),
            false => Err(CliqueError::UnauthorizedSigner.into()),
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
        self.count_batch(batch, &signers, &mut snapshot)?;
        self.snapshots.remember(snapshot);
        Ok(())
    }

    fn verify_ommers(&self, _chain: &dyn HeaderChain, block: &Block) -> Result<(), ConsensusError> {
        match block.body.ommers.is_empty() {
            true => Ok(()),
            false => Err(ConsensusError::OmmersNotAllowed),
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
