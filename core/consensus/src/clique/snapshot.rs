//! Who may sign after a block, and the votes about it. (EIP-225.)

use std::collections::{BTreeMap, BTreeSet};

use actoreum_primitives::{Address, B64, B256, Header, U256};
use serde::{Deserialize, Serialize};

use super::CliqueError;

/// The nonce of a vote to authorise the beneficiary.
pub const NONCE_AUTHORIZE: B64 = B64::repeat_byte(0xff);
/// The nonce of a vote to drop the beneficiary, or of no vote where it is zero.
pub const NONCE_DROP: B64 = B64::ZERO;

/// The difficulty of a block that its signer seals in turn.
pub const DIFFICULTY_IN_TURN: U256 = U256::from_limbs([2, 0, 0, 0]);
/// The difficulty of a block that another signer seals.
pub const DIFFICULTY_OUT_OF_TURN: U256 = U256::ONE;

/// A vote that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who voted.
    pub signer: Address,
    /// In which block.
    pub block: u64,
    /// About whom.
    pub address: Address,
    /// To authorise, or to drop.
    pub authorize: bool,
}

/// How a vote stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// To authorise, or to drop.
    pub authorize: bool,
    /// Votes for it.
    pub votes: usize,
}

/// The signers and votes after a block. Its JSON is geth's, in the store and over RPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The block's number.
    pub number: u64,
    /// The block's hash.
    pub hash: B256,
    /// Who may sign, in ascending order: the order of their turns.
    #[serde(with = "address_set")]
    pub signers: BTreeSet<Address>,
    /// Who signed the last blocks, by block number.
    pub recents: BTreeMap<u64, Address>,
    /// Votes that count, oldest first.
    pub votes: Vec<Vote>,
    /// The votes counted, by whom they are about.
    pub tally: BTreeMap<Address, Tally>,
}

impl Snapshot {
    /// The state after a checkpoint (or genesis) that lists these signers. Who signed
    /// before it is not known.
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

    /// Whether it is the signer's turn to seal the block with this number.
    pub fn is_in_turn(&self, number: u64, signer: &Address) -> bool {
        let place = self.signers.iter().position(|address| address == signer);
        place.is_some_and(|place| number % self.signers.len() as u64 == place as u64)
    }

    /// The difficulty of the block with this number if the signer seals it.
    pub fn difficulty_for(&self, number: u64, signer: &Address) -> U256 {
        match self.is_in_turn(number, signer) {
            true => DIFFICULTY_IN_TURN,
            false => DIFFICULTY_OUT_OF_TURN,
        }
    }

    /// Whether the signer signed so lately that it may not sign the block with this number:
    /// of any run of n/2 + 1 blocks a signer signs at most one.
    pub fn signed_recently(&self, number: u64, signer: &Address) -> bool {
        let limit = self.recents_limit();
        let is_within = |seen: &u64| number < limit || *seen > number - limit;
        self.recents
            .iter()
            .any(|(seen, address)| address == signer && is_within(seen))
    }

    /// Whether a vote says something new: signers can be dropped, others authorised.
    pub fn is_valid_vote(&self, address: &Address, authorize: bool) -> bool {
        self.signers.contains(address) != authorize
    }

    /// Counts the next block, which `signer` signed. After an error the snapshot is of no
    /// further use.
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
        self.conclude(candidate, number);
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

    /// Takes votes back, and out of the tally where they were counted.
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

    /// Changes the signers where more than half of them agree about the candidate. Only the
    /// account that this block voted on can change.
    fn conclude(&mut self, candidate: Address, number: u64) {
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

/// geth's form of a set: an object whose values are empty objects.
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
