//! Self-derivation: accounts that a wallet's owner used before are found by what the chain says of
//! them.

use actoreum_chain::ChainReader;
use actoreum_primitives::{Address, StateReader as _};
use actoreum_wallet::{
    DerivationPath,
    hardware::{Brand, Driver, WalletError},
};
use tracing::{info, warn};

use super::{limits::MAX_FOUND_AT_ONCE, wallet::Account};

/// Paths whose accounts are used one after another, and where the search stands.
#[derive(Debug, Clone)]
pub(super) struct Series {
    next: DerivationPath,
    /// The account at `next`, where it is known already.
    address: Option<Address>,
    /// Whether its first unused account is listed, for its owner to use.
    lists_unused: bool,
}

impl Series {
    fn new(first: DerivationPath, lists_unused: bool) -> Self {
        Self {
            next: first,
            address: None,
            lists_unused,
        }
    }

    /// The series of a brand: the one of BIP-44, and what Ledger's first application used.
    pub(super) fn of(brand: Brand) -> Vec<Self> {
        let of_bip44 = Self::new(DerivationPath::account(0), true);
        match brand {
            Brand::Ledger => vec![Self::new(DerivationPath::legacy_ledger(0), false), of_bip44],
            Brand::Trezor => vec![of_bip44],
        }
    }

    /// Finds accounts up to the first that was never used.
    fn advance(
        &mut self,
        driver: &mut dyn Driver,
        chain: &ChainReader,
        found: &mut Vec<Account>,
    ) -> Result<(), WalletError> {
        let state = match chain.state_at(chain.head_number()) {
            Ok(state) => state,
            Err(error) => {
                warn!(%error, "hardware wallet does not look for accounts");
                return Ok(());
            }
        };
        for _ in 0..MAX_FOUND_AT_ONCE {
            let address = match self.address {
                Some(address) => address,
                None => driver.derive(&self.next)?,
            };
            let is_new = self.address.replace(address).is_none();
            let account = match state.account(&address) {
                Ok(account) => account.unwrap_or_default(),
                Err(error) => {
                    warn!(%error, %address, "hardware wallet does not look for accounts");
                    return Ok(());
                }
            };
            let (path, balance, nonce) = (&self.next, account.balance, account.nonce);
            let is_unused = balance.is_zero() && nonce == 0;
            if is_unused && !self.lists_unused {
                if is_new {
                    info!(%path, %address, "unused account on a legacy path is not listed; personal_deriveAccount lists it");
                }
                return Ok(());
            }
            if is_new || !is_unused {
                info!(%address, %path, %balance, nonce, "hardware wallet has an account");
            }
            found.push(Account {
                address,
                path: self.next.clone(),
            });
            let (false, Some(next)) = (is_unused, self.next.next()) else {
                return Ok(());
            };
            self.next = next;
            self.address = None;
        }
        Ok(())
    }
}

/// What a search came to: accounts, and where the next one goes on.
pub(super) struct Found {
    pub(super) accounts: Vec<Account>,
    pub(super) series: Vec<Series>,
}

/// Looks for accounts in use. Blocks.
pub(super) fn search(
    driver: &mut dyn Driver,
    chain: &ChainReader,
    mut series: Vec<Series>,
) -> Result<Found, WalletError> {
    let mut accounts = Vec::new();
    for one in &mut series {
        one.advance(driver, chain, &mut accounts)?;
    }
    Ok(Found { accounts, series })
}
