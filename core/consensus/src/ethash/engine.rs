//! The ethash engine.

use std::sync::Arc;

use actoreum_primitives::{Address, B256, Block, ChainConfig, Header, U256};
use rayon::prelude::*;

use super::{
    dataset::Dataset,
    hashimoto::{PowInput, PowOutput, hashimoto_full, hashimoto_light},
    light::LightCache,
    seal_hash::seal_hash,
    sizes::{EPOCH_BLOCKS, epoch_of},
    store::{DataStore, EthashOptions},
};
use crate::{
    BatchChain, BatchError, ConsensusError, Engine, HeaderChain,
    engine::{parent_of, verify_each},
    limits,
    rules::{self, dao, difficulty::difficulty, fork_fields, fork_fields::Sealer, ommers},
};

/// Number of seals verified together on one core: their chains of dependent reads overlap and their
/// Keccaks share instructions, which makes each about five times as fast as alone.
const SEALS_AT_ONCE: usize = 8;

/// The verification of seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SealCheck {
    /// Every seal is verified.
    #[default]
    Full,
    /// No seal is verified: for chains without proof of work (geth's `--fakepow`, the official
    /// vectors with `sealEngine: NoProof`). All other rules apply.
    None,
}

/// The proof-of-work engine. Clones share caches and datasets.
#[derive(Debug, Clone)]
pub struct Ethash {
    data: Arc<DataStore>,
    seals: SealCheck,
}

impl Ethash {
    /// Creates an engine; data is read or generated when it is first needed.
    pub fn new(options: EthashOptions, seals: SealCheck) -> Self {
        Self {
            data: Arc::new(DataStore::new(options)),
            seals,
        }
    }

    /// Returns the light cache of an epoch, from memory, from disk or generated: generating takes
    /// up to a second for the first epoch, and longer for later ones.
    pub fn cache(&self, epoch: u64) -> Result<Arc<LightCache>, ConsensusError> {
        verify_epoch(epoch)?;
        Ok(self.data.cache(epoch))
    }

    /// Returns the dataset of an epoch, from memory, from disk or generated. Generating takes
    /// minutes; `progress` is called with the percentage then.
    pub fn dataset(
        &self,
        epoch: u64,
        progress: &(dyn Fn(u8) + Sync),
    ) -> Result<Arc<Dataset>, ConsensusError> {
        verify_epoch(epoch)?;
        Ok(self.data.dataset(epoch, progress))
    }

    /// Returns true if the dataset is in memory, so that [`Self::dataset`] returns at once.
    pub fn has_dataset(&self, epoch: u64) -> bool {
        self.data.has_dataset(epoch)
    }

    /// Starts to read or generate the cache for a block in the background, so that the first seal
    /// need not wait for it. A node calls it for its head at start.
    pub fn prepare_cache(&self, block_number: u64) {
        let epoch = epoch_of(block_number);
        if self.seals == SealCheck::Full && epoch <= limits::MAX_EPOCH {
            self.data.prepare_cache(epoch);
        }
    }

    /// Starts to write the next epoch's dataset to disk in the background, if the block is near the
    /// end of its epoch. A miner calls it for each block; the dataset is written once.
    pub fn prepare_next_dataset(&self, block_number: u64) {
        let epoch = epoch_of(block_number);
        if blocks_left(block_number) <= limits::DATASET_PREPARE_BLOCKS && epoch < limits::MAX_EPOCH
        {
            self.data.prepare_dataset(epoch + 1);
        }
    }

    /// Verifies a header's seal with the full dataset of its epoch.
    pub fn verify_seal_full(
        &self,
        dataset: &Dataset,
        header: &Header,
    ) -> Result<(), ConsensusError> {
        let [output] = hashimoto_full(dataset, &[input_of(header)]);
        verify_output(header, &output)
    }

    fn cache_for(&self, block_number: u64) -> Result<Arc<LightCache>, ConsensusError> {
        let epoch = epoch_of(block_number);
        let cache = self
            .cache(epoch)
            .map_err(|_| ConsensusError::EpochOutOfRange(block_number))?;
        if blocks_left(block_number) <= limits::CACHE_PREPARE_BLOCKS && epoch < limits::MAX_EPOCH {
            self.data.prepare_cache(epoch + 1);
        }
        Ok(cache)
    }

