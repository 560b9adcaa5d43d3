//! A development chain that is forked off a remote one: its first state.

use std::sync::Arc;

use actoreum_actors::clock::ChainClock;
use actoreum_chain::ForkBase;
use actoreum_primitives::{
    AccountChange, AccountInfo, Address, DevChain, DevConsensus, EMPTY_CODE_HASH, Genesis,
    SlotChange, StateDiff, U256, genesis::GenesisAccount, keccak256,
};
use actoreum_rpc::fork::{Fork, ForkOptions};
use actoreum_storage::RemoteState as _;
use eyre::{WrapErr, bail};
use tracing::info;

use super::{banner, create::NewChain};
use crate::{config::DevConfig, dev_state};

/// Asks the remote node for the fork block.
pub(super) fn connect(options: &ForkOptions) -> eyre::Result<Arc<Fork>> {
    let fork = Fork::connect(options.clone()).wrap_err("--fork-url")?;
    let block = fork.block();
    info!(
        number = block.number,
        hash = %block.hash(),
        chain_id = fork.chain_id(),
        "forking a remote chain"
    );
    Ok(Arc::new(fork))
}

/// Returns the gas limit of the blocks: that of `--dev.gaslimit`, else that of the fork block.
pub(super) fn gas_limit(dev: &DevConfig, fork: Option<&Arc<Fork>>) -> u64 {
    let of_fork = fork.map(|fork| fork.block().gas_limit);
    let default = of_fork.unwrap_or(DevChain::GAS_LIMIT);
    dev.gas_limit.unwrap_or(default)
}

impl NewChain<'_> {
    /// Writes the fork block with the accounts of the development chain, and prints them.
    pub(super) fn forked(&self, fork: &Arc<Fork>) -> eyre::Result<()> {
        let block = fork.block();
        let chain = DevChain {
            chain_id: self.dev.chain_id.unwrap_or(fork.chain_id()),
            gas_limit: gas_limit(self.dev, Some(fork)),
            fork: self.dev.fork,
            timestamp: block.timestamp,
            accounts: self.balances(),
            ..DevChain::merged()
        };
        let mut own = chain.genesis();
        // A new chain gives these a wei each. Those of the remote chain stay as they are.
        for last_byte in 1..=9 {
            own.alloc.remove(&Address::with_last_byte(last_byte));
        }
        let mut genesis = own.clone();
        dev_state::load(self.dev, &mut genesis)?;
        self.store.fork_off(fork.clone())?;
        let base = ForkBase {
            config: genesis.config.clone(),
            block: block.clone(),
            genesis: fork.genesis().clone(),
            changes: changes(fork, &own, &genesis)?,
        };
        base.write(self.store)?;
        // Time goes on from the fork block, however old it is.
        let clock = ChainClock::default();
        clock.set(block.timestamp);
        clock.save(self.store)?;
        banner::print(
            &chain,
            self.mnemonic_keys,
            block.base_fee_per_gas,
            Some(fork),
        );
        Ok(())
    }
}

/// Returns the changes of the remote state that make it that of a development chain: `own` are its
/// accounts and contracts, `all` those of a file as well.
fn changes(fork: &Arc<Fork>, own: &Genesis, all: &Genesis) -> eyre::Result<StateDiff> {
    let addresses: Vec<Address> = all.alloc.keys().copied().collect();
    let remote = fork.accounts(&addresses)?;
    let mut diff = StateDiff::default();
    for ((address, account), before) in all.alloc.iter().zip(remote) {
        let has_code = before.is_some_and(|it| it.code_hash != EMPTY_CODE_HASH);
        let is_own = own.alloc.get(address) == Some(account);
        // A contract that every chain has is there already.
        if is_own && !account.code.is_empty() && has_code {
            continue;
        }
        let after = merged(before, account);
        if !account.code.is_empty() {
            diff.codes.insert(after.code_hash, account.code.clone());
        }
        let mut change = AccountChange {
            before,
            after: (!after.is_empty()).then_some(after),
            ..AccountChange::default()
        };
        for (slot, value) in &account.storage {
            let (slot, after) = (U256::from_be_bytes(slot.0), U256::from_be_bytes(value.0));
            let before = fork.storage(address, &slot)?;
            change.storage.insert(slot, SlotChange { before, after });
        }
        diff.accounts.insert(*address, change);
    }
    Ok(diff)
}

/// Returns a development account over that of the remote chain: its nonce goes on. Code that the
/// remote account has, such as a delegation of a publicly known key, goes.
fn merged(before: Option<AccountInfo>, account: &GenesisAccount) -> AccountInfo {
    let before = before.unwrap_or_default();
    AccountInfo {
        nonce: before.nonce.max(account.nonce),
        balance: account.balance,
        code_hash: keccak256(&account.code),
    }
}

/// Refuses what a fork does not offer.
pub(super) fn check(dev: &DevConfig) -> eyre::Result<()> {
    if matches!(
        dev.consensus,
        Some(DevConsensus::Clique | DevConsensus::Ethash)
    ) {
        bail!("--fork-url takes --dev.consensus merged, which is the default");
    }
    if dev.fork < actoreum_primitives::Fork::Cancun {
        bail!(
            "--fork-url needs the rules of Cancun or later, because earlier ones delete storage, and that of \
             the remote chain is not here; leave out --dev.fork"
        );
    }
    Ok(())
}
