//! The precompiles of a block, with the changes of a call's state overrides.

use std::collections::BTreeMap;

use actoreum_primitives::Address;
use revm::context_interface::{Cfg, ContextTr};
use revm::handler::{EthPrecompiles, PrecompileProvider};
use revm::interpreter::{CallInputs, InterpreterResult};
use revm::primitives::AddressSet;
use revm::primitives::hardfork::SpecId;

use crate::overrides::StateOverrides;

/// An error about the state overrides of a call, with geth's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// Only a precompile can be moved.
    #[error("account {} is not a precompile", .0.to_checksum(None))]
    NotPrecompile(Address),
    /// A precompile cannot be moved to an account that has overrides of its own.
    #[error("account {} is already overridden", .0.to_checksum(None))]
    AlreadyOverridden(Address),
}

/// The precompiles of an EVM.
///
/// An account with overrides is not a precompile during the call, as in geth: its code is that of
/// the overrides or of the state. A moved precompile answers at its new address. The set of warm
/// addresses (EIP-2929) does not change.
#[derive(Debug)]
pub(crate) struct Precompiles {
    inner: EthPrecompiles,
    /// Changed addresses, each with the original address of the precompile that now answers there;
    /// `None` if none answers any more. It is empty for almost all calls.
    changed: BTreeMap<Address, Option<Address>>,
}

impl Precompiles {
    /// Creates the precompiles of a fork.
    pub(crate) fn new(spec: SpecId) -> Self {
        Self {
            inner: EthPrecompiles::new(spec),
            changed: BTreeMap::new(),
        }
    }

    /// Removes and moves precompiles according to the overrides of a call.
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

    /// Returns the addresses that are warm from the start.
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
