//! The methods that remove transactions from the pool.

use std::sync::Arc;

use actoreum_messages::txpool::{DropTransactions, Dropped};
use actoreum_primitives::{Address, B256};
use serde_json::json;

use super::{Answer, DevIdentity, done};
use crate::error::RpcError;
use crate::node::{Node, unanswered};
use crate::server::json::Serialized;
use crate::server::limits::ACTOR_TIMEOUT;
use crate::server::method::Method;

pub(super) fn methods() -> Vec<Method<Node>> {
    let mut methods = vec![Method::actor(
        "anvil_removePoolTransactions",
        &["sender"],
        drop_of_sender,
    )];
    for name in ["anvil_dropTransaction", "hardhat_dropTransaction"] {
        methods.push(Method::actor(name, &["hash"], drop_one));
    }
    for name in ["anvil_dropAllTransactions", "hardhat_dropAllTransactions"] {
        methods.push(Method::actor(name, &[], drop_all));
    }
    methods
}

async fn drop_transactions(node: &Node, dropped: Dropped) -> Result<usize, RpcError> {
    let txpool_actor = node.txpool.actor.within(ACTOR_TIMEOUT);
    let answer = txpool_actor.ask(DropTransactions(dropped)).await;
    answer.map_err(unanswered)
}

/// Drops a transaction. anvil answers its hash, or null if there is none; Hardhat whether there was
/// one.
async fn drop_one(node: Arc<Node>, (hash,): (B256,)) -> Answer {
    let was_there = drop_transactions(&node, Dropped::One(hash)).await? > 0;
    Ok(Serialized(match node.settings.identity {
        DevIdentity::Anvil => json!(was_there.then_some(hash)),
        DevIdentity::Hardhat | DevIdentity::Geth => json!(was_there),
    }))
}

async fn drop_of_sender(node: Arc<Node>, (sender,): (Address,)) -> Answer {
    drop_transactions(&node, Dropped::OfSender(sender)).await?;
    done(&node)
}

async fn drop_all(node: Arc<Node>, (): ()) -> Answer {
    drop_transactions(&node, Dropped::All).await?;
    done(&node)
}
