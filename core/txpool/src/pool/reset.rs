//! Following the head of the chain.

use std::sync::Arc;

use actoreum_primitives::{Address, EMPTY_CODE_HASH, StateError, StateReader, U256};

use super::Pool;
use crate::account::{Account, Origin, SubPool};
use crate::head::Head;
use crate::transaction::PoolTx;

/// A sender's account in the new state.
struct SenderState {
    sender: Address,
    nonce: u64,
    balance: U256,
    has_code: bool,
}

impl Pool {
    /// Moves the pool to another head: drops transactions that were mined or can't be paid any
    /// more, and checks all transactions again if the rules or the gas limit changed.
    ///
    /// `state` is the state of the new head. `removed` are the transactions of blocks that left the
    /// canonical chain and are in no block of the new one; they are added again if they are still
    /// valid.
    ///
    /// # Errors
    /// The state could not be read; the pool stays at the previous head.
    pub fn reset(
        &mut self,
        head: Head,
        state: &impl StateReader,
        removed: impl IntoIterator<Item = Arc<PoolTx>>,
        now: u64,
    ) -> Result<(), StateError> {
        let sender_states = self.read_sender_states(state)?;
        let has_same_rules = head.has_rules_of(&self.view.head);
        self.view.head = head;
        let accounts = &self.view.accounts;
        self.tally
            .prices
            .set_base_fee(head.base_fee_per_gas, |priced| {
                accounts.get(&priced.sender)?.txs.get(&priced.nonce)
            });
        for sender_state in &sender_states {
            self.revalidate(sender_state, has_same_rules);
        }
        for tx in removed {
            // A transaction that was mined again or is no longer valid is dropped.
            let _ = self.add(tx, Origin::Reorg, state, now);
        }
        for sender_state in &sender_states {
            self.trim_account_queue(sender_state.sender);
        }
        self.trim_queue();
        self.trim_pending();
        Ok(())
    }

    fn read_sender_states(&self, state: &impl StateReader) -> Result<Vec<SenderState>, StateError> {
        // On chains where contracts may send, code does not imply a delegation.
        let ignores_code = self.view.head.senders.allows_contracts();
        let mut sender_states = Vec::with_capacity(self.view.accounts.size());
        for sender in self.view.accounts.keys() {
            let info = state.account(sender)?.unwrap_or_default();
            sender_states.push(SenderState {
                sender: *sender,
                nonce: info.nonce,
                balance: info.balance,
                has_code: info.code_hash != EMPTY_CODE_HASH && !ignores_code,
            });
        }
        // The map has no defined order: sorting makes equal resets give equal announcements.
        sender_states.sort_unstable_by_key(|sender_state| sender_state.sender);
        Ok(sender_states)
    }

    fn revalidate(&mut self, sender_state: &SenderState, has_same_rules: bool) {
        let sender = sender_state.sender;
        let Some(account) = self.view.accounts.get(&sender) else {
            return;
        };
        let is_unchanged = account.nonce == sender_state.nonce
            && account.balance == sender_state.balance
            && account.is_delegated == sender_state.has_code
            && has_same_rules;
        if is_unchanged {
            return;
        }
        if sender_state.nonce > account.nonce {
            self.advance(sender, sender_state.nonce);
        }
        let Some(account) = self.view.accounts.get_mut(&sender) else {
            return;
        };
        // An account that sends has no code except a delegation (EIP-3607).
        account.is_delegated = sender_state.has_code;
        if account.nonce == sender_state.nonce
            && account.cost <= sender_state.balance
            && has_same_rules
        {
            account.balance = sender_state.balance;
            return;
        }
        self.rebuild(sender_state);
    }

    /// Removes all transactions of a sender and inserts those that are still valid, by nonce.
    fn rebuild(&mut self, sender_state: &SenderState) {
        let Some(old) = self.remove_account(sender_state.sender) else {
            return;
        };
        let announced = self.changes.pending.len();
        let mut left = sender_state.balance;
        for (nonce, entry) in old.txs.iter() {
            let is_valid = *nonce >= sender_state.nonce
                && entry.tx.cost() <= left
                && entry.tx.check(&self.view.head).is_ok()
                && entry.tx.check_intrinsic_gas(self.view.head.fork).is_ok();
            if !is_valid {
                continue;
            }
            left -= entry.tx.cost();
            let empty = Account::new(
                sender_state.nonce,
                sender_state.balance,
                sender_state.has_code,
                old.is_local,
            );
            self.insert(empty, entry.clone(), old.active_at);
        }
        // Transactions that were pending before have been announced already.
        let again = self.changes.pending.split_off(announced);
        let new = again
            .into_iter()
            .filter(|tx| old.sub_pool(tx.nonce()) == SubPool::Queued);
        self.changes.pending.extend(new);
    }
}
