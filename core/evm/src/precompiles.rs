//! The precompiles of a block's rules, as the state overrides of a call change them.

use std::collections::BTreeMap;

use actoreum_primitives::Address;
use revm::context_interface::{Cfg, ContextTr};
use revm::handler::{EthPrecompiles, PrecompileProvider};
use revm::interpreter::{CallInputs, InterpreterResult};
use revm::primitives::AddressSet;
use revm::primitives::hardfork::SpecId;

use crate::call::StateOverrides;

/// Why the state overrides of a call cannot be applied, in geth's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// Only a precompile can be moved.
    #[error("account {} is not a precompile", .0.to_checksum(None))]
    NotPrecompile(Address),
    /// A precompile cannot be moved to an account that has overrides of its own.
    #[error("account {} is already overridden", .0.to_checksum(None))]
    AlreadyOverridden(Address),
}

/// The precompiles that a machine runs with.
///
/// An account with overrides is no precompile during the call, as in geth: its code is what the
/// overrides or the state say. A precompile that moves answers at its new address. Which addresses
/// are warm (EIP-2929) stays as the rules have it.
#[derive(Debug)]
pub(crate) struct Precompiles {
    inner: EthPrecompiles,
    /// For an address that changed: the precompile that answers there now, by the address that it
    /// has in the rules; `None` where none answers any more. Empty for all but a few calls.
    changed: BTreeMap<Address, Option<Address>>,
}

impl Precompiles {
    /// The precompiles of these rules.
    pub(crate) fn new(spec: SpecId) -> Self {
        Self {
            inner: EthPrecompiles::new(spec),
            changed: BTreeMap::new(),
        }
    }

    /// Removes and moves precompiles as the overrides of a call say.
    pub(crate) fn apply(&mut self, overrides: &StateOverrides) -> Result<(), OverrideError> {
        for (address, account) in overrides {
            let is_precompile = self.inner.contains(address);
            if let Some(target) = account.move_precompile_to {
                if !is_precompile {
                    return Err(OverrideError::NotPrecompile(*address));
                }
                if overrides.contains_key(&target) {
                    return Err(OverrideError::AlreadyOverridden(target));
                }
                self.changed.insert(target, Some(*address));
            }
            if is_precompile {
                self.changed.insert(*address, None);
            }
        }
        Ok(())
    }

    /// Addresses that are warm from the start.
    pub(crate) fn warm_addresses(&self) -> &AddressSet {
        self.inner.warm_addresses()
    }
}

impl<CTX: ContextTr<Cfg: Cfg<Spec = SpecId>>> PrecompileProvider<CTX> for Precompiles {
    type Output = InterpreterResult;

    fn set_spec(&mut self, spec: SpecId) -> bool {
        <EthPrecompiles as PrecompileProvider<CTX>>::set_spec(&mut self.inner, spec)
    }

    fn run(
        &mut self,
        context: &mut CTX,
        inputs: &CallInputs,
    ) -> Result<Option<InterpreterResult>, String> {
        if self.changed.is_empty() {
            return self.inner.run(context, inputs);
        }
        match self.changed.get(&inputs.bytecode_address) {
            None => self.inner.run(context, inputs),
            Some(None) => Ok(None),
            Some(Some(origin)) => {
                let mut inputs = inputs.clone();
                inputs.bytecode_address = *origin;
                self.inner.run(context, &inputs)
            }
        }
    }

    fn warm_addresses(&self) -> &AddressSet {
        Self::warm_addresses(self)
    }
}
