//! The JSON-RPC server: one module for each namespace, one for each transport.
//!
//! ```text
//! HTTP -----> Dispatcher: bytes -> calls (slices of the body) -> rows of the method table
//! WebSocket                    |-- View: reads the published views, on the connection's thread
//! IPC                          |-- Heavy: runs on the bounded thread pool
//!                              `-- Actor: asks one actor
//!             bytes <- JSON written straight into the answer
//! ```
//!
//! A transport hands the bytes of a request to the [`Dispatcher`](server::dispatch::Dispatcher), which
//! scans them in place, looks each method up in the [method table](server::method) and runs it where its
//! [cost](server::method::Cost) says. Handlers read the chain and the transaction pool through published
//! views, so that a read never waits in a mailbox; only requests that change something ask an
//! actor. Connections over WebSocket and IPC also carry notifications.
//!
//! A handler is a function of the [`Node`](node::Node) and its typed arguments. Its row in the
//! table gives its name, the names of its arguments and its cost:
//!
//! ```
//! use std::sync::Arc;
//! use actoreum_rpc::server::dispatch::{DispatchLimits, Dispatcher};
//! use actoreum_rpc::server::method::Method;
//! use actoreum_rpc::server::pool::HeavyPool;
//!
//! struct Node;
//! let double = Method::view("eth_double", &["number"], |_: &Node, (number,): (u64,)| Ok(number * 2));
//! let namespaces = ["eth".to_owned()];
//! let pool = HeavyPool::alone(1, 16).unwrap();
//! let limits = DispatchLimits::default();
//! let dispatcher = Dispatcher::new(Arc::new(Node), &[Arc::new(double)], &namespaces, pool, limits);
//!
//! let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! let body = br#"{"jsonrpc":"2.0","id":1,"method":"eth_double","params":["0x15"]}"#;
//! let answer = runtime.block_on(dispatcher.answer(body));
//! assert_eq!(answer.body, b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x2a\"}\n");
//! ```
#![deny(clippy::indexing_slicing)]

pub mod error;
pub mod fork;
pub mod hexutil;
pub mod http_client;
pub mod namespaces;
pub mod node;
pub mod render;
pub mod server;
