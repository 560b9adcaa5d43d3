//! The queue of a pool, and the count of the jobs that run.

use std::collections::VecDeque;
use std::thread::JoinHandle;

use crate::kernel::clock::Nanos;
use crate::kernel::pool::job::Job;

/// The state of a pool that its lock guards.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) jobs: VecDeque<Job>,
    /// A time at or before the earliest deadline of the queued jobs.
    pub(super) next_deadline: Option<Nanos>,
    /// The number of times that the pool was opened. Threads of an earlier opening end.
    pub(super) opening: u64,
    pub(super) is_open: bool,
    /// Jobs of this opening that run.
    pub(super) running: usize,
    /// Jobs of earlier openings that still run after a crash. While there is one, no other job
    /// begins.
    pub(super) left_over: usize,
    pub(super) threads: Vec<JoinHandle<()>>,
}

impl Queue {
    /// Appends a job, whatever the length of the queue.
    pub(super) fn push(&mut self, job: Job) {
        self.next_deadline = earliest(self.next_deadline, job.expires_at);
        self.jobs.push_back(job);
    }

    /// Takes the oldest job that may begin. After a crash the jobs that run already are not
    /// overlapped by new ones.
    pub(super) fn pop(&mut self) -> Option<Job> {
        match self.left_over {
            0 => self.jobs.pop_front(),
            _ => None,
        }
    }

    /// Takes out the jobs that need not run any more. The caller discards them once it has released
    /// the lock.
    #[must_use]
    pub(super) fn take_unwanted(&mut self, now: Nanos) -> Vec<Job> {
        let mut unwanted = Vec::new();
        if self.jobs.iter().any(|job| job.is_unwanted(now)) {
            for job in std::mem::take(&mut self.jobs) {
                if job.is_unwanted(now) {
                    unwanted.push(job);
                } else {
                    self.jobs.push_back(job);
                }
            }
        }
        let deadlines = self.jobs.iter().map(|job| job.expires_at);
        self.next_deadline = deadlines.fold(None, earliest);
        unwanted
    }
}

/// Returns the earlier one of two deadlines, either of which there may not be.
fn earliest(one: Option<Nanos>, other: Option<Nanos>) -> Option<Nanos> {
    one.into_iter().chain(other).min()
}
