//! The text that a new development chain prints to the standard output.

use std::{path::Path, sync::Arc};

use actoreum_primitives::{DevChain, DevConsensus, INITIAL_BASE_FEE, SecretKey};
use actoreum_rpc::fork::Fork;
use actoreum_wallet::mnemonic;

use super::ACCOUNT_ETHER;

/// Returns the name of a consensus, as `--dev.consensus` takes it.
pub(super) fn name(consensus: DevConsensus) -> &'static str {
    match consensus {
        DevConsensus::Merged => "merged",
        DevConsensus::Clique => "clique",
        DevConsensus::Ethash => "ethash",
    }
}

/// Prints the accounts and the parameters of a chain, in the order and the form of anvil, whose
/// output tools read.
pub(super) fn print(
    chain: &DevChain,
    mnemonic_keys: &[SecretKey],
    base_fee: Option<u64>,
    fork: Option<&Arc<Fork>>,
) {
    if !mnemonic_keys.is_empty() {
        heading("Available Accounts");
        for (index, key) in mnemonic_keys.iter().enumerate() {
            println!(
                "({index}) {} ({ACCOUNT_ETHER}.000000000000000000 ETH)",
                key.address()
            );
        }
        heading("Private Keys");
        for (index, key) in mnemonic_keys.iter().enumerate() {
            println!("({index}) 0x{}", secret(key));
        }
        heading("Wallet");
        println!("Mnemonic:          {}", mnemonic::DEVELOPMENT);
        println!("Derivation path:   m/44'/60'/0'/0/");
    }
    if let Some(fork) = fork {
        heading("Fork");
        println!("Endpoint:       {}", fork.url());
        println!("Block number:   {}", fork.block().number);
        println!("Block hash:     {}", fork.block().hash());
        println!("Chain ID:       {}", fork.chain_id());
    }
    heading("Chain ID");
    println!("{}", chain.chain_id);
    heading("Base Fee");
    println!("{}", base_fee.unwrap_or(INITIAL_BASE_FEE));
    heading("Gas Limit");
    println!("{}", chain.gas_limit);
    heading("Genesis Timestamp");
    println!("{}", chain.timestamp);
    heading("Consensus");
    println!("{}, rules of {}", name(chain.consensus), chain.fork);
    println!();
}

/// Prints the signer's key and the accounts of a clique chain.
pub(super) fn print_clique(
    chain: &DevChain,
    signer: &SecretKey,
    file: &Path,
    mnemonic_keys: &[SecretKey],
) {
    println!(
        "Development chain {}, rules of {}",
        chain.chain_id, chain.fork
    );
    println!();
    println!("Signer   {}", signer.address());
    println!("Key      0x{}", secret(signer));
    println!("File     {} (empty password)", file.display());
    if !mnemonic_keys.is_empty() {
        println!();
        println!("Accounts, {ACCOUNT_ETHER} ether each, with publicly known keys");
        println!("Mnemonic {}", mnemonic::DEVELOPMENT);
        for (index, key) in mnemonic_keys.iter().enumerate() {
            println!("({index}) {} 0x{}", key.address(), secret(key));
        }
    }
    println!();
}

fn heading(text: &str) {
    println!("\n{text}\n==================\n");
}

fn secret(key: &SecretKey) -> String {
    hex::encode(key.to_bytes().as_slice())
}
