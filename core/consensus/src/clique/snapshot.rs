//! The authorized signers after a block, and the votes that change them (EIP-225).

use std::collections::{BTreeMap, BTreeSet};

use actoreum_primitives::{Address, B64, B256, Header, U256};
use serde::{Deserialize, Serialize};

use super::CliqueError;

/// The nonce of a vote to authorize the beneficiary.
pub const NONCE_AUTHORIZE: B64 = B64::repeat_byte(0xff);
/// The nonce of a vote to drop the beneficiary; with a zero beneficiary, of no vote.
pub const NONCE_DROP: B64 = B64::ZERO;

/// The difficulty of a block sealed in turn.
pub const DIFFICULTY_IN_TURN: U256 = U256::from_limbs([2, 0, 0, 0]);
/// The difficulty of a block sealed out of turn.
pub const DIFFICULTY_OUT_OF_TURN: U256 = U256::ONE;

/// A vote that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// The voting signer.
    pub signer: Address,
    /// The number of the block with the vote.
    pub block: u64,
    /// The address that the vote is about.
    pub address: Address,
    /// Whether the vote is to authorize; otherwise it is to drop.
    pub authorize: bool,
}

/// The count of the votes about one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Whether the votes are to authorize; otherwise they are to drop.
    pub authorize: bool,
    /// The number of votes.
    pub votes: usize,
}

/// The signers and votes after a block. Its JSON is geth's, both in the store and over RPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The block's number.
    pub number: u64,
    /// The block's hash.
    pub hash: B256,
    /// The authorized signers, in ascending order, which is the order of their turns.
    #[serde(with = "address_set")]
    pub signers: BTreeSet<Address>,
    /// The signers of the most recent blocks, by block number.
    pub recents: BTreeMap<u64, Address>,
    /// The votes that count, oldest first.
    pub votes: Vec<Vote>,
    /// The counts of votes, by the address that they are about.
    pub tally: BTreeMap<Address, Tally>,
}

impl Snapshot {
    /// Creates the snapshot after a checkpoint (or genesis) with these signers. The signers of the
    /// blocks before it are unknown.
    pub fn at_checkpoint(
        number: u64,
        hash: B256,
        signers: impl IntoIterator<Item = Address>,
    ) -> Self {
        Self {
            number,
            hash,
            signers: signers.into_iter().collect(),
            recents: BTreeMap::new(),
            votes: Vec::new(),
            tally: BTreeMap::new(),
        }
    }

    /// Returns true if the signer is in turn for the block at `number`.
    pub fn is_in_turn(&self, number: u64, signer: &Address) -> bool {
        let place = self.signers.iter().position(|address| address == signer);
        place.is_some_and(|place| number % self.signers.len() as u64 == place as u64)
    }

    /// Returns the difficulty of the block at `number` if the signer seals it.
    pub fn difficulty_for(&self, number: u64, signer: &Address) -> U256 {
        if self.is_in_turn(number, signer) {
            DIFFICULTY_IN_TURN
        } else {
            DIFFICULTY_OUT_OF_TURN
        }
    }

    /// Returns true if the signer signed too recently to sign the block at `number`: of any n/2 + 1
    /// consecutive blocks a signer may sign at most one.
    pub fn signed_recently(&self, number: u64, signer: &Address) -> bool {
        let limit = self.recents_limit();
        let is_within = |seen: &u64| number < limit || *seen > number - limit;
        self.recents
            .iter()
            .any(|(seen, address)| address == signer && is_within(seen))
    }

    /// Returns true if the vote would change something: a signer can be dropped, another address
    /// authorized.
    pub fn is_valid_vote(&self, address: &Address, authorize: bool) -> bool {
        self.signers.contains(address) != authorize
    }

    /// Applies the next block, signed by `signer`. After an error the snapshot must not be used.
    pub(super) fn apply(
        &mut self,
        header: &Header,
        hash: B256,
        signer: Address,
        epoch: u64,
    ) -> Result<(), CliqueError> {
        let number = header.number;
        if self.number.checked_add(1) != Some(number) {
            return Err(CliqueError::InvalidVotingChain);
        }
        if number.is_multiple_of(epoch) {
            self.votes.clear();
            self.tally.clear();
        }
        self.forget_oldest_recent(number);
        if !self.signers.contains(&signer) {
            return Err(CliqueError::UnauthorizedSigner);
        }
        if self.recents.values().any(|recent| *recent == signer) {
            return Err(CliqueError::RecentlySigned);
        }
        self.recents.insert(number, signer);

        let candidate = header.beneficiary;
        let authorize = match header.nonce {
            NONCE_AUTHORIZE => true,
            NONCE_DROP => false,
            _ => return Err(CliqueError::InvalidVote),
        };
        self.withdraw_votes(|vote| vote.signer == signer && vote.address == candidate);
        self.cast(Vote {
            signer,
            block: number,
            address: candidate,
            authorize,
        });
        self.apply_majority(candidate, number);
        self.number = number;
        self.hash = hash;
        Ok(())
    }

    fn recents_limit(&self) -> u64 {
        self.signers.len() as u64 / 2 + 1
    }

    fn forget_oldest_recent(&mut self, number: u64) {
        if let Some(oldest) = number.checked_sub(self.recents_limit()) {
            self.recents.remove(&oldest);
        }
    }

    fn cast(&mut self, vote: Vote) {
        if !self.is_valid_vote(&vote.address, vote.authorize) {
            return;
        }
        let opening = Tally {
            authorize: vote.authorize,
            votes: 0,
        };
        self.tally.entry(vote.address).or_insert(opening).votes += 1;
        self.votes.push(vote);
    }

    /// Removes votes, and subtracts them from the tally.
    fn withdraw_votes(&mut self, is_withdrawn: impl Fn(&Vote) -> bool) {
        let tally = &mut self.tally;
        self.votes.retain(|vote| {
            if !is_withdrawn(vote) {
                return true;
            }
            if let Some(counted) = tally.get_mut(&vote.address)
                && counted.authorize == vote.authorize
            {
                counted.votes = counted.votes.saturating_sub(1);
                if counted.votes == 0 {
                    tally.remove(&vote.address);
                }
            }
            false
        });
    }

    /// Changes the signers if a majority of them agrees about the candidate. Only the address that
    /// the block voted on can change.
    fn apply_majority(&mut self, candidate: Address, number: u64) {
        let Some(tally) = self.tally.get(&candidate).copied() else {
            return;
        };
        if tally.votes <= self.signers.len() / 2 {
            return;
        }
        if tally.authorize {
            self.signers.insert(candidate);
        } else {
            self.signers.remove(&candidate);
            self.forget_oldest_recent(number);
            self.withdraw_votes(|vote| vote.signer == candidate);
        }
        self.votes.retain(|vote| vote.address != candidate);
        self.tally.remove(&candidate);
    }
}

/// geth's JSON form of a set: an object whose values are empty objects.
mod address_set {
    use std::collections::{BTreeMap, BTreeSet};

    use actoreum_primitives::Address;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Present {}

    pub(super) fn serialize<S: Serializer>(
        set: &BTreeSet<Address>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(set.iter().map(|address| (address, Present {})))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeSet<Address>, D::Error> {
        let map = BTreeMap::<Address, Present>::deserialize(deserializer)?;
        Ok(map.into_keys().collect())
    }
}
