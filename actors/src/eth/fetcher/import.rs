//! Import of a single block from a peer.

use std::sync::Arc;
use std::time::Duration;

use actoreum_chain::ChainReader;
use actoreum_consensus::{ConsensusError, Disposition, Engine, HeaderChain as _};
use actoreum_messages::chain::{BlockOrigin, ImportBlocks, ImportRefused};
use actoreum_messages::protocol_manager::PropagateBlock;
use actoreum_primitives::{B256, Block, Header};
use actoreum_sync::RawBlock;
use tokio::time::Instant;
use tracing::{debug, info};

use super::setup::FetcherSetup;

/// Checks a block's header, decodes its body, propagates the block, imports it. Returns the reason
/// to penalise its sender, if there is one.
pub(super) async fn import(setup: FetcherSetup, block: RawBlock) -> Option<String> {
    let number = block.header.header.number;
    let shared = &setup.shared;
    let (engine, chain_reader) = (Arc::clone(&shared.engine), shared.chain_reader.clone());
    let clock = shared.clock.clone();
    let check = move || {
        let now = clock.unix_seconds();
        let checked = check(engine.as_ref(), &chain_reader, &block.header.header, now);
        let is_future = match checked.as_ref().map_err(ConsensusError::disposition) {
            Ok(()) => false,
            // ChainActor queues the block until its time has come.
            Err(Disposition::Future) => true,
            Err(Disposition::Bad | Disposition::UnknownAncestor | Disposition::Internal) => {
                return Err(checked.err());
            }
        };
        // A decoded block may be ten times as large: it is not decoded before its seal was
        // verified.
        let block = block.into_block();
        let block = block.map_err(|_| None::<ConsensusError>)?;
        Ok((Arc::new(block), is_future))
    };
    // Threads that are down are restarted, and the block comes with a sync.
    let block = match shared.threads.run(check).await.ok()? {
        Ok((block, is_future)) => {
            if !is_future {
                let block = Arc::clone(&block);
                // Best effort: another node propagates the block otherwise.
                let _ = setup.manager.tell(PropagateBlock { block });
            }
            block
        }
        Err(None) => return Some("sent a block: its body is malformed".to_owned()),
        Err(Some(error)) => {
            if error.disposition() == Disposition::Bad {
                return Some(format!("sent a block: {error}"));
            }
            debug!(number, %error, "block skipped");
            return None;
        }
    };
    let (begun, summary) = (Instant::now(), Summary::of(&block));
    let import = ImportBlocks {
        blocks: vec![Arc::unwrap_or_clone(block)],
        origin: BlockOrigin::Live,
    };
    match setup.chain_actor.ask(import).await {
        Ok(Ok(imported)) => {
            if imported.imported > 0 {
                summary.log(begun.elapsed());
                shared.peers.set_caught_up();
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

/// Fields of the log line of an imported block.
struct Summary {
    number: u64,
    hash: B256,
    transactions: usize,
    gas: u64,
}

impl Summary {
    fn of(block: &Block) -> Self {
        Self {
            number: block.header.number,
            hash: block.header.hash(),
            transactions: block.body.transactions.len(),
            gas: block.header.gas_used,
        }
    }

    fn log(self, elapsed: Duration) {
        let Self {
            number,
            hash,
            transactions,
            gas,
        } = self;
        info!(number, %hash, transactions, gas, ?elapsed, "imported new block");
    }
}

/// Checks the header and the seal of a block, at the time `now` in seconds since the Unix epoch.
fn check(
    engine: &dyn Engine,
    chain_reader: &ChainReader,
    header: &Header,
    now: u64,
) -> Result<(), ConsensusError> {
    let number = header.number.checked_sub(1);
    let parent = number.and_then(|number| chain_reader.header(&header.parent_hash, number));
    let parent = parent.ok_or(ConsensusError::UnknownAncestor)?;
    let verified = engine.verify_header(chain_reader, header, &parent, now);
    if verified.is_ok() || verified == Err(ConsensusError::FutureBlock) {
        // A future block, which is queued, must have a valid seal already.
        engine.verify_seal(chain_reader, header)?;
    }
    verified
}
