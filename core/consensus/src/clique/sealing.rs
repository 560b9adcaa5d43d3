//! Sealing: proposals, header preparation, and the time of publication.

use std::time::Duration;

use actoreum_primitives::{Address, B64, B256, Header, Signature};
use rand::Rng;

use super::{
    Clique, CliqueError, Snapshot,
    extra::unsealed_extra,
    seal::{put_seal, seal_hash},
    snapshot::{DIFFICULTY_OUT_OF_TURN, NONCE_AUTHORIZE, NONCE_DROP},
};
use crate::{
    ConsensusError, HeaderChain, engine::parent_of, limits::CLIQUE_WIGGLE_MILLIS,
    rules::fork_fields,
};

/// The plan for sealing a block with this node's signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealPlan {
    /// The signing address.
    pub signer: Address,
    /// The delay before the sealed block is published. The signature is made before the delay, so
    /// that locking the account meanwhile does no harm.
    pub delay: Duration,
    /// Whether the signer is in turn.
    pub in_turn: bool,
}

impl Clique {
    /// Sets the address that seals on this node.
    pub fn set_signer(&self, signer: Option<Address>) {
        self.sealing.write().signer = signer;
    }

    /// Returns the address that seals on this node.
    pub fn signer(&self) -> Option<Address> {
        self.sealing.read().signer
    }

    /// Proposes to authorize (or to drop) an address: each block sealed here votes for it if the
    /// vote would count, until the proposal is discarded.
    pub fn propose(&self, address: Address, authorize: bool) {
        self.sealing.write().proposals.insert(address, authorize);
    }

    /// Discards the proposal about an address.
    pub fn discard(&self, address: &Address) {
        self.sealing.write().proposals.remove(address);
    }

    /// Returns the current proposals by address.
    pub fn proposals(&self) -> Vec<(Address, bool)> {
        self.sealing
            .read()
            .proposals
            .iter()
            .map(|(address, vote)| (*address, *vote))
            .collect()
    }

    /// Returns the plan for sealing a prepared header, or the reason why this node's signer may not
    /// seal it.
    ///
    /// `now` is the time since 1970; `random` is the source of the wiggle, which keeps out-of-turn
    /// signers from sealing all at once: up to 500 ms for each of n/2 + 1 signers.
    pub fn plan_seal(
        &self,
        chain: &dyn HeaderChain,
        header: &Header,
        has_transactions: bool,
        now: Duration,
        random: &mut impl Rng,
    ) -> Result<SealPlan, ConsensusError> {
        let parent_number = header
            .number
            .checked_sub(1)
            .ok_or(CliqueError::UnknownBlock)?;
        if self.config.period == 0 && !has_transactions {
            return Err(CliqueError::WaitingForTransactions.into());
        }
        let signer = self.signer().ok_or(CliqueError::NoSigner)?;
        let snapshot = self.snapshot(chain, parent_number, header.parent_hash)?;
        if !snapshot.signers.contains(&signer) {
            return Err(CliqueError::UnauthorizedSigner.into());
        }
        if snapshot.signed_recently(header.number, &signer) {
            return Err(CliqueError::MustWaitForOthers.into());
        }
        let until_time = Duration::from_secs(header.timestamp).saturating_sub(now);
        let in_turn = header.difficulty != DIFFICULTY_OUT_OF_TURN;
        let wiggle = if in_turn {
            0
        } else {
            random.random_range(0..max_wiggle(&snapshot))
        };
        Ok(SealPlan {
            signer,
            delay: until_time + Duration::from_millis(wiggle),
            in_turn,
        })
    }

    /// Seals a prepared header with the signature that `sign` returns for its seal hash.
    pub fn seal<E: From<CliqueError>>(
        &self,
        header: &mut Header,
        sign: impl FnOnce(B256) -> Result<Signature, E>,
    ) -> Result<(), E> {
        let hash = seal_hash(header).ok_or(CliqueError::MissingSignature)?;
        let signature = sign(hash)?;
        Ok(put_seal(header, &signature)?)
    }
}

/// Returns the exclusive upper bound of the wiggle, in milliseconds.
fn max_wiggle(snapshot: &Snapshot) -> u64 {
    (snapshot.signers.len() as u64 / 2 + 1) * CLIQUE_WIGGLE_MILLIS
}

/// Fills the fields of a header that the clique rules determine.
pub(super) fn prepare(
    clique: &Clique,
    chain: &dyn HeaderChain,
    header: &mut Header,
    now: u64,
) -> Result<(), ConsensusError> {
    let parent = parent_of(chain, header)?;
    let snapshot = clique.snapshot(chain, parent.number, header.parent_hash)?;
    let is_checkpoint = header.number.is_multiple_of(clique.config.epoch);
    let vote = if is_checkpoint {
        None
    } else {
        choose_vote(clique, &snapshot)
    };
    header.beneficiary = vote.map_or(Address::ZERO, |(address, _)| address);
    header.nonce = vote.map_or(NONCE_DROP, |(_, authorize)| nonce_of(authorize));
    // Without a signer the block is only built for the pending state, and is not sealed.
    let signer = clique.signer().unwrap_or_default();
    header.difficulty = snapshot.difficulty_for(header.number, &signer);
    let listed = is_checkpoint.then(|| snapshot.signers.iter().copied());
    header.extra_data = unsealed_extra(&header.extra_data, listed.into_iter().flatten());
    header.mix_hash = B256::ZERO;
    let earliest = parent
        .timestamp
        .saturating_add(clique.config.period)
        .max(now);
    header.timestamp = header.timestamp.max(earliest);
    fork_fields::fill(chain.config(), header, &parent);
    Ok(())
}

fn nonce_of(authorize: bool) -> B64 {
    if authorize {
        NONCE_AUTHORIZE
    } else {
        NONCE_DROP
    }
}

/// Returns a random proposal whose vote would count, so that all proposals get votes over time.
fn choose_vote(clique: &Clique, snapshot: &Snapshot) -> Option<(Address, bool)> {
    let mut proposals = clique.proposals();
    proposals.retain(|(address, authorize)| snapshot.is_valid_vote(address, *authorize));
    match proposals.len() {
        0 => None,
        count => Some(proposals.swap_remove(rand::rng().random_range(0..count))),
    }
}
