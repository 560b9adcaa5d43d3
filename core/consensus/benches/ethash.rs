//! Benchmarks of ethash: generation of a light cache, verification of seals one by one and in bulk,
//! computation of a dataset page.

use std::hint::black_box;

use actoreum_consensus::ethash::{
    LightCache, PowInput, cache_bytes, dataset_bytes, hashimoto_light,
};
use actoreum_primitives::B256;
use criterion::{BatchSize, Criterion, Throughput};

fn inputs<const COUNT: usize>(first_nonce: u64) -> [PowInput; COUNT] {
    std::array::from_fn(|index| PowInput {
        seal_hash: B256::repeat_byte(7),
        nonce: first_nonce + index as u64,
    })
}

fn light_verification(criterion: &mut Criterion) {
    let cache = LightCache::generate(0);
    let bytes = dataset_bytes(0);
    let mut group = criterion.benchmark_group("light verification");
    let mut nonce = 0;
    group
        .throughput(Throughput::Elements(1))
        .bench_function("1 header", |bencher| {
            bencher.iter(|| {
                nonce += 1;
                hashimoto_light(&cache, bytes, black_box(&inputs::<1>(nonce)))
            });
        });
    group
        .throughput(Throughput::Elements(8))
        .bench_function("8 headers together", |bencher| {
            bencher.iter(|| {
                nonce += 8;
                hashimoto_light(&cache, bytes, black_box(&inputs::<8>(nonce)))
            });
        });
    group.finish();
}

fn cache_generation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cache generation");
    group
        .sample_size(10)
        .throughput(Throughput::Bytes(cache_bytes(0)));
    group.bench_function("epoch 0", |bencher| {
        bencher.iter_batched(|| (), |()| LightCache::generate(0), BatchSize::PerIteration);
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    light_verification(&mut criterion);
    cache_generation(&mut criterion);
    criterion.final_summary();
}
