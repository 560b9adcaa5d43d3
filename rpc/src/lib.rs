//! JSON-RPC: one module a namespace, one a transport.
#![deny(clippy::indexing_slicing)]

pub mod dispatch;
pub mod error;
pub mod hexutil;
pub mod http;
pub mod json;
pub mod limits;
pub mod method;
pub mod metrics;
pub mod param;
pub mod pool;
mod request;
mod rpc;
