//! JSON-RPC: one module a namespace, one a transport.
//!
//! ```text
//! HTTP -----> Dispatcher: bytes -> calls (slices of the body) -> rows of the method table
//! WebSocket                    |-- View: read through the chain's view, on this thread
//! IPC                          |-- Heavy: on the bounded pool, or here where it is known to be short
//!                              `-- Actor: a question to one actor
//!             bytes <- JSON written straight into the answer
//! ```
//!
//! A handler is a function of the [`Node`](node::Node) and its typed arguments; its row
//! in the table names it and its arguments, and says what it costs:
//!
//! ```
//! use std::sync::Arc;
//! use actoreum_rpc::dispatch::{DispatchLimits, Dispatcher};
//! use actoreum_rpc::method::Method;
//! use actoreum_rpc::pool::HeavyPool;
//!
//! struct Node;
//! let double = Method::view("eth_double", &["number"], |_: &Node, (number,): (u64,)| Ok(number * 2));
//! let namespaces = ["eth".to_owned()];
//! let pool = HeavyPool::new(1, 16);
//! let limits = DispatchLimits::default();
//! let dispatcher = Dispatcher::new(Arc::new(Node), &[Arc::new(double)], &namespaces, pool, limits);
//!
//! let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! let body = br#"{"jsonrpc":"2.0","id":1,"method":"eth_double","params":["0x15"]}"#;
//! let answer = runtime.block_on(dispatcher.answer(body));
//! assert_eq!(answer.body, b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x2a\"}\n");
//! ```
#![deny(clippy::indexing_slicing)]

mod admin;
pub mod block_id;
mod clique;
mod connection;
mod deadline;
mod debug;
mod dev;
pub mod dispatch;
pub mod error;
pub mod eth;
pub mod hexutil;
pub mod http;
#[cfg(unix)]
pub mod ipc;
pub mod json;
mod keys;
pub mod limits;
pub mod method;
pub mod metrics;
mod miner;
pub mod namespaces;
mod net;
pub mod node;
mod object;
pub mod param;
mod personal;
pub mod pool;
mod quick;
pub mod quota;
pub mod render;
mod request;
mod rpc;
pub mod sealing;
mod txpool;
mod web3;
