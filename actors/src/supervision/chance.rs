//! Where choices by chance come from.

use std::sync::Arc;

use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// A source of chance that a tree's actors share. Cheap to clone; clones go on with the same
/// sequence.
///
/// By default it begins with the system's randomness. A simulation seeds it: what then runs on one
/// thread makes the same choices each time.
#[derive(Debug, Clone)]
pub struct Chance(Arc<Mutex<StdRng>>);

impl Default for Chance {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(StdRng::from_os_rng())))
    }
}

impl Chance {
    /// A source whose sequence is that of a seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// Chooses with it. The source is locked for so long.
    pub fn choose<T>(&self, choose: impl FnOnce(&mut StdRng) -> T) -> T {
        choose(&mut self.0.lock())
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn a_seed_gives_one_sequence_and_the_system_another_each_time() {
        let numbers = |chance: &Chance| chance.choose(|random| random.random::<[u64; 4]>());
        assert_eq!(numbers(&Chance::seeded(7)), numbers(&Chance::seeded(7)));
        assert_ne!(numbers(&Chance::seeded(7)), numbers(&Chance::seeded(8)));
        assert_ne!(numbers(&Chance::default()), numbers(&Chance::default()));
    }
}
