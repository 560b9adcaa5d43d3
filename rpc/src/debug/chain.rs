//! What ChainActor knows and does beside imports.

use std::sync::Arc;

use actoreum_chain::BadBlock;
use actoreum_messages::chain::{GetBadBlocks, SetHead};
use actoreum_messages::sealer::Rewound;
use actoreum_messages::worker::Look;
use actoreum_primitives::recover_senders;

use super::encoded;
use crate::error::RpcError;
use crate::json::{JsonOut, WriteJson};
use crate::limits::ACTOR_PATIENCE;
use crate::method::Method;
use crate::node::{Node, unanswered};
use crate::render::{self, BlockView};

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::staged("debug_getBadBlocks", &[], ask_bad_blocks, bad_blocks),
        Method::actor("debug_setHead", &["number"], set_head),
    ]
}

async fn ask_bad_blocks(node: Arc<Node>, (): ()) -> Result<Vec<BadBlock>, RpcError> {
    node.writer()?.ask(GetBadBlocks).await.map_err(unanswered)
}

/// A bad block with the senders of its transactions, as far as there are any.
struct Shown {
    bad: BadBlock,
    senders: Option<Vec<actoreum_primitives::Address>>,
}

impl WriteJson for Shown {
    fn write_json(&self, out: &mut JsonOut) {
        let view = BlockView {
            block: &self.bad.block,
            hash: self.bad.hash,
            total_difficulty: None,
            senders: self.senders.as_deref(),
        };
        let mut object = out.object();
        object.field("hash", self.bad.hash);
        render::write_block(object.key("block"), &view);
        object.hex("rlp", encoded(&*self.bad.block));
        object.field("reason", &self.bad.reason).end();
    }
}

/// Newest first, as in geth.
fn bad_blocks(node: &Node, bad: Vec<BadBlock>) -> Result<Vec<Shown>, RpcError> {
    let shown = |bad: BadBlock| {
        let blocks = std::slice::from_ref(&*bad.block);
        let recovered = recover_senders(node.chain.config(), blocks).pop();
        Shown {
            senders: recovered.and_then(Result::ok),
            bad,
        }
    };
    Ok(bad.into_iter().rev().map(shown).collect())
}

async fn set_head(node: Arc<Node>, (number,): (u64,)) -> Result<(), RpcError> {
    // Before the blocks are gone that say who might seal.
    let from = node.chain.head_number();
    let has_one_signer = had_one_signer_since(&node, number);
    let asked = node.writer()?.ask(SetHead { number });
    let done = asked.await.map_err(unanswered)?;
    done.map_err(|error| RpcError::server(error.to_string()))?;
    let Some(sealing) = node.sealing.get().filter(|_| has_one_signer) else {
        return Ok(());
    };
    let sealer = sealing.sealer.within(ACTOR_PATIENCE);
    let freed = sealer.ask(Rewound { to: number, from }).await;
    freed.map_err(unanswered)?;
    let worker = sealing.worker.within(ACTOR_PATIENCE);
    worker.ask(Look).await.map_err(unanswered)
}

/// Whether nobody but one signer could seal after the block with this number or after any block
/// above it. Then heights that were signed may be signed again, for nobody else holds to them;
/// otherwise the others go first.
fn had_one_signer_since(node: &Node, number: u64) -> bool {
    let Some(clique) = &node.clique else {
        return false;
    };
    let has_one_after = |number: u64| {
        let header = node.chain.header_by_number(number).ok()??;
        let snapshot = clique.snapshot(&node.chain, number, header.hash()).ok()?;
        Some(snapshot.signers.len() == 1)
    };
    // Signers change with a vote alone, and a block that carries one names an account.
    let is_unchanged_by = |number: u64| {
        let header = node.chain.header_by_number(number).ok()??;
        Some(header.beneficiary.is_zero())
    };
    let above = number.saturating_add(1)..=node.chain.head_number();
    has_one_after(number) == Some(true)
        && above.into_iter().all(|number| {
            is_unchanged_by(number) == Some(true) || has_one_after(number) == Some(true)
        })
}
