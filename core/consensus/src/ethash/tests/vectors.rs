//! The official proof-of-work vectors.

use actoreum_primitives::{B256, Header, keccak256, rlp};
use serde_json::Value;

use crate::{
    ethash::{
        LightCache, PowInput, cache_bytes, dataset_bytes, epoch_of, hashimoto_light, seal_hash,
        seed_hash,
    },
    tests::fixtures::{archived, fixture},
};

#[test]
fn vectors_proof_of_work() {
    let Some(archive) = fixture("vectors/units.tar.zst") else {
        return;
    };
    let files = archived(&archive, "PoWTests/");
    assert!(!files.is_empty());
    let cache = LightCache::generate(0);
    let bytes = cache
        .rows()
        .iter()
        .flat_map(|row| row.0)
        .flat_map(u32::to_le_bytes);
    let cache_hash = keccak256(bytes.collect::<Vec<u8>>());
    let mut count = 0;
    for (file, tests) in files {
        for (name, test) in tests.as_object().unwrap() {
            verify(&format!("{file} {name}"), test, &cache, cache_hash);
            count += 1;
        }
    }
    println!("{count} proof-of-work vectors passed");
    assert!(count >= 2);
}

fn verify(name: &str, test: &Value, cache: &LightCache, cache_hash: B256) {
    let bytes = |field: &str| hex::decode(test[field].as_str().unwrap()).unwrap();
    let number = |field: &str| match &test[field] {
        Value::Number(number) => number.as_u64().unwrap(),
        text => text.as_str().unwrap().parse().unwrap(),
    };
    let header: Header = rlp::decode_exact(&bytes("header")).unwrap();
    let epoch = epoch_of(header.number);
    assert_eq!(epoch, 0, "{name}: the cache is that of epoch 0");
    assert_eq!(seed_hash(epoch)[..], bytes("seed"), "{name}: seed");
    assert_eq!(
        cache_bytes(epoch),
        number("cache_size"),
        "{name}: cache size"
    );
    assert_eq!(
        dataset_bytes(epoch),
        number("full_size"),
        "{name}: dataset size"
    );
    assert_eq!(cache_hash[..], bytes("cache_hash"), "{name}: cache");
    let seal_hash = seal_hash(&header);
    assert_eq!(seal_hash[..], bytes("header_hash"), "{name}: seal hash");
    let input = PowInput {
        seal_hash,
        nonce: header.nonce_number(),
    };
    assert_eq!(header.nonce[..], bytes("nonce"), "{name}: nonce");
    let [output] = hashimoto_light(cache, dataset_bytes(epoch), &[input]);
    assert_eq!(
        output.mix_digest[..],
        bytes("mixHash"),
        "{name}: mix digest"
    );
    assert_eq!(output.result[..], bytes("result"), "{name}: result");
}
