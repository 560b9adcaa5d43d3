//! The requests that wait in a mailbox, or for it, as snapshots and the health monitor see them.

use crate::kernel::actor::Actor;
use crate::kernel::clock::Nanos;
use crate::kernel::mailbox::Mailbox;
use crate::limits::WAITS_READ;
use crate::observe::waits::{Wait, WaitState, Waiting};

impl<A: Actor> Mailbox<A> {
    /// Adds the queued requests that were sent at `before` or earlier and whose caller still waits.
    pub(crate) fn add_waits(&self, before: Nanos, waits: &mut Vec<Wait>) {
        let queue = self.queue.lock();
        let old = queue.sent_until(before);
        let awaited = old.filter_map(|(is_owing, entry)| {
            let message = entry.envelope.awaited(&self.node)?;
            Some(Wait {
                from: entry.sender,
                message: Some(message),
                since: entry.sent_at,
                state: WaitState::Queued { is_owing },
            })
        });
        waits.extend(awaited.take(WAITS_READ));
    }

    /// Begins a wait of the code that runs on this thread.
    pub(super) fn begin_wait(&self, state: WaitState) -> Waiting {
        Waiting::here(&self.node, state, self.node.now())
    }
}
