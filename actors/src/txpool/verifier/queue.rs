//! Fair queue of the jobs that check transactions.

use actoreum_primitives::PeerId;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use crate::txpool::limits::MAX_LOCAL_IN_A_ROW;

/// Queue of waiting jobs. Jobs of this node come first; among peers the one whose jobs have taken
/// the least time is next, so that each has an equal share of the threads, whatever its jobs cost.
///
/// A peer that had no jobs begins again with the time of the peer that was served last: it is next,
/// and cannot save up time. A peer is remembered while it is a [member](Self::join).
#[derive(Debug)]
pub(super) struct FairQueue<J> {
    local: VecDeque<(JobId, J)>,
    local_in_a_row: u32,
    peers: HashMap<PeerId, PeerQueue<J>>,
    /// The peers with jobs: by the time that they have taken, then in the order of arrival.
    ready: BTreeSet<(Duration, JobId, PeerId)>,
    /// The time of the peer that was served last.
    floor: Duration,
    last_id: u64,
}

/// Identifier of a job in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct JobId(u64);

#[derive(Debug)]
struct PeerQueue<J> {
    waiting: VecDeque<(JobId, J)>,
    /// Time that the peer's jobs have taken.
    time: Duration,
    /// Number of joins without a leave.
    members: u32,
}

impl<J> Default for FairQueue<J> {
    fn default() -> Self {
        Self {
            local: VecDeque::new(),
            local_in_a_row: 0,
            peers: HashMap::new(),
            ready: BTreeSet::new(),
            floor: Duration::ZERO,
            last_id: 0,
        }
    }
}

impl<J> FairQueue<J> {
    /// Adds a peer.
    pub fn join(&mut self, peer: PeerId) {
        let floor = self.floor;
        let queue = self.peers.entry(peer).or_insert_with(|| PeerQueue {
            waiting: VecDeque::new(),
            time: floor,
            members: 0,
        });
        queue.members += 1;
    }

    /// Removes a peer that has left as often as it joined. Returns its jobs, which do not run any
    /// more.
    pub fn leave(&mut self, peer: &PeerId) -> Vec<J> {
        let Some(queue) = self.peers.get_mut(peer) else {
            return Vec::new();
        };
        queue.members = queue.members.saturating_sub(1);
        if queue.members > 0 {
            return Vec::new();
        }
        let time = queue.time;
        let queue = self.peers.remove(peer);
        let waiting = queue.map(|it| it.waiting).unwrap_or_default();
        if let Some((first, _)) = waiting.front() {
            self.ready.remove(&(time, *first, *peer));
        }
        waiting.into_iter().map(|(_, job)| job).collect()
    }

    /// Adds a job of this node.
    pub fn push_local(&mut self, job: J) -> JobId {
        let id = self.next_id();
        self.local.push_back((id, job));
        id
    }

    /// Adds a job of a peer; `None` where the peer has left.
    pub fn push(&mut self, peer: PeerId, job: J) -> Option<JobId> {
        let (id, floor) = (self.next_id(), self.floor);
        let queue = self.peers.get_mut(&peer)?;
        let is_idle = queue.waiting.is_empty();
        queue.waiting.push_back((id, job));
        if is_idle {
            queue.time = queue.time.max(floor);
            let time = queue.time;
            self.ready.insert((time, id, peer));
        }
        Some(id)
    }

    /// Takes the next job, with its peer; `None` is this node.
    pub fn pop(&mut self) -> Option<(Option<PeerId>, J)> {
        let is_local_turn = self.local_in_a_row < MAX_LOCAL_IN_A_ROW || self.ready.is_empty();
        if is_local_turn && let Some((_, job)) = self.local.pop_front() {
            self.local_in_a_row += 1;
            return Some((None, job));
        }
        self.local_in_a_row = 0;
        let (time, _, peer) = self.ready.pop_first()?;
        self.floor = self.floor.max(time);
        let queue = self.peers.get_mut(&peer)?;
        let (_, job) = queue.waiting.pop_front()?;
        if let Some((next, _)) = queue.waiting.front() {
            self.ready.insert((time, *next, peer));
        }
        Some((Some(peer), job))
    }

    /// Charges a peer for the time of a job.
    pub fn charge(&mut self, peer: &PeerId, time: Duration) {
        let Some(queue) = self.peers.get_mut(peer) else {
            return;
        };
        let before = queue.time;
        queue.time = before.saturating_add(time);
        if let Some((first, _)) = queue.waiting.front() {
            let (first, after) = (*first, queue.time);
            self.ready.remove(&(before, first, *peer));
            self.ready.insert((after, first, *peer));
        }
    }

    /// Removes a job that has not had its turn.
    pub fn remove(&mut self, peer: Option<&PeerId>, id: JobId) -> Option<J> {
        let Some(peer) = peer else {
            let place = self.local.iter().position(|(it, _)| *it == id)?;
            return self.local.remove(place).map(|(_, job)| job);
        };
        let queue = self.peers.get_mut(peer)?;
        let place = queue.waiting.iter().position(|(it, _)| *it == id)?;
        let (_, job) = queue.waiting.remove(place)?;
        if place == 0 {
            self.ready.remove(&(queue.time, id, *peer));
            if let Some((next, _)) = queue.waiting.front() {
                self.ready.insert((queue.time, *next, *peer));
            }
        }
        Some(job)
    }

