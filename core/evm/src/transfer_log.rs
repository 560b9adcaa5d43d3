//! The logs of a simulated call, with a log for each transfer of ether if they are wanted.

use actoreum_primitives::{Address, B256, Bytes, Log, U256};
use revm::Inspector;
use revm::context_interface::{ContextTr, JournalTr};
use revm::interpreter::{
    CallInputs, CallOutcome, CallScheme, CallValue, CreateInputs, CreateOutcome,
};
use revm::primitives::{address, b256};

use crate::context::EvmContext;
use crate::tx;

/// Address of the logs that stand for transfers of ether (ERC-7528).
const ETHER: Address = address!("0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
/// Topic of `Transfer(address,address,uint256)`.
const TRANSFER: B256 = b256!("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/// A log of a simulated call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedLog {
    /// The log.
    pub log: Log,
    /// Number of logs that were emitted before it in the block, reverted ones included, as in geth.
    pub index: u64,
}

/// An inspector that collects the logs of a call in the order in which they are emitted.
#[derive(Debug, Default)]
pub(crate) struct TransferLog {
    /// Whether transfers of ether are logged.
    with_transfers: bool,
    /// Number of logs of the block so far.
    count: u64,
    /// Logs of the running frames, outermost first.
    open: Vec<Vec<IndexedLog>>,
    /// Logs of the last call, once it has ended.
    done: Vec<IndexedLog>,
}

impl TransferLog {
    pub(crate) fn new(with_transfers: bool) -> Self {
        Self {
            with_transfers,
            ..Self::default()
        }
    }

    /// Returns the logs of the last call.
    pub(crate) fn take(&mut self) -> Vec<IndexedLog> {
        self.open.clear();
        std::mem::take(&mut self.done)
    }

    fn add(&mut self, log: Log) {
        if let Some(frame) = self.open.last_mut() {
            let index = self.count;
            frame.push(IndexedLog { log, index });
            self.count += 1;
        }
    }

    fn add_transfer(&mut self, from: Address, to: Address, value: U256) {
        if self.with_transfers && !value.is_zero() {
            self.add(Log {
                address: ETHER,
                topics: vec![TRANSFER, from.into_word(), to.into_word()],
                data: Bytes::copy_from_slice(&value.to_be_bytes::<32>()),
            });
        }
    }

    /// Ends a frame. The logs of a failed one are dropped with its other changes.
    fn exit(&mut self, is_ok: bool) {
        let logs = self.open.pop().filter(|_| is_ok).unwrap_or_default();
        match self.open.last_mut() {
            Some(outer) => outer.extend(logs),
            None => self.done = logs,
        }
    }
}

impl<'a> Inspector<EvmContext<'a>> for TransferLog {
    fn log(&mut self, _context: &mut EvmContext<'a>, log: revm::primitives::Log) {
        self.add(tx::log(log));
    }

    fn call(
        &mut self,
        _context: &mut EvmContext<'a>,
        inputs: &mut CallInputs,
    ) -> Option<CallOutcome> {
        self.open.push(Vec::new());
        if inputs.scheme != CallScheme::DelegateCall
            && let CallValue::Transfer(value) = inputs.value
        {
            self.add_transfer(inputs.caller, inputs.bytecode_address, value);
        }
        None
    }

    fn call_end(
        &mut self,
        _context: &mut EvmContext<'a>,
        _inputs: &CallInputs,
        outcome: &mut CallOutcome,
    ) {
        self.exit(outcome.result.is_ok());
    }

    fn create(
        &mut self,
        context: &mut EvmContext<'a>,
        inputs: &mut CreateInputs,
    ) -> Option<CreateOutcome> {
        self.open.push(Vec::new());
        let caller = inputs.caller();
        // An account that cannot be read fails in the frame itself.
        if let Ok(account) = context.journal_mut().load_account(caller) {
            let created = inputs.created_address(account.info.nonce);
            self.add_transfer(caller, created, inputs.value());
        }
        None
    }

    fn create_end(
        &mut self,
        _context: &mut EvmContext<'a>,
        _inputs: &CreateInputs,
        outcome: &mut CreateOutcome,
    ) {
        self.exit(outcome.result.is_ok());
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.add_transfer(contract, target, value);
    }
}
