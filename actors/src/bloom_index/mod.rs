//! BloomIndexActor: makes the bloom index, section by section, behind the chain.
//!
//! | message | what happens |
//! |---|---|
//! | [`ChainChanged`] | it is looked whether a section is due |
//! | `Look` | the first section that is due and missing goes to the pool |
//! | `Made` | the pool is done; after a pause it is looked again |
//!
//! It keeps nothing that is not in the store: a section counts while its last block is
//! canonical ([`bloom_index::is_indexed`]), so after a restart or a reorg the actor finds what
//! is missing by looking.

#[cfg(test)]
mod tests;

use std::time::Duration;

use actoreum_chain::bloom_index::{self, IndexError, SECTION_BLOCKS, due_sections};
use actoreum_chain::{ChainEvent, ChainReader};
use actoreum_messages::events::ChainChanged;
use tracing::{debug, info, warn};

use crate::supervision::{Actor, Ctx, Failure, Handles, JobError, Message, Pool, WhenFull};

/// Between two sections, as geth's `bloomThrottling`: the making of many must not starve the
/// import of blocks.
const PAUSE: Duration = Duration::from_millis(100);

/// After a failure.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// How often it is looked without an event: of a large reorg the new head alone is told, and an
/// event may be lost.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Look whether a section is due.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Look;

/// The pool has made a section, or found that all are there.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Made(Result<Result<Progress, IndexError>, JobError>);

/// See the module.
pub struct BloomIndexActor {
    reader: ChainReader,
    pool: Pool,
    /// All sections below this are indexed, as far as is known.
    next: u64,
    is_working: bool,
}

impl BloomIndexActor {
    /// Makes the index of the chain that `reader` reads, on `pool`.
    pub fn new(reader: ChainReader, pool: Pool) -> Self {
        Self {
            reader,
            pool,
            next: 0,
            is_working: false,
        }
    }

    fn look(&mut self, ctx: &mut Ctx<Self>) {
        if self.is_working {
            return;
        }
        let due = due_sections(self.reader.head_number());
        let (reader, next) = (self.reader.clone(), self.next);
        let work = move || make_first_missing(&reader, next, due);
        match self.pool.submit(ctx.me(), work, Made) {
            Ok(()) => self.is_working = true,
            Err(error) => debug!(%error, "no room to make a bloom section"),
        }
    }
}

/// What a job found.
#[derive(Debug)]
enum Progress {
    /// It made this section; there may be more to make.
    Made(u64),
    /// All sections below this are there, and no other is due.
    Complete(u64),
}

/// Makes the first section that is missing. `next` is where it should be: a reorg may have
/// taken sections below it away.
fn make_first_missing(reader: &ChainReader, next: u64, due: u64) -> Result<Progress, IndexError> {
    let mut section = next.min(due);
    while section > 0 && !bloom_index::is_indexed(reader, section - 1)? {
        section -= 1;
    }
    while section < due {
        if !bloom_index::is_indexed(reader, section)? {
            bloom_index::index_section(reader, section)?;
            return Ok(Progress::Made(section));
        }
        section += 1;
    }
    Ok(Progress::Complete(section))
}

impl Actor for BloomIndexActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.notify_every(LOOK_AGAIN, || Look);
        ctx.notify(Look);
        Ok(())
    }
}

impl Handles<ChainChanged> for BloomIndexActor {
    type Answer = ();
    // Each says the same: look.
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, ChainChanged { events, .. }: ChainChanged, ctx: &mut Ctx<Self>) {
        let end = self.next * SECTION_BLOCKS;
        let reaches_down = |event: &ChainEvent| match event {
            ChainEvent::Removed(block) => block.header.number < end,
            _ => false,
        };
        let is_due = self.next < due_sections(self.reader.head_number());
        if is_due || events.iter().any(reaches_down) {
            self.look(ctx);
        }
    }
}

impl Handles<Look> for BloomIndexActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, Look: Look, ctx: &mut Ctx<Self>) {
        self.look(ctx);
    }
}

impl Handles<Made> for BloomIndexActor {
    type Answer = ();

    fn handle(&mut self, Made(result): Made, ctx: &mut Ctx<Self>) {
        self.is_working = false;
        match result {
            Ok(Ok(Progress::Made(section))) => {
                info!(section, "bloom section indexed");
                self.next = section + 1;
                ctx.notify_after(PAUSE, Look);
            }
            Ok(Ok(Progress::Complete(next))) => self.next = next,
            Ok(Err(IndexError::Changed(section))) => {
                debug!(section, "bloom section changed while it was made");
                ctx.notify_after(PAUSE, Look);
            }
            Ok(Err(error)) => {
                warn!(%error, "bloom section not made");
                ctx.notify_after(PAUSE_AFTER_FAILURE, Look);
            }
            Err(error) => ctx.fail(error),
        }
    }
}
