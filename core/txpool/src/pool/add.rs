//! Adding a transaction.

use std::sync::Arc;

use actoreum_primitives::{Address, EMPTY_CODE_HASH, SenderRules, StateReader, U256};

use super::Pool;
use super::room::Excess;
use crate::account::{Account, Entry, Origin, SubPool};
use crate::error::AddError;
use crate::limits::ACCOUNT_BYTES;
use crate::prices::Price;
use crate::snapshot::Status;
use crate::transaction::PoolTx;

/// The first bytes of a delegated account's code (EIP-7702); an address follows.
const DELEGATION: [u8; 3] = [0xef, 0x01, 0x00];
/// Length of a delegated account's code in bytes.
const DELEGATION_BYTES: usize = 23;

impl Pool {
    /// Adds a transaction to the pool. `state` is the state of [`Pool::head`]; `now` is in seconds
    /// of any monotonic clock.
    ///
    /// # Errors
    /// The pool is unchanged then.
    pub fn add(
        &mut self,
        tx: Arc<PoolTx>,
        origin: Origin,
        state: &impl StateReader,
        now: u64,
    ) -> Result<Status, AddError> {
        let hash = tx.hash();
        if self.view.by_hash.contains_key(&hash) {
            return Err(AddError::Known(hash));
        }
        let sender = tx.sender();
        let is_local =
            (origin == Origin::Local && !self.config.no_locals) || self.locals.contains(&sender);
        tx.check(&self.view.head)?;
        let min_tip = U256::from(self.config.price_limit);
        if !is_local && tx.transaction().max_priority_fee_per_gas() < min_tip {
            return Err(AddError::Underpriced);
        }
        let account = match self.view.accounts.get(&sender) {
            Some(account) => account.clone(),
            None => read_account(sender, state, is_local, self.view.head.senders)?,
        };
        let replaced = account.txs.get(&tx.nonce()).cloned();
        check_funds(&account, replaced.as_ref(), &tx)?;
        tx.check_intrinsic_gas(self.view.head.fork)?;
        let is_delegated = account.is_delegated || self.tally.is_authority(&sender);
        check_delegated(&account, is_delegated, replaced.is_some(), &tx)?;
        self.check_authorities(&tx)?;
        if let Some(old) = &replaced {
            self.check_bump(&old.tx, &tx)?;
        }

        let placement = Placement {
            sub_pool: if tx.nonce() <= account.next_nonce() {
                SubPool::Pending
            } else {
                SubPool::Queued
            },
            is_local,
            account,
            replaced,
        };
        let evicted = self.find_evictions(&placement, origin, &tx)?;
        self.evict(&evicted);

        if is_local {
            self.make_local(sender);
            self.changes.journal.push(Arc::clone(&tx));
        }
        self.added_count += 1;
        let entry = Entry {
            tx,
            peer: match origin {
                Origin::Remote(peer) => Some(peer),
                Origin::Local | Origin::Reorg => None,
            },
            seq: self.added_count,
        };
        match &placement.replaced {
            Some(old) => self.replace(old, entry, now),
            None => self.insert(placement.account.emptied(), entry, now),
        }
        self.trim_pending();
        self.view.status(&hash).ok_or(AddError::Full)
    }

    /// Refuses a transaction if an authority of it has more than one transaction in the pool: a
    /// delegation can invalidate all but one of them.
    fn check_authorities(&self, tx: &PoolTx) -> Result<(), AddError> {
        let transactions =
            |address: &Address| self.view.accounts.get(address).map(|it| it.txs.size());
        let is_reserved = |address: &Address| transactions(address).is_some_and(|count| count > 1);
        if tx.authorities().iter().any(is_reserved) {
            Err(AddError::AuthorityReserved)
        } else {
            Ok(())
        }
    }

    fn check_bump(&self, old: &PoolTx, new: &PoolTx) -> Result<(), AddError> {
        let (old, new) = (old.transaction(), new.transaction());
        let is_enough = new.max_fee_per_gas()
            >= self.config.min_replacement_price(old.max_fee_per_gas())
            && new.max_priority_fee_per_gas()
                >= self
                    .config
                    .min_replacement_price(old.max_priority_fee_per_gas());
        let blob_fees = (old.max_fee_per_blob_gas(), new.max_fee_per_blob_gas());
        let is_enough_for_blobs = match blob_fees {
            (Some(old), Some(new)) => new >= self.config.min_replacement_price(old),
            _ => true,
        };
        if is_enough && is_enough_for_blobs {
            Ok(())
        } else {
            Err(AddError::ReplacementUnderpriced)
        }
    }

