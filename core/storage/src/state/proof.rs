//! Proofs of accounts and slots (`eth_getProof`, EIP-1186) at any available block.

use std::collections::{BTreeMap, BTreeSet};

use actoreum_primitives::{Account, Address, B256, EMPTY_ROOT_HASH, StateDiff, U256, keccak256};
use actoreum_trie::prove;

use super::TrieBuffer;
use super::diff::{HashedAccount, HashedDiff, HashedSlot};
use crate::{StorageError, Store};

/// An account with its Merkle proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountProof {
    /// The account; `None` if the proof shows that it does not exist.
    pub account: Option<Account>,
    /// RLP of the state trie's nodes from the root to the account.
    pub proof: Vec<Vec<u8>>,
    /// Proofs of the requested slots, in their order.
    pub slots: Vec<SlotProof>,
}

/// A slot's value with its Merkle proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotProof {
    /// Storage slot.
    pub slot: U256,
    /// Value of the slot.
    pub value: U256,
    /// RLP of the storage trie's nodes from the root to the slot.
    pub proof: Vec<Vec<u8>>,
}

/// Number of attempts at a proof that a commit disturbs. Each attempt waits for the commit to end.
const PROOF_RETRIES: usize = 4;

impl Store {
    /// Proves an account and some of its slots at block `number`.
    ///
    /// Only the head's tries are on disk. For an older block all later changes are undone in
    /// memory, so the cost grows with the distance.
    pub fn prove(
        &self,
        number: u64,
        address: &Address,
        slots: &[U256],
    ) -> Result<AccountProof, StorageError> {
        self.retry_after_commits(number, || prove_in(&self.tries_at(number)?, address, slots))
    }

    /// Proves an account and some of its slots in the state of block `number` with `diff` applied:
    /// the state of a block that is not on the chain yet.
    ///
    /// Returns `None` if the resulting state root is not `root`, because another block has become
    /// block `number`.
    pub fn prove_after(
        &self,
        number: u64,
        diff: &StateDiff,
        root: B256,
        address: &Address,
        slots: &[U256],
    ) -> Result<Option<AccountProof>, StorageError> {
        self.retry_after_commits(number, || {
            let mut buffer = self.tries_at(number)?;
            if buffer.apply(number.saturating_add(1), diff)? != root {
                return Ok(None);
            }
            prove_in(&buffer, address, slots).map(Some)
        })
    }

    /// Calls `run` with the tries of block `number`, in memory over those of the head. It is called
    /// again, with new tries, if it fails because of a commit in between.
    ///
    /// A forked chain has no tries: `run` gets a buffer that makes up roots, as for its blocks.
    pub fn with_tries<T>(
        &self,
        number: u64,
        mut run: impl FnMut(TrieBuffer) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        if self.remote().is_some() {
            return run(TrieBuffer::new(self.clone()));
        }
        self.retry_after_commits(number, || run(self.tries_at(number)?))
    }

    /// Calls `read`, which reads the tries of block `number`, again if it fails because of a commit
    /// in between.
    fn retry_after_commits<T>(
        &self,
        number: u64,
        mut read: impl FnMut() -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut outcome = Err(StorageError::MissingState(number));
        for _ in 0..PROOF_RETRIES {
            let before = self.commits_begun();
            self.wait_for_commit();
            outcome = read();
            if outcome.is_ok() || self.commits_begun() == before {
                return outcome;
            }
        }
        outcome
    }

    /// Returns the tries after block `number`, in memory over those of the head.
    fn tries_at(&self, number: u64) -> Result<TrieBuffer, StorageError> {
        if self.remote().is_some() {
            return Err(StorageError::Misuse("a forked chain has no tries"));
        }
        let view = self.state_at(number)?;
        let head = self.head().ok_or(StorageError::MissingState(number))?;
        let mut buffer = TrieBuffer::new(self.clone());
        let mut changed: BTreeMap<B256, BTreeSet<B256>> = BTreeMap::new();
        for block in number + 1..=head.number {
            for account in self.change_list(block)?.accounts {
                changed
                    .entry(account.key)
                    .or_default()
                    .extend(account.slots);
            }
        }
        let mut accounts = Vec::with_capacity(changed.len());
        for (key, slots) in changed {
            let (before, after) = (buffer.account(&key)?, view.hashed_account(&key)?);
            let slot = |slot: B256| {
                let (before, after) = (buffer.slot(&key, &slot)?, view.hashed_slot(&key, &slot)?);
                Ok(HashedSlot {
                    key: slot,
                    before,
                    after,
                })
            };
            let mut slots = slots
                .into_iter()
                .map(slot)
                .collect::<Result<Vec<_>, StorageError>>()?;
            slots.retain(|slot| slot.before != slot.after);
            accounts.push(HashedAccount {
                key,
                before,
                after,
                slots,
            });
        }
        buffer.advance_to(HashedDiff {
            accounts,
            codes: Vec::new(),
        })?;
        Ok(buffer)
    }
}

/// Proves an account and some of its slots in the state of `buffer`.
fn prove_in(
    buffer: &TrieBuffer,
    address: &Address,
    slots: &[U256],
) -> Result<AccountProof, StorageError> {
    let key = keccak256(address);
    let proof = prove(&buffer.source(None), buffer.root(), key.as_slice())?;
    let account = buffer.account(&key)?;
    let root = account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
    let prove_slot = |slot: &U256| {
        let hashed = keccak256(slot.to_be_bytes::<32>());
        Ok(SlotProof {
            slot: *slot,
            value: buffer.slot(&key, &hashed)?,
            proof: prove(&buffer.source(Some(key)), root, hashed.as_slice())?,
        })
    };
    let slots = slots
        .iter()
        .map(prove_slot)
        .collect::<Result<_, StorageError>>()?;
    Ok(AccountProof {
        account,
        proof,
        slots,
    })
}
