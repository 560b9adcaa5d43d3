//! How transactions enter and leave: every map and count changes here, and together.

use std::sync::Arc;

use actoreum_primitives::Address;

use super::{LOCALS_REMEMBERED, Pool};
use crate::account::{Account, Entry, Lane};
use crate::transaction::PoolTx;

impl Pool {
    /// Puts a transaction where no other is. Where its sender has none, it begins with
    /// `account`, an empty one. Those that waited for it become pending.
    pub(super) fn insert(&mut self, account: Account, entry: Entry, now: u64) {
        let sender = entry.tx.sender();
        if !self.view.accounts.contains_key(&sender) {
            self.view.accounts.insert_mut(sender, account);
            self.tally.account_enters();
        }
        let Some(account) = self.view.accounts.get_mut(&sender) else {
            return;
        };
        account.active_at = now;
        self.view
            .by_hash
            .insert_mut(entry.tx.hash(), Arc::clone(&entry.tx));
        let nonce = entry.tx.nonce();
        account.cost = account.cost.saturating_add(entry.tx.cost());
        account.txs.insert_mut(nonce, entry.clone());
        self.tally.enter(Lane::Queued, &entry, account.is_local);
        self.promote(sender);
    }

    /// Puts a transaction in the place of another one with its nonce.
    pub(super) fn replace(&mut self, old: &Entry, entry: Entry, now: u64) {
        let sender = entry.tx.sender();
        let Some(account) = self.view.accounts.get_mut(&sender) else {
            return;
        };
        account.active_at = now;
        self.view.by_hash.remove_mut(&old.tx.hash());
        self.view
            .by_hash
            .insert_mut(entry.tx.hash(), Arc::clone(&entry.tx));
        account.cost = account
            .cost
            .saturating_sub(old.tx.cost())
            .saturating_add(entry.tx.cost());
        let nonce = entry.tx.nonce();
        account.txs.insert_mut(nonce, entry.clone());
        let lane = account.lane(nonce);
        self.tally.leave(lane, old, account.is_local);
        self.tally.enter(lane, &entry, account.is_local);
        if lane == Lane::Pending {
            self.changes.pending.push(entry.tx);
        }
    }

    /// Takes a transaction out. Pending ones behind it become queued.
    pub(super) fn remove(&mut self, sender: Address, nonce: u64) -> Option<Arc<PoolTx>> {
        let account = self.view.accounts.get_mut(&sender)?;
        let entry = account.txs.get(&nonce)?.clone();
        self.tally
            .leave(account.lane(nonce), &entry, account.is_local);
        if account.lane(nonce) == Lane::Pending {
            for (_, behind) in account.txs.range(nonce + 1..account.next_nonce()) {
                self.tally.leave(Lane::Pending, behind, account.is_local);
                self.tally.enter(Lane::Queued, behind, account.is_local);
            }
            let before = account.pending;
            account.pending = nonce - account.nonce;
            self.tally
                .resize(account, sender, before, self.config.account_slots);
        }
        account.txs.remove_mut(&nonce);
        account.cost = account.cost.saturating_sub(entry.tx.cost());
        self.view.by_hash.remove_mut(&entry.tx.hash());
        self.forget_if_empty(sender);
        Some(entry.tx)
    }

    /// The sender's nonce in the state moved on: what is below it leaves, and what waited for
    /// it becomes pending.
    pub(super) fn advance(&mut self, sender: Address, nonce: u64) {
        let Some(account) = self.view.accounts.get_mut(&sender) else {
            return;
        };
        while let Some((&first, entry)) = account.txs.first()
            && first < nonce
        {
            let entry = entry.clone();
            self.tally
                .leave(account.lane(first), &entry, account.is_local);
            account.txs.remove_mut(&first);
            account.cost = account.cost.saturating_sub(entry.tx.cost());
            self.view.by_hash.remove_mut(&entry.tx.hash());
        }
        let before = account.pending;
        account.pending = account.next_nonce().saturating_sub(nonce);
        account.nonce = nonce;
        self.tally
            .resize(account, sender, before, self.config.account_slots);
        self.promote(sender);
        self.forget_if_empty(sender);
    }

    /// Makes pending what follows the pending ones without a gap.
    pub(super) fn promote(&mut self, sender: Address) {
        let Some(account) = self.view.accounts.get_mut(&sender) else {
            return;
        };
        let before = account.pending;
        while let Some(entry) = account.txs.get(&account.next_nonce()) {
            self.tally.leave(Lane::Queued, entry, account.is_local);
            self.tally.enter(Lane::Pending, entry, account.is_local);
            self.changes.pending.push(Arc::clone(&entry.tx));
            account.pending += 1;
        }
        self.tally
            .resize(account, sender, before, self.config.account_slots);
    }

    /// Takes a sender out with all its transactions.
    pub(super) fn take_account(&mut self, sender: Address) -> Option<Account> {
        let account = self.view.accounts.get(&sender)?.clone();
        for (nonce, entry) in account.txs.iter() {
            self.tally
                .leave(account.lane(*nonce), entry, account.is_local);
            self.view.by_hash.remove_mut(&entry.tx.hash());
        }
        let emptied = account.emptied();
        self.tally
            .resize(&emptied, sender, account.pending, self.config.account_slots);
        self.view.accounts.remove_mut(&sender);
        self.tally.account_leaves();
        Some(account)
    }

    /// The sender's transactions are local from now on.
    pub(super) fn make_local(&mut self, sender: Address) {
        self.locals.insert(sender);
        if self.locals.len() >= self.locals_bound {
            let (accounts, configured) = (&self.view.accounts, &self.config.locals);
            self.locals
                .retain(|it| accounts.contains_key(it) || configured.contains(it));
            self.locals_bound = LOCALS_REMEMBERED.max(2 * self.locals.len());
        }
        let Some(account) = self.view.accounts.get_mut(&sender) else {
            return;
        };
        if account.is_local {
            return;
        }
        for (nonce, entry) in account.txs.iter() {
            self.tally.leave(account.lane(*nonce), entry, false);
            self.tally.enter(account.lane(*nonce), entry, true);
            self.changes.journal.push(Arc::clone(&entry.tx));
        }
        account.is_local = true;
        self.tally
            .resize(account, sender, account.pending, self.config.account_slots);
    }

    fn forget_if_empty(&mut self, sender: Address) {
        let account = self.view.accounts.get(&sender);
        if account.is_some_and(|account| account.txs.is_empty()) {
            self.view.accounts.remove_mut(&sender);
            self.tally.account_leaves();
        }
    }
}
