//! The queued messages of a generation that stops, ends or is given up: handled, kept or refused.

use tracing::error;

use crate::kernel::actor::Actor;
use crate::kernel::envelope::Reason;
use crate::kernel::exit::contain;
use crate::kernel::mailbox::Mailbox;
use crate::kernel::queue::Entry;

impl<A: Actor> Mailbox<A> {
    /// Closes the mailbox of a generation that was given up, and tells its callers.
    pub(crate) fn give_up(&self, generation: u64) {
        self.node.hang.give_up(generation);
        self.close(generation);
        self.interrupt_held(generation);
        self.given_up.notify_waiters();
    }

    /// Waits until a generation is given up.
    pub(crate) async fn until_given_up(&self, generation: u64) {
        loop {
            let given_up = self.given_up.notified();
            tokio::pin!(given_up);
            given_up.as_mut().enable();
            if self.node.hang.is_given_up(generation) {
                return;
            }
            given_up.await;
        }
    }

    /// Accepts no further message for the running generation, which will stop.
    pub(crate) fn begin_stop(&self) {
        let mut queue = self.queue.lock();
        queue.is_stopping = queue.is_open;
        // Those that wait for a slot get none.
        let waiting = queue.take_waiting();
        drop(queue);
        drop(waiting);
    }

    /// Takes away the queued messages of a generation that stops, except those that `stopped` hooks
    /// sent: they are kept for the next generation, or refused.
    pub(crate) fn drop_all_but_parting(&self, generation: u64) {
        let mut queue = self.queue.lock();
        if queue.generation != generation {
            return;
        }
        let dropped = queue.take_all_but_parting();
        self.note_depth(&queue);
        drop(queue);
        self.refuse_unhandled(dropped);
    }

    /// Sets whether unhandled messages wait for the next generation.
    pub(crate) fn set_keeps(&self, keeps: bool) {
        self.queue.lock().keeps = keeps;
    }

    /// Refuses the messages that were kept for a generation that will not come.
    pub(crate) fn refuse_kept(&self) {
        let mut queue = self.queue.lock();
        let kept = queue.take_kept();
        self.note_depth(&queue);
        drop(queue);
        self.refuse_unhandled(kept);
    }

    /// Returns whether a generation has no message left.
    pub(crate) fn is_empty(&self, generation: u64) -> bool {
        let queue = self.queue.lock();
        queue.generation != generation || queue.depth() == 0
    }

    /// Refuses and counts messages that were accepted and will not be handled. Their destructors
    /// are foreign code, and may run on a supervisor's thread.
    fn refuse_unhandled(&self, entries: Vec<Entry<A>>) {
        self.node.unhandled.note(entries.len());
        for entry in entries {
            if let Err(text) = contain(|| {
                entry
                    .envelope
                    .refuse(&self.node, Reason::Lost, entry.sender)
            }) {
                error!(actor = self.node.path(), reason = %text, "a message's destructor panicked");
            }
        }
    }

    /// Closes the mailbox, unless another generation has opened it.
    pub(super) fn close(&self, generation: u64) {
        let mut queue = self.queue.lock();
        if queue.generation != generation {
            return;
        }
        queue.is_open = false;
        queue.driver = None;
        let entries = queue.take_left();
        let waiting = queue.take_waiting();
        self.note_depth(&queue);
        drop(queue);
        drop(waiting);
        self.refuse_unhandled(entries);
    }
}
