//! Self-derivation: finds the accounts of a wallet that are in use on the chain.

use actoreum_chain::ChainReader;
use actoreum_primitives::{Address, StateReader as _};
use actoreum_wallet::{
    DerivationPath,
    hardware::{Brand, Driver, WalletError},
};
use tracing::{info, warn};

use super::{account::Account, limits::MAX_FOUND_AT_ONCE};

/// A series of derivation paths whose accounts are used one after another, and the position of the
/// search in it.
#[derive(Debug, Clone)]
pub(super) struct Series {
    next: DerivationPath,
    /// The address of the account at `next`, where it was derived already.
    address: Option<Address>,
    /// Whether the first unused account is listed, so that it can be used next.
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

    /// Returns the series of a brand: that of BIP-44, and for Ledger also that of its legacy
    /// application.
    pub(super) fn of(brand: Brand) -> Vec<Self> {
        let of_bip44 = Self::new(DerivationPath::account(0), true);
        match brand {
            Brand::Ledger => vec![Self::new(DerivationPath::legacy_ledger(0), false), of_bip44],
            Brand::Trezor => vec![of_bip44],
        }
    }

    /// Finds accounts up to the first unused one.
    fn advance(
        &mut self,
        driver: &mut dyn Driver,
        chain_reader: &ChainReader,
        found: &mut Vec<Account>,
    ) -> Result<(), WalletError> {
        let state = match chain_reader.state_at(chain_reader.head_number()) {
            Ok(state) => state,
            Err(error) => {
                warn!(%error, "hardware wallet self-derivation failed");
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
                    warn!(%error, %address, "hardware wallet self-derivation failed");
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

/// The result of a search: the accounts found, and the series at which the next search continues.
pub(super) struct SearchResult {
    pub(super) accounts: Vec<Account>,
    pub(super) series: Vec<Series>,
}

/// Searches for accounts in use. Blocks.
pub(super) fn search(
    driver: &mut dyn Driver,
    chain_reader: &ChainReader,
    mut series: Vec<Series>,
) -> Result<SearchResult, WalletError> {
    let mut accounts = Vec::new();
    for one in &mut series {
        one.advance(driver, chain_reader, &mut accounts)?;
    }
    Ok(SearchResult { accounts, series })
}
