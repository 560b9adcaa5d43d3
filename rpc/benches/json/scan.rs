//! The scanner beside `serde_json`, which reads members and elements as `&RawValue`.

use std::borrow::Cow;
use std::fmt::Debug;
use std::hint::black_box;

use actoreum_rpc::server::json::scan::{elements, first_value, members, unquote};
use criterion::{Criterion, Throughput};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::thread_time::ThreadTime;
use crate::values::full_block;

const GET_BALANCE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["0x5810c5b4be43d3bf1195392a6a744597fe0fb561","latest"]}"#;
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{"from":"0x5810c5b4be43d3bf1195392a6a744597fe0fb561","to":"0x5810c5b4be43d3bf1195392a6a744597fe0fb561","data":"0x70a082310000000000000000000000005810c5b4be43d3bf1195392a6a744597fe0fb561"},"latest"]}"#;

/// A request, taken apart as far as its parameters.
#[derive(Debug, Default, PartialEq)]
struct Call<'a> {
    id: &'a str,
    method: Cow<'a, str>,
    params: Vec<&'a str>,
}

fn own_call(text: &str) -> Call<'_> {
    take_apart(first_value(text).unwrap().0)
}

/// Takes a request apart whose JSON is known to be valid.
fn take_apart(request: &str) -> Call<'_> {
    let mut call = Call::default();
    for (key, value) in members(request) {
        match &*key {
            "id" => call.id = value,
            "method" => call.method = unquote(value),
            "params" => call.params = elements(value).collect(),
            _ => {}
        }
    }
    call
}

fn own_batch(text: &str) -> Vec<Call<'_>> {
    let (batch, _) = first_value(text).unwrap();
    elements(batch).map(take_apart).collect()
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    params: Vec<&'a RawValue>,
}

impl<'a> From<Request<'a>> for Call<'a> {
    fn from(request: Request<'a>) -> Self {
        Self {
            id: request.id.get(),
            method: request.method,
            params: request.params.iter().map(|param| param.get()).collect(),
        }
    }
}

fn serde_call(text: &str) -> Call<'_> {
    serde_json::from_str::<Request<'_>>(text).unwrap().into()
}

fn serde_batch(text: &str) -> Vec<Call<'_>> {
    let batch: Vec<Request<'_>> = serde_json::from_str(text).unwrap();
    batch.into_iter().map(Call::from).collect()
}

fn own_transactions(text: &str) -> Vec<&str> {
    let (block, _) = first_value(text).unwrap();
    let transactions = members(block).find(|(key, _)| key == "transactions");
    elements(transactions.unwrap().1).collect()
}

#[derive(Deserialize)]
struct Transactions<'a> {
    #[serde(borrow)]
    transactions: Vec<&'a RawValue>,
}

fn serde_transactions(text: &str) -> Vec<&str> {
    let block: Transactions<'_> = serde_json::from_str(text).unwrap();
    block.transactions.iter().map(|raw| raw.get()).collect()
}

fn own_valid(text: &str) -> &str {
    first_value(text).unwrap().0
}

fn serde_valid(text: &str) -> &str {
    serde_json::from_str::<&RawValue>(text).unwrap().get()
}

fn compare<'a, T: Debug + PartialEq>(
    criterion: &mut Criterion<ThreadTime>,
    name: &str,
    text: &'a str,
    own: impl Fn(&'a str) -> T,
    serde: impl Fn(&'a str) -> T,
) {
    assert_eq!(own(text), serde(text));
    let mut group = criterion.benchmark_group(format!("scan {name}"));
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("own", |bencher| bencher.iter(|| own(black_box(text))));
    group.bench_function("serde_json", |bencher| {
        bencher.iter(|| serde(black_box(text)));
    });
    group.finish();
}

pub fn requests(criterion: &mut Criterion<ThreadTime>) {
    compare(
        criterion,
        "eth_getBalance",
        GET_BALANCE,
        own_call,
        serde_call,
    );
    compare(criterion, "eth_call", CALL, own_call, serde_call);
    let raw = "a9".repeat(128 << 10);
    let raw = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x{raw}"]}}"#
    );
    compare(
        criterion,
        "a raw transaction of 128 KiB",
        &raw,
        own_call,
        serde_call,
    );
    let batch = format!("[{}]", vec![CALL; 100].join(","));
    compare(
        criterion,
        "a batch of 100 eth_call",
        &batch,
        own_batch,
        serde_batch,
    );
    let block = String::from_utf8(full_block().1).unwrap();
    compare(
        criterion,
        "a block of 200 transactions",
        &block,
        own_transactions,
        serde_transactions,
    );
    compare(
        criterion,
        "a block of 200 transactions, validated alone",
        &block,
        own_valid,
        serde_valid,
    );
}