    /// Returns the first invalid seal among headers of one epoch.
    fn first_bad_seal(
        &self,
        cache: &LightCache,
        dataset_bytes: u64,
        headers: &[&Header],
    ) -> Option<(usize, ConsensusError)> {
        let chunks = headers.par_chunks(SEALS_AT_ONCE).enumerate();
        chunks.find_map_first(|(chunk, headers)| {
            let outputs = hash_chunk(cache, dataset_bytes, headers);
            headers
                .iter()
                .zip(outputs)
                .enumerate()
                .find_map(|(index, (header, output))| {
                    let error = verify_output(header, &output).err()?;
                    Some((chunk * SEALS_AT_ONCE + index, error))
                })
        })
    }

    fn verify_any_header(
        config: &ChainConfig,
        header: &Header,
        parent: &Header,
    ) -> Result<(), ConsensusError> {
        match header.timestamp.cmp(&parent.timestamp) {
            std::cmp::Ordering::Greater => {}
            std::cmp::Ordering::Equal => return Err(ConsensusError::TimestampEqualsParent),
            std::cmp::Ordering::Less => return Err(ConsensusError::TimestampOlderThanParent),
        }
        let (have, want) = (
            header.difficulty,
            difficulty(config, header.timestamp, parent),
        );
        if have != want {
            return Err(ConsensusError::InvalidDifficulty { have, want });
        }
        rules::verify_gas_and_base_fee(config, header, parent)?;
        rules::verify_number(header, parent)?;
        fork_fields::verify(config, header, parent, Sealer::Engine)?;
        dao::verify(config, header)
    }
}

impl Engine for Ethash {
    fn author(&self, header: &Header) -> Result<Address, ConsensusError> {
        Ok(header.beneficiary)
    }

    fn verify_header(
        &self,
        chain: &dyn HeaderChain,
        header: &Header,
        parent: &Header,
        now: u64,
    ) -> Result<(), ConsensusError> {
        verify_extra_data(header)?;
        if header.timestamp > now.saturating_add(limits::ALLOWED_FUTURE_SECONDS) {
            return Err(ConsensusError::FutureBlock);
        }
        Self::verify_any_header(chain.config(), header, parent)?;
        rules::verify_fork_hash(chain.config(), header)
    }

    fn verify_seal(&self, _chain: &dyn HeaderChain, header: &Header) -> Result<(), ConsensusError> {
        if self.seals == SealCheck::None {
            return Ok(());
        }
        if header.difficulty.is_zero() {
            return Err(ConsensusError::ZeroDifficulty);
        }
        let cache = self.cache_for(header.number)?;
        let dataset_bytes = self.data.sizes().dataset_bytes(epoch_of(header.number));
        let [output] = hashimoto_light(&cache, dataset_bytes, &[input_of(header)]);
        verify_output(header, &output)
    }

    /// Checks that the header has the work of its difficulty, and that its difficulty is not far
    /// below the head's: over the few blocks in between it can fall to about a quarter.
    fn verify_orphan_seal(
        &self,
        chain: &dyn HeaderChain,
        head: &Header,
        header: &Header,
    ) -> Result<(), ConsensusError> {
        let min_difficulty = head.difficulty / U256::from(limits::ORPHAN_DIFFICULTY_DIVISOR);
        if header.difficulty < min_difficulty {
            return Err(ConsensusError::InvalidDifficulty {
                have: header.difficulty,
                want: min_difficulty,
            });
        }
        self.verify_seal(chain, header)
    }

    fn verify_headers(&self, batch: &BatchChain<'_>, now: u64) -> Result<(), BatchError> {
        verify_each(batch, |header, parent| {
            self.verify_header(batch, header, parent, now)
        })
    }

