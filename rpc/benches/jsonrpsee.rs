//! Compares the dispatcher with `jsonrpsee`: the same bytes of a request, methods that do the same, and
//! equal bytes of the answer. No socket on either side. The figures are processor time.
//!
//! `RpcModule::raw_json_request` also makes a channel for notifications, which a server makes once for
//! a connection; the row `callback` is what remains without it: the request is read, the method is
//! looked up and called.

#![allow(missing_docs, reason = "criterion's macros write public functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by its panic")]

use std::hint::black_box;
use std::sync::Arc;

use actoreum_primitives::alloy_primitives::U64;
use actoreum_primitives::{Address, U256};
use actoreum_rpc::server::dispatch::{DispatchLimits, Dispatcher};
use actoreum_rpc::server::method::Method;
use actoreum_rpc::server::pool::HeavyPool;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::FutureExt as _;
use jsonrpsee::types::{ErrorObjectOwned, Params, Request};
use jsonrpsee::{Extensions, MethodCallback, RpcModule};
use thread_time::ThreadTime;

#[path = "../../tests/bench/thread_time.rs"]
mod thread_time;

const REQUESTS: [(&str, &str); 2] = [
    (
        "eth_blockNumber",
        r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#,
    ),
    (
        "eth_getBalance",
        r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["0x5810c5b4be43d3bf1195392a6a744597fe0fb561","latest"]}"#,
    ),
];

/// The state that the methods read.
#[derive(Debug, Clone, Copy)]
struct Head {
    number: u64,
    balance: U256,
}

impl Head {
    /// Returns the balance of an account that is not the zero address.
    fn balance(&self, address: Address, block: &str) -> U256 {
        if address.is_zero() || block.is_empty() {
            U256::ZERO
        } else {
            self.balance
        }
    }
}

const HEAD: Head = Head {
    number: 269,
    balance: U256::from_limbs([0xde0b_6b3a_7640_0000, 0x3635, 0, 0]),
};

fn dispatcher() -> Dispatcher<Head> {
    let methods = [
        Arc::new(Method::view("eth_blockNumber", &[], |head: &Head, ()| {
            Ok(head.number)
        })),
        Arc::new(Method::view(
            "eth_getBalance",
            &["address", "block"],
            |head: &Head, (address, block): (Address, String)| Ok(head.balance(address, &block)),
        )),
    ];
    let namespaces = ["eth".to_owned()];
    let pool = HeavyPool::alone(1, 1).unwrap();
    Dispatcher::new(
        Arc::new(HEAD),
        &methods,
        &namespaces,
        pool,
        DispatchLimits::default(),
    )
}

fn module() -> RpcModule<Head> {
    let mut module = RpcModule::new(HEAD);
    module
        .register_method("eth_blockNumber", |_, head, _| {
            Ok::<_, ErrorObjectOwned>(U64::from(head.number))
        })
        .unwrap();
    module
        .register_method("eth_getBalance", |params, head, _| {
            let (address, block): (Address, String) = params.parse()?;
            Ok::<_, ErrorObjectOwned>(head.balance(address, &block))
        })
        .unwrap();
    module
}

/// Answers without an executor: a method of cost `View` never waits.
fn own_answer(dispatcher: &Dispatcher<Head>, body: &str) -> Vec<u8> {
    let answer = dispatcher.answer(body.as_bytes()).now_or_never();
    answer.unwrap().body
}

/// Answers without an executor: a synchronous method never waits.
fn raw_request(module: &RpcModule<Head>, body: &str) -> String {
    let answer = module.raw_json_request(body, 1).now_or_never();
    let (json, _notifications) = answer.unwrap().unwrap();
    String::from(Box::<str>::from(json))
}

/// Answers with the steps of a server alone.
fn callback(module: &RpcModule<Head>, body: &str) -> String {
    let request: Request<'_> = serde_json::from_str(body).unwrap();
    let Some(MethodCallback::Sync(callback)) = module.method(&request.method) else {
        panic!("no synchronous method {}", request.method);
    };
    let params = Params::new(request.params.as_ref().map(|params| params.get()));
    let response = callback(request.id, params, usize::MAX, Extensions::new());
    String::from(Box::<str>::from(response.into_json()))
}

fn dispatch(criterion: &mut Criterion<ThreadTime>) {
    let (dispatcher, module) = (dispatcher(), module());
    for (name, body) in REQUESTS {
        let own = String::from_utf8(own_answer(&dispatcher, body)).unwrap();
        assert_eq!(own.trim_end(), raw_request(&module, body));
        assert_eq!(own.trim_end(), callback(&module, body));

        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(1));
        group.bench_function("own", |bencher| {
            bencher.iter(|| own_answer(&dispatcher, black_box(body)));
        });
        group.bench_function("jsonrpsee raw_json_request", |bencher| {
            bencher.iter(|| raw_request(&module, black_box(body)));
        });
        group.bench_function("jsonrpsee callback", |bencher| {
            bencher.iter(|| callback(&module, black_box(body)));
        });
        group.finish();
    }
}

criterion_group!(
    name = benches;
    config = Criterion::default().with_measurement(ThreadTime);
    targets = dispatch
);
criterion_main!(benches);
