//! Creation of a development chain: its genesis block and, with clique, its signer's key.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use actoreum_chain::genesis;
use actoreum_primitives::{Address, DevChain, DevConsensus, SecretKey, U256};
use actoreum_storage::Store;
use actoreum_wallet::{KeyDirectory, Password};

use super::{ACCOUNT_ETHER, banner};
use crate::{config::DevConfig, dev_state};

/// A development chain that does not exist yet.
pub(super) struct NewChain<'a> {
    pub(super) store: &'a Store,
    pub(super) directory: &'a KeyDirectory,
    pub(super) dev: &'a DevConfig,
    pub(super) mnemonic_keys: &'a [SecretKey],
}

impl NewChain<'_> {
    /// Creates the signer's key and the genesis block, and prints the key; it is printed only here.
    pub(super) fn clique(&self) -> eyre::Result<Address> {
        let key = SecretKey::random();
        let mut chain = DevChain {
            period: self.dev.period,
            ..self.with_flags(DevChain::new(key.address()))
        };
        chain.accounts.extend(self.balances());
        let mut genesis = chain.genesis();
        dev_state::load(self.dev, &mut genesis)?;
        // The key comes first: a chain without its signer's key could never be continued.
        let account = self.directory.import(&key, &Password::default())?;
        if let Err(error) = genesis::init(self.store, &genesis) {
            // The key has no use without the chain. The first error is the one to report.
            let _ = self.directory.delete(&account, &Password::default());
            return Err(error.into());
        }
        banner::print_clique(&chain, &key, &account.path, self.mnemonic_keys);
        Ok(account.address)
    }

    /// Creates the genesis block of a chain without a signer, and prints the accounts.
    pub(super) fn without_signer(&self, consensus: DevConsensus) -> eyre::Result<()> {
        let chain = DevChain {
            consensus,
            timestamp: now(),
            accounts: self.balances(),
            ..self.with_flags(DevChain::merged())
        };
        let mut genesis = chain.genesis();
        dev_state::load(self.dev, &mut genesis)?;
        genesis::init(self.store, &genesis)?;
        banner::print(&chain, self.mnemonic_keys, None, None);
        Ok(())
    }

    fn with_flags(&self, chain: DevChain) -> DevChain {
        DevChain {
            chain_id: self.dev.chain_id.unwrap_or(chain.chain_id),
            gas_limit: self.dev.gas_limit.unwrap_or(chain.gas_limit),
            fork: self.dev.fork,
            ..chain
        }
    }

    pub(super) fn balances(&self) -> BTreeMap<Address, U256> {
        let ether = U256::from(10).pow(U256::from(18));
        let balance = U256::from(ACCOUNT_ETHER) * ether;
        let addresses = self.mnemonic_keys.iter().map(SecretKey::address);
        addresses.map(|address| (address, balance)).collect()
    }
}

/// Returns the time of the genesis block: a contract that is called before the first block sees the
/// present, as on other development nodes.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
