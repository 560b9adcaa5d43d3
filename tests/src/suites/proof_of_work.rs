//! `PoWTests`: ethash of two headers.

use actoreum_consensus::ethash::{
    LightCache, PowInput, cache_bytes, dataset_bytes, hashimoto_light, seal_hash, seed_hash,
};
use actoreum_primitives::{B64, B256, Header, rlp};
use serde::Deserialize;

use crate::archive::ArchivedFile;
use crate::json::{self, Hex};
use crate::report::{Difference, Report, same};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    nonce: B64,
    mix_hash: B256,
    header: Hex,
    seed: B256,
    result: B256,
    #[serde(rename = "cache_size")]
    cache_size: u64,
    #[serde(rename = "full_size")]
    full_size: u64,
    #[serde(rename = "header_hash")]
    header_hash: B256,
}

fn run_one(vector: &Vector, cache: &LightCache) -> Result<(), Difference> {
    let header = rlp::decode_exact::<Header>(&vector.header.0)
        .map_err(|error| Difference::new("header", "to be decoded", error))?;
    same("nonce", &vector.nonce, &header.nonce)?;
    same("mix hash in the header", &vector.mix_hash, &header.mix_hash)?;
    same("seed", &vector.seed, &B256::from(seed_hash(0)))?;
    same("cache size", &vector.cache_size, &cache_bytes(0))?;
    same("dataset size", &vector.full_size, &dataset_bytes(0))?;
    same("seal hash", &vector.header_hash, &seal_hash(&header))?;
    let input = PowInput {
        seal_hash: seal_hash(&header),
        nonce: header.nonce_number(),
    };
    let [output] = hashimoto_light(cache, dataset_bytes(0), &[input]);
    same("mix digest", &vector.mix_hash, &output.mix_digest)?;
    same("result", &vector.result, &output.result)
}

/// Runs a file of `PoWTests`.
pub fn run(file: &ArchivedFile, report: &Report) {
    let cache = LightCache::generate(0);
    let vectors = json::named_vectors(&file.content).expect("a proof-of-work file is an object");
    for (name, text) in vectors {
        let vector: Vector = serde_json::from_str(text.get()).expect("a vector is read");
        report.record(
            "proof of work",
            "-",
            &format!("{} {name}", file.path),
            run_one(&vector, &cache),
        );
    }
}
