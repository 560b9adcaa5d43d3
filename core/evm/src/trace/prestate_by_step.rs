//! `prestateTracer` of geth 1.8: it records each account when an instruction refers to it, and the
//! sender last.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use actoreum_primitives::{Address, B256, Bytes, StateError, U256};
use revm::bytecode::opcode;
use revm::context::TxEnv;
use revm::context_interface::{ContextTr, JournalTr};
use revm::interpreter::Interpreter;
use revm::interpreter::interpreter_types::{InputsTr, Jumps};
use revm::primitives::TxKind;
use revm::state::EvmState;

use super::prestate::{PrestateAccount, PrestateTrace};
use crate::context::EvmContext;
use crate::overlay::Overlay;

/// An inspector that collects accounts and slots during the execution.
#[derive(Debug, Default)]
pub(crate) struct StepPrestateTracer {
    accounts: BTreeMap<Address, PrestateAccount>,
    failure: Option<StateError>,
    created: Option<Address>,
}

impl StepPrestateTracer {
    pub(crate) fn step(&mut self, interpreter: &Interpreter, context: &mut EvmContext<'_>) {
        if let Err(error) = self.record_accesses(interpreter, context) {
            self.failure.get_or_insert(error);
        }
    }

    fn record_accesses(
        &mut self,
        interpreter: &Interpreter,
        context: &mut EvmContext<'_>,
    ) -> Result<(), StateError> {
        let own = interpreter.input.target_address();
        if self.accounts.is_empty() {
            self.created = Some(own);
            self.record(own, context)?;
        }
        let top = |index| interpreter.stack.peek(index).ok();
        let address = |item: U256| Address::from_word(B256::from(item));
        match interpreter.bytecode.opcode() {
            opcode::EXTCODECOPY | opcode::EXTCODESIZE | opcode::BALANCE => {
                if let Some(item) = top(0) {
                    self.record(address(item), context)?;
                }
            }
            opcode::CREATE => {
                let nonce = context.journaled_state.inner.state.get(&own);
                let nonce = nonce.map_or(0, |account| account.info.nonce);
                self.record(own.create(nonce), context)?;
            }
            opcode::CREATE2 => {
                if let (Some(offset), Some(size), Some(salt)) = (top(1), top(2), top(3)) {
                    let init_code = memory(interpreter, offset, size);
                    let created = own.create2_from_code(B256::from(salt), init_code);
                    self.record(created, context)?;
                }
            }
            opcode::CALL | opcode::CALLCODE | opcode::DELEGATECALL | opcode::STATICCALL => {
                if let Some(item) = top(1) {
                    self.record(address(item), context)?;
                }
            }
            opcode::SLOAD | opcode::SSTORE => {
                if let Some(key) = top(0) {
                    self.record(own, context)?;
                    self.record_slot(own, key, context)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn record(&mut self, address: Address, context: &mut EvmContext<'_>) -> Result<(), StateError> {
        if self.accounts.contains_key(&address) {
            return Ok(());
        }
        let journaled = context.journaled_state.inner.state.get(&address);
        let journaled = journaled.map(|account| (account.info.nonce, account.info.balance));
        let overlay = context.journal_mut().db_mut();
        let (nonce, balance) = match journaled {
            Some(known) => known,
            None => overlay
                .account(address)?
                .map_or((0, U256::ZERO), |account| (account.nonce, account.balance)),
        };
        let code = overlay.account_code(address)?.original_bytes();
        self.accounts
            .insert(address, to_prestate_account(nonce, balance, code));
        Ok(())
    }

    fn record_slot(
        &mut self,
        address: Address,
        key: U256,
        context: &mut EvmContext<'_>,
    ) -> Result<(), StateError> {
        let journaled = context.journaled_state.inner.state.get(&address);
        let journaled = journaled.and_then(|account| account.storage.get(&key));
        let value = match journaled {
            Some(slot) => slot.present_value,
            None => context.journal_mut().db_mut().storage_value(address, key)?,
        };
        let account = self.accounts.entry(address).or_default();
        let slots = account.storage.get_or_insert_default();
        slots.entry(B256::from(key)).or_insert(B256::from(value));
        Ok(())
    }

    pub(crate) fn finish(
        mut self,
        tx: &TxEnv,
        changes: &EvmState,
        overlay: &mut Overlay<'_>,
    ) -> Result<PrestateTrace, StateError> {
        if let Some(error) = self.failure {
            return Err(error);
        }
        let sender = tx.caller;
        if let Entry::Vacant(entry) = self.accounts.entry(sender) {
            let info = changes.get(&sender).map(|account| &account.info);
            let (nonce, balance) = info.map_or((0, U256::ZERO), |it| (it.nonce, it.balance));
            let code = overlay.account_code(sender)?.original_bytes();
            entry.insert(to_prestate_account(nonce, balance, code));
        }
        let to = match tx.kind {
            TxKind::Call(to) => Some(to),
            TxKind::Create => self.created,
        };
        if let Some(to) = to.and_then(|to| self.accounts.get_mut(&to)) {
            to.balance = to.balance.map(|balance| balance.saturating_sub(tx.value));
        }
        if let Some(from) = self.accounts.get_mut(&sender) {
            from.balance = from.balance.map(|balance| balance.saturating_add(tx.value));
            from.nonce = from.nonce.map(|nonce| nonce.saturating_sub(1));
        }
        if let (TxKind::Create, Some(created)) = (tx.kind, self.created) {
            self.accounts.remove(&created);
        }
        Ok(PrestateTrace::Pre(self.accounts))
    }
}

/// Returns an account with all fields, including the empty ones.
fn to_prestate_account(nonce: u64, balance: U256, code: Bytes) -> PrestateAccount {
    PrestateAccount {
        balance: Some(balance),
        code: Some(code),
        nonce: Some(nonce),
        storage: Some(BTreeMap::new()),
    }
}

/// Returns a range of the memory; empty if the range exceeds the memory.
fn memory(interpreter: &Interpreter, offset: U256, size: U256) -> Vec<u8> {
    let memory = interpreter.memory.context_memory();
    let range = || {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        memory.get(start..end)
    };
    range().unwrap_or_default().to_vec()
}
