//! The methods that move the head: snapshots, resets, rollbacks and reorgs.

use std::sync::Arc;

use actoreum_messages::dev::{Reset, RevertTo, TakeSnapshot};
use actoreum_messages::worker::Rewind;
use actoreum_primitives::Bytes;

use super::args::Number;
use super::mine::{mine_one, switch_automine};
use super::{Answer, answered, done};
use crate::error::RpcError;
use crate::namespaces::eth::outgoing::{self, TxArgs};
use crate::namespaces::eth::send;
use crate::node::Node;
use crate::server::json::scan::{self, Kind};
use crate::server::limits::{ACTOR_TIMEOUT, MAX_REORG_BLOCKS};
use crate::server::method::Method;
use crate::server::object::Object;
use crate::server::param::{FromParam, ParamError};

pub(super) fn methods() -> Vec<Method<Node>> {
    let mut methods = vec![
        Method::actor("anvil_rollback", &["depth"], rollback),
        Method::view("anvil_setRpcUrl", &["url"], set_rpc_url),
        Method::actor("anvil_reorg", &["depth", "transactions"], reorg),
    ];
    for name in ["evm_snapshot", "anvil_snapshot"] {
        methods.push(Method::actor(name, &[], snapshot));
    }
    for name in ["evm_revert", "anvil_revert"] {
        methods.push(Method::actor(name, &["id"], revert));
    }
    for name in ["anvil_reset", "hardhat_reset"] {
        methods.push(Method::actor(name, &["forking"], reset));
    }
    methods
}

/// Takes a snapshot and returns its number, which `evm_revert` takes.
async fn snapshot(node: Arc<Node>, (): ()) -> Result<u64, RpcError> {
    let dev = node.dev()?.actor.within(ACTOR_TIMEOUT);
    answered(dev.ask(TakeSnapshot).await)
}

/// Restores the head and the clock of a snapshot. The snapshot is used up, together with later
/// ones.
async fn revert(node: Arc<Node>, (Number(id),): (Number,)) -> Result<bool, RpcError> {
    let dev = node.dev()?.actor.within(ACTOR_TIMEOUT);
    answered(dev.ask(RevertTo(id)).await)
}

/// The argument of a reset: an object with `forking`, which names the remote chain and its block.
#[derive(Default)]
struct ResetArgs {
    url: Option<String>,
    block: Option<u64>,
}

impl FromParam for ResetArgs {
    const SCHEMA: &'static str = r#"{"title":"options","type":"object"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let options = Object::new(raw, "evm.ResetOptions")?;
        let forking = scan::members(raw).find(|(key, value)| key == "forking" && *value != "null");
        let options = match &forking {
            Some((_, forking)) => Object::new(forking, "evm.Forking")?,
            None => options,
        };
        Ok(Self {
            url: options.get("jsonRpcUrl")?,
            block: options.get::<Number>("blockNumber")?.map(|number| number.0),
        })
    }
}

impl ResetArgs {
    /// Checks that the chain can go back to what is asked for: the block that it was forked off.
    fn check(self, node: &Node) -> Result<(), RpcError> {
        let Some(fork) = &node.fork else {
            return match (self.url, self.block) {
                (None, None) => Ok(()),
                _ => Err(RpcError::invalid_params(
                    "this chain forks no other: start it with --fork-url",
                )),
            };
        };
        let number = fork.block().number;
        if self.block.is_some_and(|block| block != number) {
            return Err(RpcError::invalid_params(format!(
                "this chain was forked at block {number}: start it anew with --fork-block-number"
            )));
        }
        match self.url {
            Some(url) => fork
                .set_url(url)
                .map_err(|error| RpcError::invalid_params(error.to_string())),
            None => Ok(()),
        }
    }
}

/// Sends later requests to another node of the remote chain.
fn set_rpc_url(node: &Node, (url,): (String,)) -> Answer {
    let fork = node.fork.as_ref();
    let fork = fork.ok_or_else(|| RpcError::server("this chain forks no other"))?;
    fork.set_url(url)
        .map_err(|error| RpcError::invalid_params(error.to_string()))?;
    done(node)
}

