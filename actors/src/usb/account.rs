//! An account of a hardware wallet.

use actoreum_primitives::Address;
use actoreum_wallet::DerivationPath;

/// An account that the wallet signs for.
pub(super) struct Account {
    pub(super) address: Address,
    pub(super) path: DerivationPath,
}
