//! The queue of a pool, and the count of the jobs that run.

use std::collections::VecDeque;
use std::thread::JoinHandle;

use crate::kernel::clock::Nanos;
use crate::kernel::pool::job::Job;

/// The state of a pool that its lock guards.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) jobs: VecDeque<Job>,
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
        if !self.jobs.iter().any(|job| job.is_unwanted(now)) {
            return Vec::new();
        }
        let mut unwanted = Vec::new();
        for job in std::mem::take(&mut self.jobs) {
            if job.is_unwanted(now) {
                unwanted.push(job);
            } else {
                self.jobs.push_back(job);
            }
        }
        unwanted
    }

    /// Returns the earliest deadline of the queued jobs.
    pub(super) fn next_deadline(&self) -> Option<Nanos> {
        self.jobs.iter().filter_map(|job| job.expires_at).min()
    }
}
