//! The parts of a space of hashed keys that are still to be fetched.

use actoreum_primitives::{B256, U256};

use super::limits::MAX_CHUNKS;

/// Keys from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRange {
    /// First key that is not fetched yet.
    pub first: B256,
    /// Last key of the part.
    pub last: B256,
}

/// Reason why a record of progress was refused. The sync then begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The record is not a list of at most [`MAX_CHUNKS`] pairs of keys.
    #[error("the record of a snap sync has a wrong length")]
    Length,
    /// The ranges overlap or are not in order.
    #[error("the ranges in the record of a snap sync are not in order")]
    Order,
}

/// The part of a key space that is still to be fetched, in ranges that do not overlap, in ascending
/// order. A range shrinks from its front as answers arrive, and is gone when all of it was fetched.
///
/// A peer's answer to a request is a verified prefix of the requested range. The keys of a range stay in
/// the plan until that answer has arrived: a request that fails, or whose peer has no state, is simply
/// made again, of another peer or of another state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRanges {
    left: Vec<Slot>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    range: KeyRange,
    is_requested: bool,
}

impl KeyRanges {
    /// Divides the keys from `first` on into `chunks` ranges of about the same size, at least one and at
    /// most [`MAX_CHUNKS`].
    pub fn new(first: B256, chunks: usize) -> Self {
        let chunks = chunks.clamp(1, MAX_CHUNKS);
        let mut start = U256::from_be_bytes(first.0);
        let step = (U256::MAX - start) / U256::from(chunks);
        let mut left = Vec::with_capacity(chunks);
        for chunk in 1..=chunks {
            let end = if chunk == chunks {
                U256::MAX
            } else {
                start + step
            };
            left.push(Slot::new(start, end));
            match end.checked_add(U256::from(1)) {
                Some(next) => start = next,
                None => break,
            }
        }
        Self { left }
    }

    /// Returns true if nothing is left to be fetched.
    pub fn is_complete(&self) -> bool {
        self.left.is_empty()
    }

    /// Returns what is left, in ascending order.
    pub fn left(&self) -> impl Iterator<Item = KeyRange> {
        self.left.iter().map(|slot| slot.range)
    }

    /// Returns the first range without a request and marks it as requested; `None` if each has one.
    pub fn next_request(&mut self) -> Option<KeyRange> {
        let slot = self.left.iter_mut().find(|slot| !slot.is_requested)?;
        slot.is_requested = true;
        Some(slot.range)
    }

    /// Reports that the request for `range` has failed: it is made again.
    pub fn failed(&mut self, range: KeyRange) {
        if let Some(index) = self.requested(range) {
            self.left[index].is_requested = false;
        }
    }

    /// Reports that the answer for `range` was verified up to the key `last`, and whether keys follow
    /// after it. An answer without keys has no `last`, and proves that none follow.
    ///
    /// Returns how many keys at the end of the answer, which has `keys` in ascending order, are beyond
    /// the range: a peer returns at least one key, however far away it is. They belong to another range.
    pub fn fetched(&mut self, range: KeyRange, keys: &[B256], has_more: bool) -> usize {
        let Some(index) = self.requested(range) else {
            return keys.len();
        };
        let beyond = keys.len() - keys.partition_point(|key| *key <= range.last);
        let next = match keys.last() {
            Some(last) if has_more && *last < range.last => next_key(last),
            _ => None,
        };
        match next {
            Some(first) => {
                self.left[index].range.first = first;
                self.left[index].is_requested = false;
            }
            None => {
                self.left.remove(index);
            }
        }
        beyond
    }

    /// Forgets all requests, since the connections that they were made on are gone.
    pub fn forget_requests(&mut self) {
        for slot in &mut self.left {
            slot.is_requested = false;
        }
    }

    fn requested(&self, range: KeyRange) -> Option<usize> {
        self.left
            .iter()
            .position(|slot| slot.is_requested && slot.range == range)
    }

    /// Returns the record of what is left: the first and the last key of each range.
    pub fn encode(&self) -> Vec<u8> {
        let keys = |slot: &Slot| [slot.range.first, slot.range.last];
        self.left.iter().flat_map(keys).flatten().collect()
    }

    /// Reads the record that [`Self::encode`] wrote. No range has a request.
    pub fn decode(record: &[u8]) -> Result<Self, RecordError> {
        if !record.len().is_multiple_of(64) || record.len() / 64 > MAX_CHUNKS {
            return Err(RecordError::Length);
        }
        let mut left: Vec<Slot> = Vec::with_capacity(record.len() / 64);
        for pair in record.chunks_exact(64) {
            let (first, last) = pair.split_at(32);
            let range = KeyRange {
                first: B256::from_slice(first),
                last: B256::from_slice(last),
            };
            let is_after = left.last().is_none_or(|slot| slot.range.last < range.first);
            if range.first > range.last || !is_after {
                return Err(RecordError::Order);
            }
            left.push(Slot {
                range,
                is_requested: false,
            });
        }
        Ok(Self { left })
    }
}

