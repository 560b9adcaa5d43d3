//! The precompiles of a block, with the changes of a call's state overrides.

use std::collections::BTreeMap;
use std::sync::Arc;

use actoreum_primitives::config::{DevSchedule, SignatureBytes};
use actoreum_primitives::{Address, B256, Fork};
use revm::context_interface::{Cfg, ContextTr};
use revm::handler::{EthPrecompiles, PrecompileProvider};
use revm::interpreter::{CallInputs, InterpreterResult};
use revm::primitives::AddressSet;
use revm::primitives::hardfork::SpecId;

use crate::overrides::StateOverrides;
use crate::spec::{Rules, spec_id};

/// Address of ECRECOVER.
const ECRECOVER: Address = Address::with_last_byte(1);

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
    /// The signers that the user of a development chain has set, and the number of the block.
    signers: Option<(Arc<DevSchedule>, u64)>,
}

impl Precompiles {
    /// Creates the precompiles of a block.
    pub(crate) fn new(rules: &Rules) -> Self {
        Self {
            inner: EthPrecompiles::new(rules.spec),
            changed: BTreeMap::new(),
            signers: rules.signers.clone(),
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

    /// Returns what ECRECOVER returns for a signature that the user of a development chain has
    /// given a signer.
    fn recovered(&self, input: &[u8]) -> Option<Address> {
        let (schedule, number) = self.signers.as_ref()?;
        let word = |index: usize| input.get(32 * index..32 * (index + 1));
        let v = word(1)?.last()?;
        let mut signature = [0; 65];
        signature
            .get_mut(..64)?
            .copy_from_slice(input.get(64..128)?);
        *signature.last_mut()? = *v;
        schedule.signer_at(*number, &SignatureBytes::new(signature))
    }

    /// Returns the addresses that are warm from the start.
    pub(crate) fn warm_addresses(&self) -> &AddressSet {
        self.inner.warm_addresses()
    }
}

/// Returns the precompiles of a fork: their names in EIP-7910 and their addresses.
pub fn precompile_names(fork: Fork) -> Vec<(String, Address)> {
    let precompiles = EthPrecompiles::new(spec_id(fork, true));
    let named = |precompile: &revm::precompile::Precompile| {
        let address = *precompile.address();
        (precompile.id().name().to_owned(), address)
    };
    precompiles
        .precompiles
        .inner()
        .values()
        .map(named)
        .collect()
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
        if self.changed.is_empty() && self.signers.is_none() {
            return self.inner.run(context, inputs);
        }
        let origin = match self.changed.get(&inputs.bytecode_address) {
            None => inputs.bytecode_address,
            Some(None) => return Ok(None),
            Some(Some(origin)) => *origin,
        };
        let mut inputs = inputs.clone();
        inputs.bytecode_address = origin;
        let mut result = self.inner.run(context, &inputs)?;
        if origin == ECRECOVER
            && let Some(result) = result.as_mut().filter(|result| result.is_ok())
            && let Some(signer) = self.recovered(&inputs.input.bytes(context))
        {
            result.output = B256::left_padding_from(signer.as_slice()).into();
        }
        Ok(result)
    }

    fn warm_addresses(&self) -> &AddressSet {
        Self::warm_addresses(self)
    }
}
