//! The random number generator of a tree, which a simulation can seed.

use std::sync::Arc;

use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// A random number generator that the actors of a tree share. Cheap to clone; clones continue the
/// same sequence.
///
/// The default one is seeded from the operating system. A simulation gives a seed: a tree that
/// runs on one thread then makes the same choices each time.
#[derive(Debug, Clone)]
pub struct SeededRng(Arc<Mutex<StdRng>>);

impl Default for SeededRng {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(StdRng::from_os_rng())))
    }
}

impl SeededRng {
    /// Creates a generator whose sequence is determined by `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// Calls `sample` with the generator, which is locked during the call.
    pub fn with<T>(&self, sample: impl FnOnce(&mut StdRng) -> T) -> T {
        sample(&mut self.0.lock())
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn a_seed_gives_the_same_sequence_each_time() {
        let numbers = |rng: &SeededRng| rng.with(|random| random.random::<[u64; 4]>());
        assert_eq!(
            numbers(&SeededRng::seeded(7)),
            numbers(&SeededRng::seeded(7))
        );
        assert_ne!(
            numbers(&SeededRng::seeded(7)),
            numbers(&SeededRng::seeded(8))
        );
        assert_ne!(
            numbers(&SeededRng::default()),
            numbers(&SeededRng::default())
        );
    }
}
