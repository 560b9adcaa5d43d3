//! The way of one block from a peer into the chain.

use std::sync::Arc;

use actoreum_chain::ChainReader;
use actoreum_consensus::{ConsensusError, Disposition, Engine, HeaderChain as _};
use actoreum_messages::chain::{BlockOrigin, ImportBlocks, ImportRefused};
use actoreum_messages::protocol_manager::PropagateBlock;
use actoreum_primitives::{Block, Header};
use tracing::debug;

use crate::clock;
use crate::eth::setup::EthSetup;

/// Checks a block's header, propagates the block, imports it. What whoever sent it is to be
/// blamed for.
pub(super) async fn import(setup: EthSetup, block: Block) -> Option<String> {
    let number = block.header.number;
    let block = Arc::new(block);
    let (engine, chain) = (Arc::clone(&setup.engine), setup.chain.clone());
    let checked = Arc::clone(&block);
    let check = move || check(engine.as_ref(), &chain, &checked.header);
    // A pool that is down comes back, and the block with a sync.
    match setup.serving.run(check).await.ok()? {
        Ok(()) => {
            let block = Arc::clone(&block);
            // Gossip: somebody else propagates it.
            let _ = setup.manager.tell(PropagateBlock { block });
        }
        Err(error) => match error.disposition() {
            Disposition::Bad => return Some(format!("sent a block: {error}")),
            Disposition::UnknownAncestor => {
                debug!(number, "block without a parent left out");
                return None;
            }
            // The chain keeps it until its time has come.
            Disposition::Future => {}
            Disposition::Internal => {
                debug!(number, %error, "block not checked");
                return None;
            }
        },
    }
    let import = ImportBlocks {
        blocks: vec![Arc::unwrap_or_clone(block)],
        origin: BlockOrigin::Live,
    };
    match setup.writer.ask(import).await {
        Ok(Ok(imported)) => {
            if imported.imported > 0 {
                setup.synced();
            }
            None
        }
        Ok(Err(ImportRefused::Invalid(error))) => {
            let is_bad = error.error.disposition() == Disposition::Bad;
            is_bad.then(|| format!("sent a block: {}", error.error))
        }
        Ok(Err(error)) => {
            debug!(number, %error, "block not imported");
            None
        }
        Err(error) => {
            debug!(number, %error, "block not imported");
            None
        }
    }
}

fn check(engine: &dyn Engine, chain: &ChainReader, header: &Header) -> Result<(), ConsensusError> {
    let number = header.number.checked_sub(1);
    let parent = number.and_then(|number| chain.header(&header.parent_hash, number));
    let parent = parent.ok_or(ConsensusError::UnknownAncestor)?;
    engine.verify_header(chain, header, &parent, clock::unix_seconds())?;
    engine.verify_seal(chain, header)
}
