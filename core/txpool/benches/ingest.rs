//! Benchmarks of adding a transaction, by the pool's contents, and a flood of a million distinct
//! senders.
#![expect(missing_docs, reason = "criterion's macros make a public item")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use actoreum_primitives::*;
use actoreum_txpool::{Head, Origin, Pool, PoolConfig, PoolTx};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rayon::prelude::*;

/// A state in which every account has one ether.
struct Rich;

impl StateReader for Rich {
    fn account(&self, _: &Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(Some(AccountInfo {
            balance: U256::from(ETHER),
            ..AccountInfo::default()
        }))
    }

    fn storage(&self, _: &Address, _: &U256) -> Result<U256, StateError> {
        Ok(U256::ZERO)
    }

    fn code(&self, _: &B256) -> Result<Bytes, StateError> {
        Ok(Bytes::new())
    }
}

fn head() -> Head {
    let config = ChainConfig::active_from_genesis(1337, Fork::Byzantium);
    let header = Header {
        gas_limit: 8_000_000,
        ..Header::default()
    };
    Head::new(&config, &header, header.hash(), 0)
}

fn pool() -> Pool {
    Pool::new(PoolConfig::default(), head())
}

fn transfer(nonce: u64, gas_price: u64) -> LegacyTx {
    LegacyTx {
        chain_id: Some(1337),
        nonce,
        gas_price: U256::from(gas_price),
        gas_limit: 21_000,
        to: Some(Address::ZERO),
        ..LegacyTx::default()
    }
}

fn pooled(transaction: Transaction) -> PooledTransaction {
    PooledTransaction {
        transaction,
        sidecar: None,
    }
}

/// Returns 20,000 transfers of `senders` senders, in the order of their nonces.
fn transfers(senders: u64) -> Vec<Arc<PoolTx>> {
    let keys: Vec<SecretKey> = (0..senders).map(|_| SecretKey::random()).collect();
    let rules = head().senders;
    let transfers = (0..20_000 / senders).into_par_iter().flat_map(|nonce| {
        keys.par_iter().map(move |key| {
            let transaction = TxPayload::Legacy(transfer(nonce, GWEI)).sign(key);
            PoolTx::prepare(pooled(transaction), &rules).map(Arc::new)
        })
    });
    transfers
        .collect::<Result<_, _>>()
        .expect("they are signed")
}

/// Returns transactions of distinct senders, each for the cost of one recovery: a random signature
/// recovers to some address.
fn unique_transfers(count: u64, gas_price: u64) -> Vec<Arc<PoolTx>> {
    let rules = head().senders;
    let payload = transfer(0, gas_price);
    let of = |index: u64| {
        let signature = Signature {
            y_parity: false,
            r: U256::from(index + 1),
            s: U256::from(7),
        };
        let transaction = Transaction::new(TxPayload::Legacy(payload.clone()), signature);
        PoolTx::prepare(pooled(transaction), &rules)
            .ok()
            .map(Arc::new)
    };
    // About half of all r are on the curve.
    (0..2 * count).into_par_iter().filter_map(of).collect()
}

fn add_all(pool: &mut Pool, transactions: &[Arc<PoolTx>], origin: Origin) -> usize {
    let mut added = 0;
    for tx in transactions {
        added += usize::from(pool.add(Arc::clone(tx), origin, &Rich, 0).is_ok());
        // The actor takes a snapshot for its readers in the same way.
        black_box(pool.snapshot());
    }
    added
}

fn ingest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ingest");
    group.sample_size(10);
    for senders in [1, 200, 20_000] {
        let transactions = transfers(senders);
        group.throughput(Throughput::Elements(transactions.len() as u64));
        group.bench_function(format!("20000 local of {senders} senders"), |bencher| {
            let run = |mut pool: Pool| {
                assert_eq!(add_all(&mut pool, &transactions, Origin::Local), 20_000);
                pool
            };
            bencher.iter_batched(pool, run, BatchSize::PerIteration);
        });
        group.bench_function(
            format!("reset with 20000 of {senders} senders"),
            |bencher| {
                let filled = || {
                    let mut pool = pool();
                    add_all(&mut pool, &transactions, Origin::Local);
                    pool
                };
                let run = |mut pool: Pool| {
                    pool.reset(head(), &Rich, None, 0)
                        .expect("the state is there");
                    pool
                };
                bencher.iter_batched(filled, run, BatchSize::PerIteration);
            },
        );
        group.bench_function(format!("sealer's order of {senders} senders"), |bencher| {
            let mut pool = pool();
            add_all(&mut pool, &transactions, Origin::Local);
            bencher.iter(|| pool.snapshot().best(None).take(400).count());
        });
    }
    group.finish();
}

fn prepare(criterion: &mut Criterion) {
    let rules = head().senders;
    let transaction = TxPayload::Legacy(transfer(0, GWEI)).sign(&SecretKey::random());
    let encoded = transaction.encode_2718();
    criterion.bench_function("prepare one from its bytes", |bencher| {
        bencher.iter(|| {
            let pooled = PooledTransaction::decode_2718(&encoded).expect("it is whole");
            PoolTx::prepare(pooled, &rules).expect("it is signed")
        });
    });
}

/// A flood takes too long for criterion's samples: it runs once and prints its figures.
fn flood(_: &mut Criterion) {
    const FLOOD_SIZE: u64 = 1_000_000;
    let honest = transfers(200);
    let honest = &honest[..3_200];
    let mut pool = pool();
    let added = add_all(&mut pool, honest, Origin::Reorg);
    assert_eq!(added, honest.len());
    let started = Instant::now();
    let flood = unique_transfers(FLOOD_SIZE, GWEI - 1);
    let prepared = started.elapsed();
    let started = Instant::now();
    for (index, tx) in flood.iter().enumerate() {
        let peer = PeerId::repeat_byte((index % 50) as u8);
        let _ = pool.add(Arc::clone(tx), Origin::Remote(peer), &Rich, 0);
    }
    let elapsed = started.elapsed();
    let snapshot = pool.snapshot();
    let remaining = honest
        .iter()
        .filter(|tx| snapshot.get(&tx.hash()).is_some());
    println!(
        "flood: {} distinct senders, prepared in {prepared:.1?} on all cores, refused or added \
         in {elapsed:.1?} ({:.2?} each); {} of {} honest ones remaining, {} bytes",
        flood.len(),
        elapsed / u32::try_from(flood.len()).unwrap_or(u32::MAX),
        remaining.count(),
        honest.len(),
        pool.bytes(),
    );
}

criterion_group!(benches, prepare, ingest, flood);
criterion_main!(benches);
