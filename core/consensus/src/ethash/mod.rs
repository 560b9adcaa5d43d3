//! Ethash: proof of work.
//!
//! ```text
//!   seal hash, nonce ──> hashimoto ──> mix digest (in the header), result <= 2^256 / difficulty
//!                            │ 64 pages
//!            ┌───────────────┴──────────────┐
//!        light cache                    full dataset
//!   16 MiB and more, 0.3 s         1 GiB and more, minutes
//!   verification: computes pages   mining: reads pages
//! ```

mod dataset;
mod engine;
mod files;
mod hashimoto;
mod keccak;
mod light;
mod make;
mod row;
mod seal_hash;
mod search;
mod sizes;
mod store;

pub use dataset::Dataset;
pub use engine::{Ethash, SealCheck};
pub use files::{FileError, FileKind, path_of};
pub use hashimoto::{PowInput, PowOutput, hashimoto_full, hashimoto_light, target};
pub use light::LightCache;
pub use make::make_file;
pub use seal_hash::seal_hash;
pub use search::{Solution, search};
pub use sizes::{EPOCH_BLOCKS, cache_bytes, dataset_bytes, epoch_of, seed_hash};
pub use store::{DataSizes, EthashOptions};

#[cfg(test)]
mod tests;
