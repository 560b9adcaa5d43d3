//! The writer beside `serde_json::to_writer`: into the bounded buffer of an answer, as the node uses it,
//! and into a vector without a limit.

use std::hint::black_box;

use actoreum_primitives::{Bytes, U256};
use actoreum_rpc::server::json::{JsonOut, Serialized, WriteJson};
use criterion::{Criterion, Throughput};
use serde::Serialize;

use crate::thread_time::ThreadTime;
use crate::values::{Answer, full_block};

const LIMIT: usize = 25_000_000;

fn own(value: &impl WriteJson) -> Vec<u8> {
    let mut out = JsonOut::new(LIMIT);
    value.write_json(&mut out);
    out.into_bytes()
}

fn serde_into_answer(value: &impl Serialize) -> Vec<u8> {
    own(&Serialized(value))
}

fn serde_into_vec(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    serde_json::to_writer(&mut out, value).unwrap();
    out
}

fn compare<T: WriteJson + Serialize>(criterion: &mut Criterion<ThreadTime>, name: &str, value: &T) {
    let bytes = own(value);
    assert_eq!(bytes, serde_into_answer(value));
    assert_eq!(bytes, serde_into_vec(value));
    let mut group = criterion.benchmark_group(format!("write {name}"));
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("own", |bencher| bencher.iter(|| own(black_box(value))));
    group.bench_function("serde_json into the answer", |bencher| {
        bencher.iter(|| serde_into_answer(black_box(value)));
    });
    group.bench_function("serde_json into a vector", |bencher| {
        bencher.iter(|| serde_into_vec(black_box(value)));
    });
    group.finish();
}

pub fn answers(criterion: &mut Criterion<ThreadTime>) {
    let balance = |id: u8| Answer::new(id, U256::from(id) << 64);
    compare(criterion, "a balance", &balance(1));
    let batch: Vec<_> = (0..100).map(balance).collect();
    compare(criterion, "a batch of 100 balances", &batch);
    let (block, rendered) = full_block();
    assert_eq!(own(&block), rendered);
    compare(criterion, "a block of 200 transactions", &block);
    let code = Bytes::from(vec![0x5a; 24_576]);
    compare(criterion, "code of 24 KiB", &code);
    let text = "revert: the allowance is spent \"\n".repeat(30);
    compare(criterion, "a string of 990 bytes with escapes", &text);
}
