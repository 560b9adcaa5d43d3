//! Insertion and removal: all maps and counters change here, together.

use std::sync::Arc;

use actoreum_primitives::Address;

use super::{LOCALS_PRUNE_SIZE, Pool};
use crate::account::{Account, Entry, SubPool};
use crate::transaction::PoolTx;

impl Pool {
    /// Inserts a transaction at a free nonce. A sender without transactions starts with the empty
    /// `account`. Queued transactions that follow without a gap become pending.
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
        self.tally.enter(SubPool::Queued, &entry, account.is_local);
        self.promote(sender);
    }

    /// Replaces a transaction by another one with the same nonce.
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
        let sub_pool = account.sub_pool(nonce);
        self.tally.leave(sub_pool, old, account.is_local);
        self.tally.enter(sub_pool, &entry, account.is_local);
        if sub_pool == SubPool::Pending {
            self.changes.pending.push(entry.tx);
        }
    }

    /// Removes a transaction. Pending transactions with higher nonces become queued.
    pub(super) fn remove(&mut self, sender: Address, nonce: u64) -> Option<Arc<PoolTx>> {
        let account = self.view.accounts.get_mut(&sender)?;
        let entry = account.txs.get(&nonce)?.clone();
        self.tally
            .leave(account.sub_pool(nonce), &entry, account.is_local);
        if account.sub_pool(nonce) == SubPool::Pending {
            for (_, behind) in account.txs.range(nonce + 1..account.next_nonce()) {
                self.tally.leave(SubPool::Pending, behind, account.is_local);
                self.tally.enter(SubPool::Queued, behind, account.is_local);
            }
            let before = account.pending;
            account.pending = nonce - account.nonce;
            self.tally
                .resize(account, sender, before, self.config.account_slots);
        }
        account.txs.remove_mut(&nonce);
        account.cost = account.cost.saturating_sub(entry.tx.cost());
        self.view.by_hash.remove_mut(&entry.tx.hash());
        self.remove_if_empty(sender);
        Some(entry.tx)
    }

    /// Raises the account's nonce: transactions below it leave, and queued ones that follow without
    /// a gap become pending.
    pub(super) fn advance(&mut self, sender: Address, nonce: u64) {
        let Some(account) = self.view.accounts.get_mut(&sender) else {
            return;
        };
        while let Some((&first, entry)) = account.txs.first()
            && first < nonce
        {
            let entry = entry.clone();
            self.tally
                .leave(account.sub_pool(first), &entry, account.is_local);
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
        self.remove_if_empty(sender);
    }

    /// Makes queued transactions pending that follow the pending ones without a gap.
    pub(super) fn promote(&mut self, sender: Address) {
        let Some(account) = self.view.accounts.get_mut(&sender) else {
            return;
        };
        let before = account.pending;
        while let Some(entry) = account.txs.get(&account.next_nonce()) {
            self.tally.leave(SubPool::Queued, entry, account.is_local);
            self.tally.enter(SubPool::Pending, entry, account.is_local);
            self.changes.pending.push(Arc::clone(&entry.tx));
            account.pending += 1;
        }
        self.tally
            .resize(account, sender, before, self.config.account_slots);
    }

    /// Removes a sender with all its transactions.
    pub(super) fn remove_account(&mut self, sender: Address) -> Option<Account> {
        let account = self.view.accounts.get(&sender)?.clone();
        for (nonce, entry) in account.txs.iter() {
            self.tally
                .leave(account.sub_pool(*nonce), entry, account.is_local);
            self.view.by_hash.remove_mut(&entry.tx.hash());
        }
        let emptied = account.emptied();
        self.tally
            .resize(&emptied, sender, account.pending, self.config.account_slots);
        self.view.accounts.remove_mut(&sender);
        self.tally.account_leaves();
        Some(account)
    }

    /// Makes a sender's transactions local from now on.
    pub(super) fn make_local(&mut self, sender: Address) {
        self.locals.insert(sender);
        if self.locals.len() >= self.locals_prune_size {
            let (accounts, configured) = (&self.view.accounts, &self.config.locals);
            self.locals
                .retain(|it| accounts.contains_key(it) || configured.contains(it));
            self.locals_prune_size = LOCALS_PRUNE_SIZE.max(2 * self.locals.len());
        }
        let Some(account) = self.view.accounts.get_mut(&sender) else {
            return;
        };
        if account.is_local {
            return;
        }
        for (nonce, entry) in account.txs.iter() {
            self.tally.leave(account.sub_pool(*nonce), entry, false);
            self.tally.enter(account.sub_pool(*nonce), entry, true);
            self.changes.journal.push(Arc::clone(&entry.tx));
        }
        account.is_local = true;
        self.tally
            .resize(account, sender, account.pending, self.config.account_slots);
    }

    fn remove_if_empty(&mut self, sender: Address) {
        let account = self.view.accounts.get(&sender);
        if account.is_some_and(|account| account.txs.is_empty()) {
            self.view.accounts.remove_mut(&sender);
            self.tally.account_leaves();
        }
    }
}
