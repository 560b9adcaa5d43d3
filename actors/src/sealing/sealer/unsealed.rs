//! Blocks of a development chain without a seal: only their time is waited for.

use std::{
    future::ready,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actoreum_messages::sealer::{Seal, SealRefused};
use actoreum_supervision::Later;

use super::{SealerActor, pow::Answer, setup::UnsealedSetup};

impl SealerActor {
    /// Returns the block as it is: at once if it was requested or has no time to wait for, else
    /// when its timestamp has come. A block that is no longer needed by then is refused.
    pub(super) fn pass(&self, with: UnsealedSetup, seal: Seal) -> Later<Answer> {
        let Seal {
            block,
            even_if_empty: is_requested,
            is_outdated,
        } = seal;
        let control = Arc::clone(&self.setup.control);
        let chain_reader = self.setup.chain_reader.clone();
        let is_wanted = move |parent| {
            !is_outdated.load(Ordering::Relaxed)
                && chain_reader.head().hash() == parent
                && (is_requested || control.is_sealing())
        };
        let parent = block.header.parent_hash;
        let wait = if with.waits_for_time && !is_requested {
            Duration::from_secs(block.header.timestamp).saturating_sub(self.setup.clock.now())
        } else {
            Duration::ZERO
        };
        let answer = move || {
            if is_wanted(parent) {
                Ok(block)
            } else {
                Err(SealRefused::Outdated)
            }
        };
        if wait.is_zero() {
            return Later::new(ready(answer()));
        }
        let due = tokio::time::Instant::now() + wait;
        Later::new(async move {
            tokio::time::sleep_until(due).await;
            answer()
        })
    }
}
