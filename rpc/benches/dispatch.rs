//! Measures the dispatch of a request, from its bytes to the bytes of the answer, without a socket.

#![allow(missing_docs, reason = "criterion's macros write public functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by its panic")]

use std::hint::black_box;
use std::sync::Arc;

use actoreum_primitives::{Address, Block, Body, Header, LegacyTx, SecretKey, TxPayload, U256};
use actoreum_rpc::render::{BlockView, TotalDifficulty, write_block};
use actoreum_rpc::server::dispatch::{DispatchLimits, Dispatcher};
use actoreum_rpc::server::json::JsonOut;
use actoreum_rpc::server::method::Method;
use actoreum_rpc::server::pool::HeavyPool;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

struct Head(u64);

fn dispatch(criterion: &mut Criterion) {
    let methods = [
        Arc::new(Method::view("eth_blockNumber", &[], |head: &Head, ()| {
            Ok(head.0)
        })),
        Arc::new(Method::view(
            "eth_echo",
            &["address"],
            |_: &Head, (it,): (Address,)| Ok(it),
        )),
    ];
    let namespaces = ["eth".to_owned()];
    let pool = HeavyPool::alone(1, 1).unwrap();
    let limits = DispatchLimits::default();
    let dispatcher = Dispatcher::new(Arc::new(Head(269)), &methods, &namespaces, pool, limits);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#;
    criterion.bench_function("dispatch eth_blockNumber", |bencher| {
        bencher.iter(|| runtime.block_on(dispatcher.answer(black_box(body))));
    });
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"eth_echo","params":["0x5810c5b4be43d3bf1195392a6a744597fe0fb561"]}"#;
    criterion.bench_function("dispatch with an address", |bencher| {
        bencher.iter(|| runtime.block_on(dispatcher.answer(black_box(body))));
    });
}

/// Measures the way to a thread of the heavy pool and back, beside that to a blocking thread of tokio.
fn heavy(criterion: &mut Criterion) {
    let pool = HeavyPool::alone(1, 16).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    criterion.bench_function("heavy pool", |bencher| {
        bencher.iter(|| runtime.block_on(pool.run("eth_call", || black_box(1))));
    });
    criterion.bench_function("spawn_blocking", |bencher| {
        bencher.iter(|| {
            let work = async { tokio::task::spawn_blocking(|| black_box(1)).await };
            runtime.block_on(work).unwrap()
        });
    });
}

/// Returns a block of 112 token transfers: the average full block of clique-bench.
fn full_block() -> (Block, Vec<Address>) {
    let key = SecretKey::from_bytes(&[7; 32]).unwrap();
    let transfer = |nonce: u64| {
        TxPayload::Legacy(LegacyTx {
            chain_id: Some(1337),
            nonce,
            gas_price: U256::from(2),
            gas_limit: 120_000,
            to: Some(Address::repeat_byte(0x58)),
            value: U256::ZERO,
            input: vec![0xa9; 68].into(),
        })
        .sign(&key)
    };
    let transactions: Vec<_> = (0..112).map(transfer).collect();
    let senders = transactions
        .iter()
        .map(|tx| tx.recover_sender().unwrap())
        .collect();
    (
        Block {
            header: Header::default(),
            body: Body {
                transactions,
                ..Body::default()
            },
        },
        senders,
    )
}

fn render(criterion: &mut Criterion) {
    let (block, senders) = full_block();
    let view = BlockView {
        block: &block,
        hash: block.hash(),
        total_difficulty: TotalDifficulty::Known(U256::from(539)),
        senders: Some(&senders),
    };
    let mut out = JsonOut::new(10_000_000);
    write_block(&mut out, &view);
    let mut group = criterion.benchmark_group("render");
    group.throughput(Throughput::Bytes(out.len() as u64));
    group.bench_function("a block of 112 transactions", |bencher| {
        bencher.iter(|| {
            let mut out = JsonOut::new(10_000_000);
            write_block(&mut out, black_box(&view));
            out
        });
    });
    group.finish();
}

criterion_group!(benches, heavy, dispatch, render);
criterion_main!(benches);