async fn reset(node: Arc<Node>, (options,): (Option<ResetArgs>,)) -> Answer {
    options.unwrap_or_default().check(&node)?;
    let dev = node.dev()?.actor.within(ACTOR_TIMEOUT);
    answered(dev.ask(Reset).await)?;
    done(&node)
}

async fn rewind(node: &Node, depth: u64, what: &str) -> Result<(), RpcError> {
    let height = node.chain_reader.head_number();
    let first = node.chain_reader.first_number();
    let Some(to) = height.checked_sub(depth).filter(|to| *to >= first) else {
        return Err(RpcError::invalid_params(format!(
            "{what} depth must not exceed current chain height: current height {height}, depth {depth}"
        )));
    };
    let worker = node.sealing()?.worker.within(ACTOR_TIMEOUT);
    answered(worker.ask(Rewind { to }).await)?;
    Ok(())
}

/// Removes the last blocks, one without an argument.
async fn rollback(node: Arc<Node>, (depth,): (Option<Number>,)) -> Answer {
    let depth = depth.map_or(1, |depth| depth.0);
    rewind(&node, depth, "Rollback").await?;
    done(&node)
}

/// A transaction of a reorg: signed as raw bytes, or an object whose sender needs no key.
enum ReorgTx {
    Raw(Bytes),
    Unsigned(Box<TxArgs>),
}

/// A transaction, and the index of its block among those of the reorg.
struct TxInBlock(ReorgTx, u64);

impl FromParam for TxInBlock {
    const SCHEMA: &'static str = r#"{"title":"transaction and block","type":"array"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let malformed = || ParamError::text("a transaction and the index of its block are wanted");
        if Kind::of(raw) != Kind::Array {
            return Err(malformed());
        }
        let mut elements = scan::elements(raw);
        let (Some(transaction), Some(block), None) =
            (elements.next(), elements.next(), elements.next())
        else {
            return Err(malformed());
        };
        let transaction = match Kind::of(transaction) {
            Kind::String => ReorgTx::Raw(Bytes::from_raw(transaction)?),
            _ => ReorgTx::Unsigned(Box::new(TxArgs::from_raw(transaction)?)),
        };
        Ok(Self(transaction, Number::from_raw(block)?.0))
    }
}

/// Replaces the last blocks by as many others, with these transactions in them.
async fn reorg(
    node: Arc<Node>,
    (Number(depth), transactions): (Number, Option<Vec<TxInBlock>>),
) -> Answer {
    let transactions = transactions.unwrap_or_default();
    if depth > MAX_REORG_BLOCKS {
        let text = format!("a reorg replaces at most {MAX_REORG_BLOCKS} blocks");
        return Err(RpcError::invalid_params(text));
    }
    if transactions
        .iter()
        .any(|TxInBlock(_, block)| *block >= depth)
    {
        return Err(RpcError::invalid_params(format!(
            "the index of a block must be less than the depth {depth}"
        )));
    }
    rewind(&node, depth, "Reorg").await?;
    // A transaction is to be in its own block of the reorg, and cause no other one.
    let automine = node.sealing()?.control.is_sealing();
    if automine {
        switch_automine(&node, false).await?;
    }
    let mined = mine_anew(&node, depth, transactions).await;
    if automine {
        switch_automine(&node, true).await?;
    }
    mined?;
    done(&node)
}

async fn mine_anew(
    node: &Arc<Node>,
    depth: u64,
    mut transactions: Vec<TxInBlock>,
) -> Result<(), RpcError> {
    // The order of those of one block stays.
    transactions.sort_by_key(|TxInBlock(_, block)| *block);
    let mut transactions = transactions.into_iter().peekable();
    for index in 0..depth {
        while let Some(TxInBlock(transaction, _)) =
            transactions.next_if(|TxInBlock(_, block)| *block == index)
        {
            match transaction {
                ReorgTx::Raw(encoded) => send::submit_raw(node, &encoded).await?,
                ReorgTx::Unsigned(args) => outgoing::send_unsigned(Arc::clone(node), *args).await?,
            };
        }
        mine_one(node, None).await?;
    }
    Ok(())
}
