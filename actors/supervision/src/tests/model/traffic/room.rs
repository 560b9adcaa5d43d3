//! The reference model of a mailbox's bounds and of its order.

use super::{Envelope, Results, Traffic, answer};
use crate::limits::HIGH_PRIORITY_RUN;

impl Traffic {
    fn is_full(&self) -> bool {
        self.queue.len() + self.granted.len() >= self.capacity
    }

    /// Returns whether the bound in bytes holds with a message of this weight.
    fn fits(&self, weight: usize) -> bool {
        let granted: usize = self.granted.iter().map(|envelope| envelope.weight).sum();
        let bound = self.bound.unwrap_or(usize::MAX);
        self.bytes() + granted + weight <= bound
    }

    /// Makes room for a message of this weight: messages may be dropped for it, those of normal
    /// priority first. Room that others wait for is theirs: then as much must be dropped as is taken.
    pub(super) fn makes_room(&mut self, weight: usize, results: &mut Results) -> bool {
        self.too_heavy += u64::from(!self.is_full() && !self.fits(weight));
        let mut left = self.clone();
        let (mut dropped, mut freed) = (Vec::new(), 0);
        let is_awaited = !self.waiting.is_empty();
        while left.is_full()
            || !left.fits(weight)
            || is_awaited && (dropped.is_empty() || freed < weight)
        {
            let Some(old) = left.drop_oldest() else {
                return false;
            };
            freed += old.weight;
            dropped.push(old);
        }
        self.queue = left.queue;
        for old in dropped {
            self.count(old.kind).dropped += 1;
            answer(&old, "Dropped", results);
        }
        true
    }

    fn drop_oldest(&mut self) -> Option<Envelope> {
        let oldest = |is_high| {
            let mut queue = self.queue.iter();
            queue.position(|old| old.kind.is_droppable() && old.kind.is_high() == is_high)
        };
        let index = oldest(false).or_else(|| oldest(true))?;
        self.queue.remove(index)
    }

    /// Gives the free slots to those that have waited longest.
    pub(super) fn grant(&mut self) {
        while let Some(first) = self.waiting.front() {
            if self.is_full() || !self.fits(first.weight) {
                return;
            }
            self.granted.extend(self.waiting.pop_front());
        }
    }

    /// Takes the oldest message of high priority, and after some of those the oldest other one.
    pub(super) fn next(&mut self) -> Option<Envelope> {
        let first = |is_high| {
            let mut queue = self.queue.iter();
            queue.position(|envelope| envelope.kind.is_high() == is_high)
        };
        let (high, normal) = (first(true), first(false));
        let is_over = self.high_run >= HIGH_PRIORITY_RUN;
        if high.is_none() || is_over {
            self.high_run = 0;
        }
        let index = match (high, normal) {
            (Some(_), Some(normal)) if is_over => normal,
            (Some(high), _) => {
                self.high_run += 1;
                high
            }
            (None, normal) => normal?,
        };
        if high == Some(index) {
            let passed = self.queue.iter().take(index);
            self.overtaken += passed.filter(|envelope| !envelope.kind.is_high()).count() as u64;
        }
        self.queue.remove(index)
    }
}