    fn verify_seals(&self, batch: &BatchChain<'_>) -> Result<(), BatchError> {
        if self.seals == SealCheck::None {
            return Ok(());
        }
        let mut start = 0;
        let same_epoch = |a: &&Header, b: &&Header| epoch_of(a.number) == epoch_of(b.number);
        for headers in batch.headers().chunk_by(same_epoch) {
            // `cache_for` is called with the last number of each epoch, which determines whether
            // the next epoch is prepared.
            let last = headers.last().map_or(0, |header| header.number);
            let cache = self.cache_for(last).map_err(|error| BatchError {
                index: start,
                error,
            })?;
            let dataset_bytes = self.data.sizes().dataset_bytes(epoch_of(last));
            if let Some((index, error)) = self.first_bad_seal(&cache, dataset_bytes, headers) {
                return Err(BatchError {
                    index: start + index,
                    error,
                });
            }
            start += headers.len();
        }
        Ok(())
    }

    fn verify_ommers(&self, chain: &dyn HeaderChain, block: &Block) -> Result<(), ConsensusError> {
        ommers::verify(chain, block, |ommer, parent| {
            verify_extra_data(ommer)?;
            Self::verify_any_header(chain.config(), ommer, parent)?;
            self.verify_seal(chain, ommer)
        })
    }

    fn prepare(
        &self,
        chain: &dyn HeaderChain,
        header: &mut Header,
        now: u64,
    ) -> Result<(), ConsensusError> {
        let parent = parent_of(chain, header)?;
        let earliest = parent.timestamp.saturating_add(1).max(now);
        header.timestamp = header.timestamp.max(earliest);
        header.difficulty = difficulty(chain.config(), header.timestamp, &parent);
        dao::mark(chain.config(), header);
        fork_fields::fill(chain.config(), header, &parent);
        Ok(())
    }

    fn rewards(
        &self,
        config: &ChainConfig,
        header: &Header,
        ommers: &[Header],
    ) -> Vec<(Address, U256)> {
        rules::rewards::ethash_rewards(config, header, ommers)
    }

    fn difficulty(
        &self,
        chain: &dyn HeaderChain,
        timestamp: u64,
        parent: &Header,
    ) -> Result<U256, ConsensusError> {
        Ok(difficulty(chain.config(), timestamp, parent))
    }

    fn seal_hash(&self, header: &Header) -> Option<B256> {
        Some(seal_hash(header))
    }
}

fn verify_epoch(epoch: u64) -> Result<(), ConsensusError> {
    if epoch <= limits::MAX_EPOCH {
        Ok(())
    } else {
        Err(ConsensusError::EpochOutOfRange(
            epoch.saturating_mul(EPOCH_BLOCKS),
        ))
    }
}

fn verify_extra_data(header: &Header) -> Result<(), ConsensusError> {
    let (have, max) = (header.extra_data.len(), limits::MAX_EXTRA_DATA_BYTES);
    if have <= max {
        Ok(())
    } else {
        Err(ConsensusError::ExtraDataTooLong { have, max })
    }
}

fn input_of(header: &Header) -> PowInput {
    PowInput {
        seal_hash: seal_hash(header),
        nonce: header.nonce_number(),
    }
}

/// Hashes up to [`SEALS_AT_ONCE`] headers: a full set together, a smaller one header by header,
/// whichever is cheapest for that number.
fn hash_chunk(cache: &LightCache, dataset_bytes: u64, headers: &[&Header]) -> Vec<PowOutput> {
    match <&[&Header; SEALS_AT_ONCE]>::try_from(headers) {
        Ok(headers) => {
            let inputs = headers.map(input_of);
            hashimoto_light(cache, dataset_bytes, &inputs).to_vec()
        }
        Err(_) => {
            let hash = |header| hashimoto_light(cache, dataset_bytes, &[input_of(header)])[0];
            headers.iter().copied().map(hash).collect()
        }
    }
}

fn verify_output(header: &Header, output: &PowOutput) -> Result<(), ConsensusError> {
    if header.difficulty.is_zero() {
        return Err(ConsensusError::ZeroDifficulty);
    }
    if output.mix_digest != header.mix_hash {
        return Err(ConsensusError::InvalidMixDigest);
    }
    if output.meets(header.difficulty) {
        Ok(())
    } else {
        Err(ConsensusError::InvalidProofOfWork)
    }
}

const fn blocks_left(block_number: u64) -> u64 {
    EPOCH_BLOCKS - block_number % EPOCH_BLOCKS
}
