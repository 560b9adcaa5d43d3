//! Messages to MinerActor, which decides whether this node seals blocks.

use std::time::Duration;

use actoreum_primitives::{Address, B256, Bytes};
use actoreum_supervision::Message;

/// Starts sealing, at once or when the running sync is over.
///
/// From: the start of the tree, `miner_start`. Replaces geth's `Ethereum.StartMining` and
/// `Miner.Start`.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Result<(), StartRefused>)]
pub struct StartMining {
    /// Number of threads that search for a proof of work; `None` for all cores.
    pub threads: Option<usize>,
}

/// Reason why this node cannot seal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartRefused {
    /// No etherbase is set, and there is no account.
    #[error("etherbase missing: etherbase must be explicitly specified")]
    NoEtherbase,
    /// The consensus engine signs blocks, and this node does not have the signer's key.
    #[error("signer missing: unknown account {0}")]
    NoSigner(Address),
    /// The accounts could not be listed.
    #[error("accounts: {0}")]
    Accounts(String),
}

/// Stops sealing.
///
/// From: `miner_stop`. Replaces geth's `Ethereum.StopMining` and `Miner.Stop`.
#[derive(Debug, Clone, Copy, Message)]
pub struct StopMining;

/// Sets the etherbase, from the next block on.
///
/// From: `miner_setEtherbase`. Replaces geth's `Miner.SetEtherbase`.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Result<(), StartRefused>)]
pub struct SetEtherbase(pub Address);

/// Changes a setting of the blocks that are sealed here, from the next block on. The answer follows
/// when WorkerActor has read the setting, or after its timeout; for the interval it follows at once.
///
/// From: `miner_setExtra`, `miner_setGasPrice`, `miner_setRecommitInterval`, and on a development
/// chain the methods that are named at the variants. Replaces geth's
/// `Miner.SetExtra`, `Ethereum.SetGasPrice` and `Miner.SetRecommitInterval`.
#[derive(Debug, Clone, Message)]
pub enum ChangeSetting {
    /// Extra data of each block: 32 bytes at most.
    ExtraData(Bytes),
    /// Minimum price in wei per gas of transactions that are not local.
    GasPrice(u64),
    /// Interval at which a block is rebuilt with new transactions while its proof of work is
    /// searched.
    Recommit(Duration),
    /// Gas limit of each block, on a development chain at once (`evm_setBlockGasLimit`).
    GasLimit(u64),
    /// Base fee in wei of the next block of a development chain
    /// (`hardhat_setNextBlockBaseFeePerGas`).
    NextBaseFee(u64),
    /// Value of PREVRANDAO in the next block of a merged development chain
    /// (`hardhat_setPrevRandao`).
    NextPrevRandao(B256),
    /// Timestamp of the next block of a development chain, in seconds since 1970, whatever causes the
    /// block (`evm_setNextBlockTimestamp`).
    NextTimestamp(u64),
    /// Seconds from a block's timestamp to that of the next, on a development chain
    /// (`anvil_setBlockTimestampInterval`); `None`: by the clock.
    TimestampInterval(Option<u64>),
}

/// Sets whether a development chain seals a block for each transaction that arrives. The answer
/// follows when WorkerActor knows it, or after its timeout.
///
/// From: `evm_setAutomine`, `anvil_setAutomine`.
#[derive(Debug, Clone, Copy, Message)]
pub struct SetAutomine(pub bool);
