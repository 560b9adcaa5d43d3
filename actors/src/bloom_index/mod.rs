//! BloomIndexActor: builds the bloom index of logs, section by section, as the chain grows.
//!
//! | message | effect |
//! |---|---|
//! | [`ChainChanged`] | a due section is indexed |
//! | `Check` | the first section that is due and missing is indexed on the thread pool |
//! | `SectionDone` | after a pause, the next section is checked |
//!
//! All of the actor's lasting state is in the store: a section is valid while its last block is
//! canonical ([`bloom_index::is_indexed`]), so after a restart or a reorg the actor finds the
//! missing sections by checking.

#[cfg(test)]
mod tests;

use std::time::Duration;

use actoreum_chain::bloom_index::{self, IndexError, SECTION_BLOCKS, due_sections};
use actoreum_chain::{ChainEvent, ChainReader};
use actoreum_messages::events::ChainChanged;
use tracing::{debug, info, warn};

use actoreum_supervision::{Ctx, Failure, JobError, Message, Pool, actor};

/// Pause between two sections, as geth's `bloomThrottling`: indexing many sections must not starve
/// the import of blocks.
const PAUSE: Duration = Duration::from_millis(100);

/// Pause after a failure.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Period of checks without an event: a large reorg is announced with its new head alone, and an
/// event may be lost.
const CHECK_PERIOD: Duration = Duration::from_secs(60);

/// The end of an indexing job: a section was indexed, or none is missing. Sent by the thread pool.
#[derive(Debug, Message)]
struct SectionDone(Result<Result<Progress, IndexError>, JobError>);

/// The actor that builds the bloom index; see the module.
pub struct BloomIndexActor {
    chain_reader: ChainReader,
    threads: Pool,
    /// All sections below this are indexed, as far as is known.
    next: u64,
    is_indexing: bool,
}

impl BloomIndexActor {
    /// Creates an actor that indexes the chain of `chain_reader`, on `threads`.
    pub fn new(chain_reader: ChainReader, threads: Pool) -> Self {
        Self {
            chain_reader,
            threads,
            next: 0,
            is_indexing: false,
        }
    }
}

/// The result of an indexing job.
#[derive(Debug)]
enum Progress {
    /// This section was indexed; more may be missing.
    Indexed(u64),
    /// All sections below this one are indexed, and no other is due.
    Complete(u64),
}

/// Indexes the first missing section. `next` is its expected number; a reorg may have invalidated
/// sections below.
fn index_first_missing(
    chain_reader: &ChainReader,
    next: u64,
    due: u64,
) -> Result<Progress, IndexError> {
    let mut section = next.min(due);
    while section > 0 && !bloom_index::is_indexed(chain_reader, section - 1)? {
        section -= 1;
    }
    while section < due {
        if !bloom_index::is_indexed(chain_reader, section)? {
            bloom_index::index_section(chain_reader, section)?;
            return Ok(Progress::Indexed(section));
        }
        section += 1;
    }
    Ok(Progress::Complete(section))
}

#[actor]
impl BloomIndexActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.notify_every(CHECK_PERIOD, || Check);
        ctx.notify(Check);
        Ok(())
    }

    // Every event has the same effect: a check.
    #[handler(when_full = DropOldest)]
    fn chain_changed(&mut self, ChainChanged { events, .. }: ChainChanged, ctx: &mut Ctx<Self>) {
        let end = self.next * SECTION_BLOCKS;
        let reaches_down = |event: &ChainEvent| match event {
            ChainEvent::Removed(block) => block.header.number < end,
            _ => false,
        };
        let is_due = self.next < due_sections(self.chain_reader.head_number());
        if is_due || events.iter().any(reaches_down) {
            self.check(ctx);
        }
    }

    /// Checks whether a section is due. Sent by the actor's own timers.
    #[message(when_full = DropOldest)]
    fn check(&mut self, ctx: &mut Ctx<Self>) {
        // The blocks below those of a forked chain are not here.
        if self.is_indexing || self.chain_reader.first_number() > 0 {
            return;
        }
        let due = due_sections(self.chain_reader.head_number());
        let (chain_reader, next) = (self.chain_reader.clone(), self.next);
        let work = move || index_first_missing(&chain_reader, next, due);
        match self
            .threads
            .job("IndexSection")
            .submit(ctx.me(), work, SectionDone)
        {
            Ok(()) => self.is_indexing = true,
            Err(error) => debug!(%error, "bloom indexing not started"),
        }
    }

    #[handler]
    fn section_done(&mut self, SectionDone(result): SectionDone, ctx: &mut Ctx<Self>) {
        self.is_indexing = false;
        match result {
            Ok(Ok(Progress::Indexed(section))) => {
                info!(section, "bloom section indexed");
                self.next = section + 1;
                ctx.notify_after(PAUSE, Check);
            }
            Ok(Ok(Progress::Complete(next))) => self.next = next,
            Ok(Err(IndexError::Changed(section))) => {
                debug!(section, "bloom section changed while it was indexed");
                ctx.notify_after(PAUSE, Check);
            }
            Ok(Err(error)) => {
                warn!(%error, "bloom section not indexed");
                ctx.notify_after(PAUSE_AFTER_FAILURE, Check);
            }
            Err(error) => ctx.fail(error),
        }
    }
}
