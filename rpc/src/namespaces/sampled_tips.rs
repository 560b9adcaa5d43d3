//! The lowest tips of recent blocks, which the gas price oracle samples.

use std::num::NonZeroUsize;

use actoreum_primitives::{B256, U256};
use lru::LruCache;
use parking_lot::Mutex;

use crate::server::limits::MAX_SAMPLED_TIPS;

/// The sample of a block. A block never changes, so a sample is never stale.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// The lowest tip of the block's transactions, in wei; `None` if none of them counts.
    pub(crate) tip: Option<U256>,
    /// The hash of the block's parent.
    pub(crate) parent: B256,
}

/// The samples of the blocks that were sampled most recently, at most [`MAX_SAMPLED_TIPS`].
pub(crate) struct SampledTips(Mutex<LruCache<B256, Sample>>);

impl Default for SampledTips {
    fn default() -> Self {
        let capacity = NonZeroUsize::new(MAX_SAMPLED_TIPS).unwrap_or(NonZeroUsize::MIN);
        Self(Mutex::new(LruCache::new(capacity)))
    }
}

impl SampledTips {
    /// Returns the sample of a block; `take` takes it if it is not known. `None` if there is no such
    /// block.
    ///
    /// # Errors
    /// The errors of `take`.
    pub(crate) fn of<E>(
        &self,
        hash: &B256,
        take: impl FnOnce() -> Result<Option<Sample>, E>,
    ) -> Result<Option<Sample>, E> {
        let known = self.0.lock().get(hash).copied();
        if known.is_some() {
            return Ok(known);
        }
        let taken = take()?;
        if let Some(sample) = taken {
            self.0.lock().put(*hash, sample);
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_sampled_once() {
        let tips = SampledTips::default();
        let hash = B256::repeat_byte(1);
        let none = tips.of(&hash, || Ok::<_, ()>(None)).unwrap();
        assert!(
            none.is_none(),
            "a block that is not there is not remembered"
        );
        let sample = Sample {
            tip: Some(U256::from(7)),
            parent: B256::repeat_byte(2),
        };
        for _ in 0..2 {
            let found = tips.of(&hash, || Ok::<_, ()>(Some(sample))).unwrap();
            assert_eq!(found.unwrap().tip, sample.tip);
        }
        let found = tips.of(&hash, || Err(())).unwrap();
        assert_eq!(found.unwrap().parent, sample.parent);
    }
}
