//! The error object of an answer.

use std::borrow::Cow;
use std::fmt;

/// The body is not JSON.
pub const PARSE_ERROR: i64 = -32700;
/// The request is JSON, but not a request, or an empty batch.
pub const INVALID_REQUEST: i64 = -32600;
/// The method is unknown or its namespace is not offered.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// An argument is missing or cannot be read.
pub const INVALID_PARAMS: i64 = -32602;
/// The server failed; the request may have been valid.
pub const INTERNAL_ERROR: i64 = -32603;
/// The method ran and returned an error.
pub const SERVER_ERROR: i64 = -32000;
/// The time of the request, or of its batch, is over (geth 1.13).
pub const TIMED_OUT: i64 = -32002;
/// The answer exceeds the server's limit (EIP-1474 "limit exceeded" family; geth 1.13).
pub const RESPONSE_TOO_LARGE: i64 = -32003;
/// The server is at its limit; the client may try later (EIP-1474).
pub const LIMIT_EXCEEDED: i64 = -32005;
/// The transaction is in the pool, and in no block within the time of the request (EIP-7966).
pub const NOT_MINED_IN_TIME: i64 = 4;
/// The transaction waits for an earlier nonce of its sender (EIP-7966).
pub const NONCE_GAP: i64 = 6;
/// The transaction's price is below the base fee of the next block (as on anvil).
pub const FEE_TOO_LOW: i64 = -32003;
/// The contract reverted the call; `data` holds the data that it returned.
pub const REVERTED: i64 = 3;
/// The code of a simulated call violated a rule of the EVM (execution-apis).
pub const VM_ERROR: i64 = -32015;
/// The numbers of simulated blocks do not increase (execution-apis).
pub const BLOCK_NUMBER_INVALID: i64 = -38020;
/// The times of simulated blocks do not increase (execution-apis).
pub const BLOCK_TIMESTAMP_INVALID: i64 = -38021;
/// A simulation asks for more than the node does for one (execution-apis).
pub const CLIENT_LIMIT_EXCEEDED: i64 = -38026;

/// The error of a request: a code, a text and, for some errors, data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcError {
    /// The JSON-RPC error code.
    pub code: i64,
    /// The text, in geth's words if geth has the same error.
    pub message: Cow<'static, str>,
    /// Further data: a JSON value, as text.
    pub data: Option<Box<str>>,
}

impl RpcError {
    /// Creates an error with any code.
    pub fn new(code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    /// Creates the error of a method that ran and failed: code -32000.
    pub fn server(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(SERVER_ERROR, message)
    }

    /// Creates the error of a bug or a failed part of the node: code -32603.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(INTERNAL_ERROR, message)
    }

    /// Creates the error of invalid arguments: code -32602.
    pub fn invalid_params(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(INVALID_PARAMS, message)
    }

    /// Creates the error of an argument that is absent, as geth words it. Arguments count from zero.
    pub fn missing_argument(position: usize) -> Self {
        Self::invalid_params(format!("missing value for required argument {position}"))
    }

    /// Creates the error of a method that is not offered. `name` is what the client asked for.
    pub fn method_not_found(name: &str) -> Self {
        let shown = truncate(name, crate::server::limits::MAX_ECHOED_NAME);
        Self::new(
            METHOD_NOT_FOUND,
            format!("The method {shown} does not exist/is not available"),
        )
    }

    /// Adds a JSON value as the data of the error.
    pub fn with_data(mut self, raw_json: impl Into<Box<str>>) -> Self {
        self.data = Some(raw_json.into());
        self
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for RpcError {}

/// Returns the longest prefix of `text` that has at most `limit` bytes.
pub(crate) fn truncate(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echoed_name_is_truncated_at_a_character() {
        let name = "é".repeat(500);
        let message = RpcError::method_not_found(&name).message;
        assert!(message.len() < 200, "{}", message.len());
    }
}
