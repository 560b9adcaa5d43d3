//! Access list of a call (EIP-2930).

use std::collections::{BTreeMap, BTreeSet};

use actoreum_primitives::{AccessListItem, Address, B256};
use revm::Inspector;
use revm::bytecode::opcode;
use revm::interpreter::Interpreter;
use revm::interpreter::interpreter_types::{InputsTr, Jumps};

/// Records every account and slot that the instructions access. Accounts that are always warm
/// (sender, recipient, precompiles) are listed only for their slots.
#[derive(Debug, Clone, Default)]
pub(crate) struct AccessListInspector {
    warm: BTreeSet<Address>,
    touched: BTreeMap<Address, BTreeSet<B256>>,
}

impl AccessListInspector {
    /// Creates an inspector whose list begins with `listed`.
    pub(crate) fn new(warm: BTreeSet<Address>, listed: &[AccessListItem]) -> Self {
        let mut inspector = Self {
            warm,
            touched: BTreeMap::new(),
        };
        for item in listed {
            inspector.touch(item.address);
            for key in &item.storage_keys {
                inspector
                    .touched
                    .entry(item.address)
                    .or_default()
                    .insert(*key);
            }
        }
        inspector
    }

    fn touch(&mut self, address: Address) {
        if !self.warm.contains(&address) {
            self.touched.entry(address).or_default();
        }
    }

    /// Returns the list, ordered by address and slot.
    pub(crate) fn list(&self) -> Vec<AccessListItem> {
        let items = self.touched.iter().map(|(address, keys)| AccessListItem {
            address: *address,
            storage_keys: keys.iter().copied().collect(),
        });
        items.collect()
    }
}

impl<CTX> Inspector<CTX> for AccessListInspector {
    fn step(&mut self, interpreter: &mut Interpreter, _context: &mut CTX) {
        let stack = &interpreter.stack;
        let top = |index| stack.peek(index).ok();
        match interpreter.bytecode.opcode() {
            opcode::SLOAD | opcode::SSTORE => {
                if let Some(key) = top(0) {
                    let address = interpreter.input.target_address();
                    self.touched
                        .entry(address)
                        .or_default()
                        .insert(B256::from(key));
                }
            }
            opcode::EXTCODECOPY
            | opcode::EXTCODEHASH
            | opcode::EXTCODESIZE
            | opcode::BALANCE
            | opcode::SELFDESTRUCT => {
                if let Some(address) = top(0) {
                    self.touch(Address::from_word(B256::from(address)));
                }
            }
            opcode::CALL | opcode::CALLCODE | opcode::DELEGATECALL | opcode::STATICCALL
                if stack.len() >= 5 =>
            {
                if let Some(address) = top(1) {
                    self.touch(Address::from_word(B256::from(address)));
                }
            }
            _ => {}
        }
    }
}
