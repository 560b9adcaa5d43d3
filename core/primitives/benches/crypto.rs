//! Benchmarks of Keccak-256 and of sender recovery: one signature with each backend, and the
//! transactions of a block on all cores.

use std::hint::black_box;

use actoreum_primitives::{
    Address, Block, ChainConfig, Fork, LegacyTx, SecretKey, Transaction, TxPayload, U256,
    keccak256, recover_senders,
};
use criterion::{BenchmarkId, Criterion, Throughput};

const BLOCK_TRANSACTIONS: u64 = 1_000;

fn keccak(c: &mut Criterion) {
    let mut group = c.benchmark_group("keccak256");
    for size in [20_usize, 32, 136, 532, 4_096, 131_072] {
        let input = vec![0xa5; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_with_input(BenchmarkId::from_parameter(size), &input, |b, input| {
            b.iter(|| keccak256(black_box(input)));
        });
    }
    group.finish();
}

fn signed(nonce: u64, key: &SecretKey) -> Transaction {
    let payload = LegacyTx {
        chain_id: Some(1337),
        nonce,
        gas_price: U256::from(1_000_000_000),
        gas_limit: 21_000,
        to: Some(Address::repeat_byte(7)),
        value: U256::from(nonce),
        ..LegacyTx::default()
    };
    TxPayload::Legacy(payload).sign(key)
}

fn recovery(c: &mut Criterion) {
    let key = SecretKey::from_bytes(&[0x42; 32]).expect("because the key is in range");
    let transaction = signed(0, &key);
    let (signature, hash) = (*transaction.signature(), transaction.signing_hash());

    let mut group = c.benchmark_group("recover");
    group.bench_function("libsecp256k1", |b| {
        b.iter(|| black_box(&signature).recover_address(black_box(hash)));
    });
    group.bench_function("k256", |b| {
        b.iter(|| {
            black_box(&signature)
                .recover_with_k256(black_box(hash))
                .map(|key| key.address())
        });
    });
    group.finish();

    let config = ChainConfig::active_from_genesis(1337, Fork::Osaka);
    let transactions: Vec<_> = (0..BLOCK_TRANSACTIONS)
        .map(|nonce| signed(nonce, &key))
        .collect();
    let mut group = c.benchmark_group("recover_senders");
    group
        .throughput(Throughput::Elements(BLOCK_TRANSACTIONS))
        .sample_size(20);
    group.bench_function("block of 1000, all cores", |b| {
        // A transaction caches its sender, so each round needs new ones.
        let fresh = || {
            let mut block = Block::default();
            block.body.transactions = transactions
                .iter()
                .map(|tx| Transaction::new(tx.payload().clone(), *tx.signature()))
                .collect();
            [block]
        };
        b.iter_batched(
            fresh,
            |blocks| recover_senders(&config, &blocks),
            criterion::BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    keccak(&mut criterion);
    recovery(&mut criterion);
    criterion.final_summary();
}
