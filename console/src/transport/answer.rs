//! Messages of a node.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::TransportError;

/// Error that the node answers with. Its data is not part of it, as in geth's console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    /// Code of JSON-RPC.
    pub code: i64,
    /// Text for the user.
    #[serde(default)]
    pub message: String,
}

/// Result of a request: JSON, or the node's error.
pub type Answer = Result<String, RpcError>;

#[derive(Deserialize)]
struct Message<'a> {
    id: Option<u64>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<RpcError>,
}

/// Returns the answer to the request `id`, or `None` if the message belongs to another one, such as one
/// that was interrupted. An error without an id answers any request.
///
/// # Errors
/// The message is not a JSON-RPC object.
pub fn parse(message: &str, id: u64) -> Result<Option<Answer>, TransportError> {
    let parsed: Message<'_> = serde_json::from_str(message)
        .map_err(|error| TransportError::Invalid(error.to_string()))?;
    if let Some(error) = parsed.error {
        let is_ours = parsed.id.is_none_or(|it| it == id);
        return Ok(is_ours.then_some(Err(error)));
    }
    if parsed.id != Some(id) {
        return Ok(None);
    }
    let result = parsed.result.map_or("null", RawValue::get);
    Ok(Some(Ok(result.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_matched_by_its_id() {
        let answer = |text| parse(text, 7).unwrap();
        assert_eq!(
            answer(r#"{"id":7,"result": [1, 2]}"#),
            Some(Ok("[1, 2]".into()))
        );
        assert_eq!(
            answer(r#"{"jsonrpc":"2.0","id":7,"result":null}"#),
            Some(Ok("null".into()))
        );
        assert_eq!(answer(r#"{"id":6,"result":1}"#), None);
        assert_eq!(answer(r#"{"method":"eth_subscription","params":{}}"#), None);
        let error = RpcError {
            code: -32700,
            message: "bad".into(),
        };
        let text = r#"{"id":null,"error":{"code":-32700,"message":"bad","data":"0x"}}"#;
        assert_eq!(answer(text), Some(Err(error)));
        assert_eq!(
            answer(r#"{"id":6,"error":{"code":1,"message":"late"}}"#),
            None
        );
        assert!(parse("<html>", 7).is_err());
    }
}
