//! The server: from the bytes of a request to the call of a method, and back.
//!
//! `http` and `ipc` are the transports, `connection` is a WebSocket or IPC connection with its
//! notifications, `dispatch` runs the calls of a request, and `method`, `param` and `json` turn JSON
//! into the arguments of a function.

pub mod connection;
pub(crate) mod deadline;
pub mod dispatch;
pub mod http;
#[cfg(unix)]
pub mod ipc;
pub mod json;
pub mod limits;
pub mod method;
pub mod metrics;
pub(crate) mod object;
pub mod param;
pub mod pool;
pub mod quota;
pub(crate) mod request;
mod trace;
