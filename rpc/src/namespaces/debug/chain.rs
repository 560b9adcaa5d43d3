//! The methods about bad blocks and the head, which ask ChainActor.

use std::sync::Arc;

use actoreum_chain::BadBlock;
use actoreum_messages::chain::{GetBadBlocks, SetHead};
use actoreum_messages::sealer::ChainRewound;
use actoreum_messages::worker::SealingChanged;
use actoreum_primitives::recover_senders;

use super::encoded;
use crate::error::RpcError;
use crate::node::{Node, unanswered};
use crate::render::{self, BlockView};
use crate::server::json::{JsonOut, WriteJson};
use crate::server::limits::ACTOR_TIMEOUT;
use crate::server::method::Method;

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::actor_then_pool("debug_getBadBlocks", &[], ask_bad_blocks, bad_blocks),
        Method::actor("debug_setHead", &["number"], set_head),
    ]
}

async fn ask_bad_blocks(node: Arc<Node>, (): ()) -> Result<Vec<BadBlock>, RpcError> {
    node.chain_actor.ask(GetBadBlocks).await.map_err(unanswered)
}

/// A bad block with the senders of its transactions, if they could be recovered.
struct BadBlockJson {
    bad: BadBlock,
    senders: Option<Vec<actoreum_primitives::Address>>,
}

impl WriteJson for BadBlockJson {
    fn write_json(&self, out: &mut JsonOut) {
        let view = BlockView {
            block: &self.bad.block,
            hash: self.bad.hash,
            total_difficulty: render::TotalDifficulty::Unknown,
            senders: self.senders.as_deref(),
        };
        let mut object = out.object();
        object.field("hash", self.bad.hash);
        render::write_block(object.key("block"), &view);
        object.hex("rlp", encoded(&*self.bad.block));
        object.field("reason", &self.bad.reason).end();
    }
}

/// Returns the bad blocks, newest first, as in geth.
fn bad_blocks(node: &Node, bad: Vec<BadBlock>) -> Result<Vec<BadBlockJson>, RpcError> {
    let shown = |bad: BadBlock| {
        let blocks = std::slice::from_ref(&*bad.block);
        let recovered = recover_senders(node.chain_reader.config(), blocks).pop();
        BadBlockJson {
            senders: recovered.and_then(Result::ok),
            bad,
        }
    };
    Ok(bad.into_iter().rev().map(shown).collect())
}

/// Rewinds the chain and lets the sealer start from the new head.
async fn set_head(node: Arc<Node>, (number,): (u64,)) -> Result<(), RpcError> {
    // Read before the removal of the blocks that say which accounts may seal.
    let from = node.chain_reader.head_number();
    let has_one_signer = had_one_signer_since(&node, number);
    let asked = node.chain_actor.ask(SetHead { number });
    let done = asked.await.map_err(unanswered)?;
    done.map_err(|error| RpcError::server(error.to_string()))?;
    let Some(sealing) = node.sealing.as_ref().filter(|_| has_one_signer) else {
        return Ok(());
    };
    let sealer = sealing.sealer.within(ACTOR_TIMEOUT);
    let freed = sealer.ask(ChainRewound { to: number, from }).await;
    freed.map_err(unanswered)?;
    let worker = sealing.worker.within(ACTOR_TIMEOUT);
    worker.ask(SealingChanged).await.map_err(unanswered)
}

/// Returns whether a single signer could seal after the block `number` and after every block above
/// it. Then heights that were signed may be signed again, because no other node relies on them.
/// Otherwise the other signers seal those heights first.
fn had_one_signer_since(node: &Node, number: u64) -> bool {
    let Some(clique) = &node.clique else {
        return false;
    };
    let has_one_after = |number: u64| {
        let header = node.chain_reader.header_by_number(number).ok()??;
        let snapshot = clique
            .snapshot(&node.chain_reader, number, header.hash())
            .ok()?;
        Some(snapshot.signers.len() == 1)
    };
    // Only a vote changes the set of signers, and a block with a vote names an account as its
    // beneficiary.
    let is_unchanged_by = |number: u64| {
        let header = node.chain_reader.header_by_number(number).ok()??;
        Some(header.beneficiary.is_zero())
    };
    let above = number.saturating_add(1)..=node.chain_reader.head_number();
    has_one_after(number) == Some(true)
        && above.into_iter().all(|number| {
            is_unchanged_by(number) == Some(true) || has_one_after(number) == Some(true)
        })
}
