//! How a transaction gets in.

use std::sync::Arc;

use actoreum_primitives::{Address, EMPTY_CODE_HASH, SenderRules, StateReader, U256};

use super::Pool;
use super::room::Room;
use crate::account::{Account, Entry, Lane, Origin};
use crate::error::AddError;
use crate::limits::ACCOUNT_BYTES;
use crate::prices::Price;
use crate::snapshot::Status;
use crate::transaction::PoolTx;

/// What the code of a delegated account starts with (EIP-7702); an address follows.
const DELEGATION: [u8; 3] = [0xef, 0x01, 0x00];
/// Bytes of the code of a delegated account.
const DELEGATION_BYTES: usize = 23;

impl Pool {
    /// Takes a transaction in, or says why not. `state` is that of [`Pool::head`], `now` in
    /// seconds of any clock that goes forward.
    ///
    /// # Errors
    /// The pool is then as it was before.
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
        let least_tip = U256::from(self.config.price_limit);
        if !is_local && tx.transaction().max_priority_fee_per_gas() < least_tip {
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

        let place = Place {
            lane: match tx.nonce() <= account.next_nonce() {
                true => Lane::Pending,
                false => Lane::Queued,
            },
            is_local,
            account,
            replaced,
        };
        let given_up = self.find_room(&place, origin, &tx)?;
        self.give_up(&given_up);

        if is_local {
            self.make_local(sender);
            self.changes.journal.push(Arc::clone(&tx));
        }
        self.arrived += 1;
        let entry = Entry {
            tx,
            peer: match origin {
                Origin::Remote(peer) => Some(peer),
                Origin::Local | Origin::Reorg => None,
            },
            seq: self.arrived,
        };
        match &place.replaced {
            Some(old) => self.replace(old, entry, now),
            None => self.insert(place.account.emptied(), entry, now),
        }
        self.trim_pending();
        self.view.status(&hash).ok_or(AddError::Full)
    }

    /// Setting the code of an account makes all but one of its transactions worthless: who has
    /// more here can't be an authority.
    fn check_authorities(&self, tx: &PoolTx) -> Result<(), AddError> {
        let transactions =
            |address: &Address| self.view.accounts.get(address).map(|it| it.txs.size());
        let is_reserved = |address: &Address| transactions(address).is_some_and(|count| count > 1);
        match tx.authorities().iter().any(is_reserved) {
            true => Err(AddError::AuthorityReserved),
            false => Ok(()),
        }
    }

    fn check_bump(&self, old: &PoolTx, new: &PoolTx) -> Result<(), AddError> {
        let (old, new) = (old.transaction(), new.transaction());
        let is_enough = new.max_fee_per_gas() >= self.config.bumped(old.max_fee_per_gas())
            && new.max_priority_fee_per_gas() >= self.config.bumped(old.max_priority_fee_per_gas());
        let blob_fees = (old.max_fee_per_blob_gas(), new.max_fee_per_blob_gas());
        let is_enough_for_blobs = match blob_fees {
            (Some(old), Some(new)) => new >= self.config.bumped(old),
            _ => true,
        };
        if is_enough && is_enough_for_blobs {
            Ok(())
        } else {
            Err(AddError::ReplacementUnderpriced)
        }
    }

    /// Which transactions leave so that `tx` may come, or why it may not.
    fn find_room(
        &self,
        place: &Place,
        origin: Origin,
        tx: &PoolTx,
    ) -> Result<Vec<(Address, u64)>, AddError> {
        let mut given_up = Vec::new();
        let mut room = Room {
            bytes: (self.tally.bytes + tx.bytes() + place.new_account_bytes())
                .saturating_sub(place.replaced_bytes() + self.config.max_bytes),
            ..Room::default()
        };
        if !place.is_local {
            if place.replaced.is_none() {
                self.check_peer(place.lane, origin, tx)?;
                match place.lane {
                    Lane::Pending => self.check_crowd(&place.account)?,
                    Lane::Queued => {
                        given_up.extend(self.room_in_account(&place.account, tx)?);
                        let is_full = self.tally.remote(Lane::Queued) >= self.config.global_queue;
                        room.queued = u64::from(is_full && given_up.is_empty());
                    }
                }
            }
            room.slots = (self.tally.slots + tx.slots())
                .saturating_sub(place.replaced_slots() + self.config.slots());
        }
        if room.is_none() {
            return Ok(given_up);
        }
        let price = match place.is_local {
            true => Price::MAX,
            false => Price::of(tx.transaction(), self.tally.prices.base_fee()),
        };
        match self.cheaper_ones(room, price, place.lane, tx.sender()) {
            Some(cheaper) => given_up.extend(cheaper),
            None if place.is_local => return Err(AddError::Full),
            None if place.lane == Lane::Queued && self.is_any_pending_below(price) => {
                return Err(AddError::FutureReplacesPending);
            }
            None => return Err(AddError::Underpriced),
        }
        Ok(given_up)
    }

    fn check_peer(&self, lane: Lane, origin: Origin, tx: &PoolTx) -> Result<(), AddError> {
        let Origin::Remote(peer) = origin else {
            return Ok(());
        };
        let used = self.tally.of_peer(&peer);
        let is_over = used.slots + tx.slots() > self.config.peer_slots()
            || (lane == Lane::Queued && used.queued >= self.config.peer_queue());
        if is_over {
            Err(AddError::PeerLimit)
        } else {
            Ok(())
        }
    }

    /// In a pool full of pending transactions the account with the most of them gives up its
    /// last one. Where that is the one to come, it need not come.
    fn check_crowd(&self, account: &Account) -> Result<(), AddError> {
        if self.tally.remote(Lane::Pending) < self.config.global_slots {
            return Ok(());
        }
        let after = account.pending + 1;
        let most = self.tally.most_crowded().map_or(0, |(count, _)| count);
        if after > self.config.account_slots && after > most {
            return Err(AddError::Full);
        }
        Ok(())
    }

    /// An account with too many queued transactions gives up its last one.
    fn room_in_account(
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

/// Where a transaction is about to go.
struct Place {
    lane: Lane,
    is_local: bool,
    /// As it is before.
    account: Account,
    /// What has the nonce now.
    replaced: Option<Entry>,
}

impl Place {
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

/// Nonce, and what all of the sender's transactions can cost together.
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

/// Whoever a delegated account runs code of can spend its balance and use its nonces. One that is
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