impl Slot {
    fn new(first: U256, last: U256) -> Self {
        Self {
            range: KeyRange {
                first: B256::from(first),
                last: B256::from(last),
            },
            is_requested: false,
        }
    }
}

/// Returns the key after `key`; `None` after the last one.
fn next_key(key: &B256) -> Option<B256> {
    U256::from_be_bytes(key.0)
        .checked_add(U256::from(1))
        .map(B256::from)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;
    use crate::snap::limits::CHUNKS;

    const FIRST: B256 = B256::ZERO;
    const LAST: B256 = B256::repeat_byte(0xff);

    /// Answers like a peer: at most `count` keys from the first one of the range on, up to and with the
    /// first one at or above its last one, and whether more follow.
    fn answer(state: &BTreeSet<B256>, range: KeyRange, count: usize) -> (Vec<B256>, bool) {
        let mut keys = Vec::new();
        for key in state.range(range.first..) {
            keys.push(*key);
            if *key >= range.last || keys.len() == count {
                break;
            }
        }
        let has_more = keys.last().is_some_and(|last| state.last() > Some(last));
        (keys, has_more)
    }

    #[test]
    fn chunks_cover_the_key_space_without_gaps() {
        for first in [FIRST, B256::repeat_byte(0x77), LAST] {
            for chunks in [0, 1, 2, 7, CHUNKS, MAX_CHUNKS, 10_000] {
                let ranges: Vec<_> = KeyRanges::new(first, chunks).left().collect();
                assert_eq!(ranges.first().map(|range| range.first), Some(first));
                assert_eq!(ranges.last().map(|range| range.last), Some(LAST));
                assert!(ranges.iter().all(|range| range.first <= range.last));
                for pair in ranges.windows(2) {
                    assert_eq!(next_key(&pair[0].last), Some(pair[1].first));
                }
                assert!(ranges.len() <= MAX_CHUNKS);
            }
        }
    }

    #[test]
    fn every_key_is_fetched_once_in_spite_of_failures_and_stops() {
        for seed in 0..50 {
            let mut random = StdRng::seed_from_u64(seed);
            let mut state = BTreeSet::new();
            for _ in 0..random.random_range(0..400) {
                state.insert(B256::from(random.random::<[u8; 32]>()));
            }
            if seed % 3 == 0 {
                state.extend([FIRST, LAST]);
            }
            let mut plan = KeyRanges::new(FIRST, random.random_range(1..20));
            let mut fetched = Vec::new();
            let mut pending = Vec::new();
            for step in 0.. {
                assert!(step < 20_000, "the sync ends");
                if plan.is_complete() {
                    break;
                }
                if random.random_ratio(1, 40) {
                    // A kill: only the record survives; late answers find no request.
                    plan = KeyRanges::decode(&plan.encode()).unwrap();
                }
                pending.extend(plan.next_request());
                if pending.is_empty() || random.random_ratio(1, 3) {
                    continue;
                }
                let range = pending.swap_remove(random.random_range(0..pending.len()));
                if random.random_ratio(1, 4) {
                    plan.failed(range);
                    continue;
                }
                let (keys, has_more) = answer(&state, range, random.random_range(1..12));
                let beyond = plan.fetched(range, &keys, has_more);
                fetched.extend_from_slice(&keys[..keys.len() - beyond]);
            }
            fetched.sort();
            let expected: Vec<_> = state.into_iter().collect();
            assert_eq!(fetched, expected, "seed {seed}");
        }
    }

    #[test]
    fn a_range_has_one_request_at_a_time() {
        let mut plan = KeyRanges::new(FIRST, 2);
        let (low, high) = (plan.next_request().unwrap(), plan.next_request().unwrap());
        assert_eq!(plan.next_request(), None);
        plan.failed(low);
        assert_eq!(plan.next_request(), Some(low));
        plan.forget_requests();
        assert_eq!(plan.fetched(high, &[high.last], false), 1, "a late answer");
        assert_eq!(plan.left().count(), 2);
    }

    #[test]
    fn a_key_beyond_the_range_completes_it_and_is_not_counted() {
        let mut plan = KeyRanges::new(FIRST, 2);
        let low = plan.next_request().unwrap();
        assert_eq!(plan.fetched(low, &[FIRST, LAST], false), 1);
        assert_eq!(plan.left().count(), 1);
        let high = plan.next_request().unwrap();
        assert_eq!(plan.fetched(high, &[], false), 0, "no key follows");
        assert!(plan.is_complete());
        assert_eq!(KeyRanges::decode(&plan.encode()), Ok(plan));
    }

    #[test]
    fn damaged_records_are_refused() {
        let record = KeyRanges::new(FIRST, 4).encode();
        assert_eq!(KeyRanges::decode(&record[1..]), Err(RecordError::Length));
        let long = record.repeat(MAX_CHUNKS / 4 + 1);
        assert_eq!(KeyRanges::decode(&long), Err(RecordError::Length));
        assert_eq!(
            KeyRanges::decode(&record.repeat(2)),
            Err(RecordError::Order)
        );
        let swapped = [&record[32..64], &record[..32]].concat();
        assert_eq!(KeyRanges::decode(&swapped), Err(RecordError::Order));
    }
}
