//! Changes to accounts and to the block that one call sees, which are not part of the state.

use std::collections::BTreeMap;

use actoreum_primitives::{Address, B256, Bytes, StateError, U256};

use crate::overlay::Overlay;

/// Changes to an account for one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountOverride {
    /// New nonce.
    pub nonce: Option<u64>,
    /// New balance in wei.
    pub balance: Option<U256>,
    /// New code.
    pub code: Option<Bytes>,
    /// New storage: every slot that is not listed becomes zero.
    pub state: Option<BTreeMap<B256, B256>>,
    /// New values of single slots; the other slots are unchanged.
    pub state_diff: Option<BTreeMap<B256, B256>>,
    /// Address to which the precompile at the account's address moves.
    pub move_precompile_to: Option<Address>,
}

/// Changes to accounts for one call.
pub type StateOverrides = BTreeMap<Address, AccountOverride>;

/// Changes to the block that a call's code sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockOverrides {
    /// Block number.
    pub number: Option<U256>,
    /// Difficulty.
    pub difficulty: Option<U256>,
    /// Timestamp in seconds.
    pub time: Option<u64>,
    /// Gas limit.
    pub gas_limit: Option<u64>,
    /// Beneficiary.
    pub coinbase: Option<Address>,
    /// Value of PREVRANDAO.
    pub random: Option<B256>,
    /// Base fee per gas in wei.
    pub base_fee: Option<u64>,
    /// Blob base fee per blob gas in wei.
    pub blob_base_fee: Option<u128>,
}

/// Makes the changes to accounts in `overlay`.
pub(crate) fn apply_state_overrides(
    overrides: &StateOverrides,
    overlay: &mut Overlay<'_>,
) -> Result<(), StateError> {
    for (address, change) in overrides {
        // An account that only loses its precompile does not come into being.
        if change.nonce.is_some() || change.balance.is_some() {
            overlay.override_account(*address, |account| {
                account.nonce = change.nonce.unwrap_or(account.nonce);
                account.balance = change.balance.unwrap_or(account.balance);
            })?;
        }
        if let Some(code) = &change.code {
            overlay.override_code(*address, code.clone())?;
        }
        for (wiped, slots) in [(true, &change.state), (false, &change.state_diff)] {
            let Some(slots) = slots else { continue };
            let slots = slots
                .iter()
                .map(|(key, value)| ((*key).into(), (*value).into()));
            overlay.override_storage(*address, wiped, slots)?;
        }
    }
    Ok(())
}
