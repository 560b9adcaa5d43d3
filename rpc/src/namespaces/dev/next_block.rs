//! The methods that choose fields and settings of the blocks to come.

use std::sync::Arc;

use actoreum_consensus::limits::{MAX_GAS_LIMIT, MIN_GAS_LIMIT};
use actoreum_messages::miner::{ChangeSetting, SetEtherbase};
use actoreum_messages::txpool::SetPriceLimit;
use actoreum_primitives::{Address, Fork};

use super::args::{Number, Word};
use super::{Answer, DevIdentity, answered, done};
use crate::error::RpcError;
use crate::node::{Node, unanswered};
use crate::server::limits::ACTOR_TIMEOUT;
use crate::server::method::Method;

pub(super) fn methods() -> Vec<Method<Node>> {
    let mut methods = Vec::new();
    for name in ["anvil_setCoinbase", "hardhat_setCoinbase"] {
        methods.push(Method::actor(name, &["address"], set_coinbase));
    }
    for name in ["anvil_setMinGasPrice", "hardhat_setMinGasPrice"] {
        methods.push(Method::actor(name, &["price"], set_min_gas_price));
    }
    for name in [
        "anvil_setNextBlockBaseFeePerGas",
        "hardhat_setNextBlockBaseFeePerGas",
    ] {
        methods.push(Method::actor(name, &["fee"], set_base_fee));
    }
    for name in ["anvil_setPrevRandao", "hardhat_setPrevRandao"] {
        methods.push(Method::actor(name, &["value"], set_prev_randao));
    }
    for name in ["anvil_setBlockGasLimit", "evm_setBlockGasLimit"] {
        methods.push(Method::actor(name, &["limit"], set_gas_limit));
    }
    methods
}

/// Has MinerActor change a setting of the blocks to come.
pub(super) async fn change(node: &Node, change: ChangeSetting) -> Result<(), RpcError> {
    let miner = node.sealing()?.miner.within(ACTOR_TIMEOUT);
    miner.ask(change).await.map_err(unanswered)
}

/// Sets the recipient of the fees. In clique it is the signer, and no other address can be set.
async fn set_coinbase(node: Arc<Node>, (address,): (Address,)) -> Answer {
    let miner = node.sealing()?.miner.within(ACTOR_TIMEOUT);
    answered(miner.ask(SetEtherbase(address)).await)?;
    done(&node)
}

async fn set_base_fee(node: Arc<Node>, (Number(fee),): (Number,)) -> Answer {
    require_fork(&node, Fork::London, "a base fee", "London")?;
    change(&node, ChangeSetting::NextBaseFee(fee)).await?;
    done(&node)
}

async fn set_prev_randao(node: Arc<Node>, (value,): (Word,)) -> Answer {
    if !node.chain_reader.head().difficulty.is_zero() {
        return Err(RpcError::invalid_params(
            "PREVRANDAO needs a merged chain: this one has difficulties",
        ));
    }
    change(&node, ChangeSetting::NextPrevRandao(value.bytes())).await?;
    done(&node)
}

fn require_fork(node: &Node, fork: Fork, field: &str, name: &str) -> Result<(), RpcError> {
    if is_active(node, fork) {
        return Ok(());
    }
    Err(RpcError::invalid_params(format!(
        "{field} needs the rules of {name}"
    )))
}

/// Returns whether a fork is active in the next block.
fn is_active(node: &Node, fork: Fork) -> bool {
    let head = node.chain_reader.head();
    let config = node.chain_reader.config();
    config.fork_at(head.number + 1, node.clock.unix_seconds()) >= fork
}

/// Sets the minimum price of transactions; from London on the base fee takes its place.
async fn set_min_gas_price(node: Arc<Node>, (Number(price),): (Number,)) -> Answer {
    if is_active(&node, Fork::London) {
        let name = match node.settings.identity {
            DevIdentity::Hardhat => "hardhat_setMinGasPrice",
            DevIdentity::Anvil | DevIdentity::Geth => "anvil_setMinGasPrice",
        };
        let text = format!("{name} is not supported when EIP-1559 is active");
        return Err(RpcError::invalid_params(text));
    }
    change(&node, ChangeSetting::GasPrice(price)).await?;
    let txpool_actor = node.txpool.actor.within(ACTOR_TIMEOUT);
    let answer = txpool_actor.ask(SetPriceLimit { price_limit: price }).await;
    answer.map_err(unanswered)?;
    done(&node)
}

/// Sets the gas limit of each block from the next one on. Answers true, as all nodes do.
async fn set_gas_limit(node: Arc<Node>, (Number(limit),): (Number,)) -> Result<bool, RpcError> {
    if !(MIN_GAS_LIMIT..=MAX_GAS_LIMIT).contains(&limit) {
        return Err(RpcError::invalid_params(format!(
            "a gas limit is between {MIN_GAS_LIMIT} and {MAX_GAS_LIMIT}"
        )));
    }
    change(&node, ChangeSetting::GasLimit(limit)).await?;
    Ok(true)
}
