//! How the pool follows the head.

use std::sync::Arc;

use actoreum_primitives::{Address, EMPTY_CODE_HASH, StateError, StateReader, U256};

use super::Pool;
use crate::account::{Account, Lane, Origin};
use crate::head::Head;
use crate::transaction::PoolTx;

/// What the state says of a sender.
struct Standing {
    sender: Address,
    nonce: u64,
    balance: U256,
    has_code: bool,
}

impl Pool {
    /// Stands on another head: drops what was mined or can't be paid any more, and checks all
    /// of it again where the rules or the gas limit changed. `state` is the new head's;
    /// `removed` are the transactions of blocks that left the chain and are in no block of the
    /// new one, and come back as far as they are still valid.
    ///
    /// # Errors
    /// The state could not be read; the pool still stands on the head before.
    pub fn reset(
        &mut self,
        head: Head,
        state: &impl StateReader,
        removed: impl IntoIterator<Item = Arc<PoolTx>>,
        now: u64,
    ) -> Result<(), StateError> {
        let standings = self.read_standings(state)?;
        let has_same_rules = head.has_rules_of(&self.view.head);
        self.view.head = head;
        let accounts = &self.view.accounts;
        self.tally
            .prices
            .set_base_fee(head.base_fee_per_gas, |priced| {
                accounts.get(&priced.sender)?.txs.get(&priced.nonce)
            });
        for standing in &standings {
            self.recheck(standing, has_same_rules);
        }
        for tx in removed {
            // Mined again, or not valid any more: nothing is lost that could be kept.
            let _ = self.add(tx, Origin::Reorg, state, now);
        }
        for standing in &standings {
            self.trim_account_queue(standing.sender);
        }
        self.trim_queue();
        self.trim_pending();
        Ok(())
    }

    fn read_standings(&self, state: &impl StateReader) -> Result<Vec<Standing>, StateError> {
        // Where contracts send, code says nothing of a delegation.
        let ignores_code = self.view.head.senders.allows_contracts();
        let mut standings = Vec::with_capacity(self.view.accounts.size());
        for sender in self.view.accounts.keys() {
            let info = state.account(sender)?.unwrap_or_default();
            standings.push(Standing {
                sender: *sender,
                nonce: info.nonce,
                balance: info.balance,
                has_code: info.code_hash != EMPTY_CODE_HASH && !ignores_code,
            });
        }
        // The map has no order of its own: the same resets give the same announcements.
        standings.sort_unstable_by_key(|standing| standing.sender);
        Ok(standings)
    }

    fn recheck(&mut self, standing: &Standing, has_same_rules: bool) {
        let sender = standing.sender;
        let Some(account) = self.view.accounts.get(&sender) else {
            return;
        };
        let is_settled = account.nonce == standing.nonce
            && account.balance == standing.balance
            && account.is_delegated == standing.has_code
            && has_same_rules;
        if is_settled {
            return;
        }
        if standing.nonce > account.nonce {
            self.advance(sender, standing.nonce);
        }
        let Some(account) = self.view.accounts.get_mut(&sender) else {
            return;
        };
        // An account that sends has no code but a delegation (EIP-3607).
        account.is_delegated = standing.has_code;
        if account.nonce == standing.nonce && account.cost <= standing.balance && has_same_rules {
            account.balance = standing.balance;
            return;
        }
        self.rebuild(standing);
    }

    /// Takes all transactions of a sender out and puts those back that still hold, by nonce.
    fn rebuild(&mut self, standing: &Standing) {
        let Some(old) = self.take_account(standing.sender) else {
            return;
        };
        let announced = self.changes.pending.len();
        let mut left = standing.balance;
        for (nonce, entry) in old.txs.iter() {
            let is_valid = *nonce >= standing.nonce
                && entry.tx.cost() <= left
                && entry.tx.check(&self.view.head).is_ok()
                && entry.tx.check_intrinsic_gas(self.view.head.fork).is_ok();
            if !is_valid {
                continue;
            }
            left -= entry.tx.cost();
            let empty = Account::new(
                standing.nonce,
                standing.balance,
                standing.has_code,
                old.is_local,
            );
            self.insert(empty, entry.clone(), old.active_at);
        }
        // What was pending before has been announced before.
        let again = self.changes.pending.split_off(announced);
        let new = again
            .into_iter()
            .filter(|tx| old.lane(tx.nonce()) == Lane::Queued);
        self.changes.pending.extend(new);
    }
}