    /// Removes all jobs.
    pub fn drain(&mut self) -> Vec<J> {
        self.ready.clear();
        let mut jobs: Vec<J> = self.local.drain(..).map(|(_, job)| job).collect();
        for queue in self.peers.values_mut() {
            jobs.extend(queue.waiting.drain(..).map(|(_, job)| job));
        }
        jobs
    }

    pub fn is_empty(&self) -> bool {
        self.local.is_empty() && self.ready.is_empty()
    }

    /// Returns the number of peers that are remembered.
    #[cfg(test)]
    pub fn peers(&self) -> usize {
        self.peers.len()
    }

    fn next_id(&mut self) -> JobId {
        self.last_id += 1;
        JobId(self.last_id)
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    const A: PeerId = PeerId::repeat_byte(0xaa);
    const B: PeerId = PeerId::repeat_byte(0xbb);
    const MS: Duration = Duration::from_millis(1);

    /// Runs jobs whose time is given by `cost`. Returns their order.
    fn run(queue: &mut FairQueue<u32>, count: usize, cost: impl Fn(u32) -> Duration) -> Vec<u32> {
        let mut order = Vec::new();
        while order.len() < count
            && let Some((peer, job)) = queue.pop()
        {
            order.push(job);
            if let Some(peer) = peer {
                queue.charge(&peer, cost(job));
            }
        }
        order
    }

    #[test]
    fn peers_share_time_not_turns() {
        let mut queue = FairQueue::default();
        queue.join(A);
        queue.join(B);
        for job in 0..4 {
            queue.push(A, job);
        }
        for job in 100..110 {
            queue.push(B, job);
        }
        // A's jobs take three times as long.
        let cost = |job| if job < 100 { 3 * MS } else { MS };
        let order = run(&mut queue, 8, cost);
        let of_a = order.iter().filter(|job| **job < 100).count();
        assert_eq!((order[0], of_a), (0, 2), "{order:?}");
    }

    #[test]
    fn a_new_peer_is_next_and_cannot_save_up_time() {
        let mut queue = FairQueue::default();
        queue.join(A);
        for job in 0..100 {
            queue.push(A, job);
        }
        run(&mut queue, 50, |_| MS);
        queue.join(B);
        for job in 100..200 {
            queue.push(B, job);
        }
        let order = run(&mut queue, 10, |_| MS);
        assert!(order[..2].contains(&100), "{order:?}");
        let of_b = order.iter().filter(|job| **job >= 100).count();
        assert!((4..=6).contains(&of_b), "{order:?}");
    }

    #[test]
    fn past_time_counts_for_a_peer_with_single_jobs() {
        let mut queue = FairQueue::default();
        queue.join(A);
        queue.join(B);
        // A always has one job, B sometimes.
        for job in 0..50 {
            queue.push(A, job);
            run(&mut queue, 1, |_| 10 * MS);
        }
        queue.push(A, 50);
        queue.push(B, 100);
        assert_eq!(run(&mut queue, 2, |_| MS), [100, 50]);
    }

    #[test]
    fn local_jobs_come_first_without_starving_peers() {
        let mut queue = FairQueue::default();
        queue.join(A);
        queue.push(A, 1_000);
        for job in 0..20 {
            queue.push_local(job);
        }
        let order = run(&mut queue, 21, |_| MS);
        let turn = order.iter().position(|job| *job == 1_000);
        assert_eq!(turn, Some(MAX_LOCAL_IN_A_ROW as usize));
    }

    #[test]
    fn leaving_returns_the_jobs_of_a_peer() {
        let mut queue = FairQueue::default();
        queue.join(A);
        queue.join(A);
        for job in 0..3 {
            queue.push(A, job);
        }
        queue.join(B);
        queue.push(B, 9);
        assert!(queue.leave(&A).is_empty(), "another connection of it");
        assert_eq!(queue.leave(&A), [0, 1, 2]);
        assert_eq!(queue.push(A, 3), None);
        assert_eq!(run(&mut queue, 9, |_| MS), [9]);
        assert!(queue.is_empty());
        queue.leave(&B);
        assert_eq!(queue.peers(), 0);
    }

    #[test]
    fn a_waiting_job_can_be_removed() {
        let mut queue = FairQueue::default();
        queue.join(A);
        let first = queue.push(A, 1).unwrap();
        let second = queue.push(A, 2).unwrap();
        let local = queue.push_local(3);
        assert_eq!(queue.remove(Some(&A), first), Some(1));
        assert_eq!(queue.remove(Some(&A), first), None);
        assert_eq!(queue.remove(None, local), Some(3));
        assert_eq!(run(&mut queue, 9, |_| MS), [2]);
        assert_eq!(queue.remove(Some(&A), second), None);
        queue.push(A, 4);
        queue.push_local(5);
        assert_eq!(queue.drain(), [5, 4]);
        assert!(queue.is_empty() && queue.pop().is_none());
    }
}
