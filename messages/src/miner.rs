//! Messages to MinerActor, which decides whether this node seals.

use actix::Message;
use actoreum_primitives::Address;

/// Begin to seal: at once, or once the sync that runs is over.
///
/// From: the tree at start, `miner_start`. In the place of geth's `Ethereum.StartMining` and
/// `Miner.Start`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), StartRefused>")]
pub struct StartMining {
    /// Threads that search for a proof of work; `None`: as many as there are.
    pub threads: Option<usize>,
}

/// Why this node can't seal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartRefused {
    /// Nobody is named to seal for, and there is no account.
    #[error("etherbase missing: etherbase must be explicitly specified")]
    NoEtherbase,
    /// Blocks are signed, and this node has no key to sign with.
    #[error("signer missing: unknown account {0}")]
    NoSigner(Address),
    /// The accounts could not be asked for.
    #[error("accounts: {0}")]
    Accounts(String),
}

/// Seal no longer.
///
/// From: `miner_stop`. In the place of geth's `Ethereum.StopMining` and `Miner.Stop`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct StopMining;

/// Seal for this account from the next block on.
///
/// From: `miner_setEtherbase`. In the place of geth's `Miner.SetEtherbase`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), StartRefused>")]
pub struct SetEtherbase(pub Address);
