//! The JSON-RPC client over IPC, HTTP and WebSocket.

mod answer;
mod client;
mod endpoint;
mod http;
mod ipc;
#[cfg(test)]
mod tests;
mod websocket;

pub use answer::RpcError;
pub use client::{CallError, Client};
pub use endpoint::{Endpoint, EndpointError};

/// A connection to a node that carries one request at a time.
pub trait Connection: Send {
    /// Sends a request (JSON) and returns a message of the node, which may be the answer to an earlier
    /// request.
    ///
    /// # Errors
    /// The connection failed, or the message is too large. The connection is of no use afterwards.
    fn exchange(&mut self, request: &str) -> Result<String, TransportError>;

    /// Returns the next message without sending anything.
    ///
    /// # Errors
    /// As [`Connection::exchange`]; also for a transport without further messages.
    fn next(&mut self) -> Result<String, TransportError>;
}

/// Error of a connection to a node.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The socket failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The HTTP request failed, or the response was no success.
    #[error("{0}")]
    Http(String),
    /// The WebSocket connection failed.
    #[error("{0}")]
    WebSocket(String),
    /// The message is not JSON, or not an answer of JSON-RPC.
    #[error("the node's answer is no JSON-RPC: {0}")]
    Invalid(String),
    /// The message is larger than the limit.
    #[error("the node's answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The node has closed the connection.
    #[error("the node has closed the connection")]
    Closed,
    /// No certificate authority is trusted, so that TLS is not possible.
    #[error("no certificate authority to trust was found; SSL_CERT_FILE may name a file of them")]
    NoAuthority,
}