    /// Returns the transactions to evict so that `tx` fits into the pool, or the reason why it
    /// can't be added.
    fn find_evictions(
        &self,
        placement: &Placement,
        origin: Origin,
        tx: &PoolTx,
    ) -> Result<Vec<(Address, u64)>, AddError> {
        let mut evicted = Vec::new();
        let mut excess = Excess {
            bytes: (self.tally.bytes + tx.bytes() + placement.new_account_bytes())
                .saturating_sub(placement.replaced_bytes() + self.config.max_bytes),
            ..Excess::default()
        };
        if !placement.is_local {
            if placement.replaced.is_none() {
                self.check_peer(placement.sub_pool, origin, tx)?;
                match placement.sub_pool {
                    SubPool::Pending => self.check_pending_limit(&placement.account)?,
                    SubPool::Queued => {
                        evicted.extend(self.account_queue_eviction(&placement.account, tx)?);
                        let is_full =
                            self.tally.remote(SubPool::Queued) >= self.config.global_queue;
                        excess.queued = u64::from(is_full && evicted.is_empty());
                    }
                }
            }
            excess.slots = (self.tally.slots + tx.slots())
                .saturating_sub(placement.replaced_slots() + self.config.slots());
        }
        if excess.is_none() {
            return Ok(evicted);
        }
        let price = if placement.is_local {
            Price::MAX
        } else {
            Price::of(tx.transaction(), self.tally.prices.base_fee())
        };
        match self.evictions_below(excess, price, placement.sub_pool, tx.sender()) {
            Some(cheaper) => evicted.extend(cheaper),
            None if placement.is_local => return Err(AddError::Full),
            None if placement.sub_pool == SubPool::Queued && self.is_any_pending_below(price) => {
                return Err(AddError::FutureReplacesPending);
            }
            None => return Err(AddError::Underpriced),
        }
        Ok(evicted)
    }

    fn check_peer(&self, sub_pool: SubPool, origin: Origin, tx: &PoolTx) -> Result<(), AddError> {
        let Origin::Remote(peer) = origin else {
            return Ok(());
        };
        let used = self.tally.of_peer(&peer);
        let is_over = used.slots + tx.slots() > self.config.peer_slots()
            || (sub_pool == SubPool::Queued && used.queued >= self.config.peer_queue());
        if is_over {
            Err(AddError::PeerLimit)
        } else {
            Ok(())
        }
    }

    /// Checks the limit of pending transactions. In a full pool the account with the most pending
    /// transactions loses its last one; if that would be the new transaction, it is refused.
    fn check_pending_limit(&self, account: &Account) -> Result<(), AddError> {
        if self.tally.remote(SubPool::Pending) < self.config.global_slots {
            return Ok(());
        }
        let after = account.pending + 1;
        let max_count = self.tally.largest_account().map_or(0, |(count, _)| count);
        if after > self.config.account_slots && after > max_count {
            return Err(AddError::Full);
        }
        Ok(())
    }

    /// Returns the queued transaction with the highest nonce, to evict, if the account's queue is
    /// full.
    fn account_queue_eviction(
        &self,
        account: &Account,
        tx: &PoolTx,
    ) -> Result<Option<(Address, u64)>, AddError> {
        if account.queued() < self.config.account_queue {
            return Ok(None);
        }
        match account.txs.last() {
            Some((&last, _)) if last > tx.nonce() => Ok(Some((tx.sender(), last))),
            _ => Err(AddError::AccountLimit),
        }
    }
}

/// The place of a new transaction in the pool.
struct Placement {
    sub_pool: SubPool,
    is_local: bool,
    /// The account before the transaction is added.
    account: Account,
    /// The transaction that has the nonce now.
    replaced: Option<Entry>,
}

impl Placement {
    fn new_account_bytes(&self) -> usize {
        if self.account.txs.is_empty() {
            ACCOUNT_BYTES
        } else {
            0
        }
    }

    fn replaced_bytes(&self) -> usize {
        self.replaced.as_ref().map_or(0, |old| old.tx.bytes())
    }

    fn replaced_slots(&self) -> u64 {
        match &self.replaced {
            Some(old) if !self.account.is_local => old.tx.slots(),
            _ => 0,
        }
    }
}

fn read_account(
    sender: Address,
    state: &impl StateReader,
    is_local: bool,
    rules: SenderRules,
) -> Result<Account, AddError> {
    let info = state.account(&sender)?.unwrap_or_default();
    let mut is_delegated = false;
    if info.code_hash != EMPTY_CODE_HASH {
        let code = state.code(&info.code_hash)?;
        is_delegated = code.len() == DELEGATION_BYTES && code.starts_with(&DELEGATION);
        if !is_delegated && !rules.allows_contracts() {
            let code_hash = info.code_hash;
            return Err(AddError::SenderNotEoa { sender, code_hash });
        }
    }
    Ok(Account::new(
        info.nonce,
        info.balance,
        is_delegated,
        is_local,
    ))
}

/// Checks the nonce, and that the balance covers the costs of all of the sender's transactions.
fn check_funds(account: &Account, replaced: Option<&Entry>, tx: &PoolTx) -> Result<(), AddError> {
    if tx.nonce() < account.nonce {
        return Err(AddError::NonceTooLow);
    }
    if tx.cost() > account.balance {
        return Err(AddError::InsufficientFunds);
    }
    let others = match replaced {
        Some(old) => account.cost.saturating_sub(old.tx.cost()),
        None => account.cost,
    };
    let left = account.balance.saturating_sub(others);
    if tx.cost() > left {
        return Err(AddError::Overdraft {
            balance: account.balance,
            queued: others,
            cost: tx.cost(),
            overshot: tx.cost() - left,
        });
    }
    Ok(())
}

/// Limits a delegated account to one transaction at a time, with the next nonce: every contract
/// that such an account's code calls may spend its balance and use its nonces. An account that is
/// about to be delegated is treated alike.
fn check_delegated(
    account: &Account,
    is_delegated: bool,
    is_replacement: bool,
    tx: &PoolTx,
) -> Result<(), AddError> {
    if !is_delegated || is_replacement {
        return Ok(());
    }
    if tx.nonce() > account.next_nonce() {
        return Err(AddError::DelegatedGap);
    }
    if !account.txs.is_empty() {
        return Err(AddError::DelegatedInFlight);
    }
    Ok(())
}
