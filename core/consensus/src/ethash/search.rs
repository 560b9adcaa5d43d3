//! The search for a nonce.

use std::{
    ops::Range,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use actoreum_primitives::{B64, B256, Header, U256};

use super::{
    dataset::Dataset,
    hashimoto::{PowInput, hashimoto_full},
};

/// Number of nonces tried together, so that memory latencies overlap.
const NONCES_AT_ONCE: u64 = 4;

/// A seal that meets the difficulty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Solution {
    /// The nonce.
    pub nonce: u64,
    /// The mix digest of that nonce.
    pub mix_digest: B256,
}

impl Solution {
    /// Writes the seal into the header that was searched for.
    pub fn seal(&self, header: &mut Header) {
        header.nonce = B64::from(self.nonce.to_be_bytes());
        header.mix_hash = self.mix_digest;
    }
}

/// Tries the nonces of a range in order and returns the first that meets the difficulty, or `None`
/// at the range's end or once `stop` is set. Adds the number of tried nonces to `attempts`.
///
/// One call uses one core: each thread needs a range of its own.
pub fn search(
    dataset: &Dataset,
    seal_hash: B256,
    difficulty: U256,
    nonces: Range<u64>,
    stop: &AtomicBool,
    attempts: &AtomicU64,
) -> Option<Solution> {
    let mut nonce = nonces.start;
    while nonce < nonces.end && !stop.load(Ordering::Relaxed) {
        let inputs: [PowInput; NONCES_AT_ONCE as usize] = std::array::from_fn(|ahead| PowInput {
            seal_hash,
            nonce: nonce.wrapping_add(ahead as u64),
        });
        let outputs = hashimoto_full(dataset, &inputs);
        let tried = NONCES_AT_ONCE.min(nonces.end - nonce);
        attempts.fetch_add(tried, Ordering::Relaxed);
        let found = inputs.iter().zip(&outputs).take(tried as usize);
        let found = found.clone().find(|(_, output)| output.meets(difficulty));
        if let Some((input, output)) = found {
            return Some(Solution {
                nonce: input.nonce,
                mix_digest: output.mix_digest,
            });
        }
        nonce = nonce.saturating_add(NONCES_AT_ONCE);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ethash::{hashimoto::hashimoto_light, light::LightCache, sizes::seed_hash};

    const BYTES: u64 = 32 * 1024;

    #[test]
    fn search_finds_the_first_nonce_and_counts_attempts() {
        let cache = LightCache::generate_sized(1024, &seed_hash(0));
        let dataset = Dataset::generate_sized(&cache, BYTES, 1, &|_| {});
        let (seal_hash, difficulty) = (B256::repeat_byte(7), U256::from(50));
        let meets = |nonce: &u64| {
            let input = PowInput {
                seal_hash,
                nonce: *nonce,
            };
            hashimoto_light(&cache, BYTES, &[input])[0].meets(difficulty)
        };
        let first = (0..10_000).find(meets).unwrap();
        let (stop, attempts) = (AtomicBool::new(false), AtomicU64::new(0));
        let run = |range| search(&dataset, seal_hash, difficulty, range, &stop, &attempts);
        assert_eq!(run(0..10_000).unwrap().nonce, first);
        assert!((first + 1..first + 5).contains(&attempts.load(Ordering::Relaxed)));
        attempts.store(0, Ordering::Relaxed);
        assert_eq!(run(0..first), None);
        assert_eq!(attempts.load(Ordering::Relaxed), first);
        assert_eq!(run(first..first + 1).unwrap().nonce, first);
        assert_eq!(run(u64::MAX..u64::MAX), None);
        let before = attempts.load(Ordering::Relaxed);
        run(u64::MAX - 2..u64::MAX);
        assert_eq!(attempts.load(Ordering::Relaxed), before + 2);
        stop.store(true, Ordering::Relaxed);
        assert_eq!(run(0..10_000), None);
    }
}
