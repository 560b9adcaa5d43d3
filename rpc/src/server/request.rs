//! Parses the bytes of a body into calls, which borrow from the body.
//!
//! The order of the checks, the codes and the texts are those of geth 1.8 (`rpc/json.go`): a body
//! that is not JSON is -32600, JSON that is not a request is -32700.

use std::borrow::Cow;

use crate::error::{INVALID_MESSAGE, INVALID_REQUEST, RpcError};
use crate::server::json::scan::{self, Kind, ScanError};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call<'a> {
    /// The id as it stands in the request. It is echoed unchanged.
    pub id: &'a str,
    /// The name of the method.
    pub method: Cow<'a, str>,
    /// The arguments as they stand in the request; `None` if there are none.
    pub params: Option<&'a str>,
}

/// The content of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// White space alone, which is not answered.
    Nothing,
    /// One request.
    Single(Call<'a>),
    /// The requests of a batch.
    Batch(Vec<Call<'a>>),
}

/// Parses a body.
///
/// # Errors
/// Fails if the body is not JSON, not a request, or a batch of more than `max_batch` requests. The
/// error is answered without an id and ends a connection that carries more than one request.
pub(crate) fn parse(body: &[u8], max_batch: usize) -> Result<Message<'_>, RpcError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| RpcError::new(INVALID_REQUEST, "the request is not UTF-8"))?;
    let value = match scan::first_value(text) {
        Ok((value, _)) => value,
        Err(ScanError::Empty) => return Ok(Message::Nothing),
        Err(error) => return Err(RpcError::new(INVALID_REQUEST, error.to_string())),
    };
    if Kind::of(value) != Kind::Array {
        return parse_call(value).map(Message::Single);
    }
    let mut calls = Vec::new();
    for item in scan::elements(value) {
        if calls.len() == max_batch {
            return Err(RpcError::new(INVALID_REQUEST, "batch too large"));
        }
        calls.push(parse_call(item)?);
    }
    Ok(Message::Batch(calls))
}

fn parse_call(raw: &str) -> Result<Call<'_>, RpcError> {
    let kind = Kind::of(raw);
    if !matches!(kind, Kind::Object | Kind::Null) {
        return Err(mistyped(kind, "Go value of type rpc.jsonRequest"));
    }
    let mut id = None;
    let mut method = Cow::Borrowed("");
    let mut params = None;
    let mut first_error = None;
    for (key, value) in scan::members(raw) {
        let kind = Kind::of(value);
        let is_text = matches!(kind, Kind::String | Kind::Null);
        if key.eq_ignore_ascii_case("id") {
            id = Some(value);
        } else if key.eq_ignore_ascii_case("params") {
            params = Some(value);
        } else if key.eq_ignore_ascii_case("method") {
            match kind {
                Kind::String => method = scan::unquote(value),
                Kind::Null => {}
                _ => first_error = first_error.or(Some((kind, "jsonRequest.method"))),
            }
        } else if key.eq_ignore_ascii_case("jsonrpc") && !is_text {
            first_error = first_error.or(Some((kind, "jsonRequest.jsonrpc")));
        }
    }
    if let Some((kind, field)) = first_error {
        return Err(mistyped(
            kind,
            &format!("Go struct field {field} of type string"),
        ));
    }
    match id {
        None => Err(RpcError::new(INVALID_MESSAGE, "missing request id")),
        Some(id) => match Kind::of(id) {
            Kind::Null | Kind::Number | Kind::String => Ok(Call { id, method, params }),
            _ => Err(RpcError::new(INVALID_MESSAGE, "invalid request id")),
        },
    }
}

fn mistyped(kind: Kind, target: &str) -> RpcError {
    let kind = kind.name();
    RpcError::new(
        INVALID_MESSAGE,
        format!("json: cannot unmarshal {kind} into {target}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(body: &str) -> (i64, String) {
        let error = parse(body.as_bytes(), 3).expect_err(body);
        (error.code, error.message.into_owned())
    }

    fn single(body: &str) -> Call<'_> {
        match parse(body.as_bytes(), 3) {
            Ok(Message::Single(call)) => call,
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn a_call_borrows_from_the_body() {
        let call = single(r#"{"jsonrpc":"2.0","id":1e3,"method":"eth_x","params":[ 1 ]}"#);
        assert_eq!(call.id, "1e3");
        assert!(matches!(call.method, Cow::Borrowed("eth_x")));
        assert_eq!(call.params, Some("[ 1 ]"));
        assert_eq!(
            single(r#"{"ID":null,"Method":"a\u005fb"} trailing"#).method,
            "a_b"
        );
    }

    #[test]
    fn errors_have_geths_codes_and_texts() {
        assert_eq!(
            failure("{\"jsonrpc\":\"2.0\",\"id\":1"),
            (-32600, "unexpected EOF".into())
        );
        assert_eq!(failure("{}"), (-32700, "missing request id".into()));
        assert_eq!(failure("null"), (-32700, "missing request id".into()));
        for id in ["{\"a\":1}", "[1]", "true"] {
            let body = format!("{{\"id\":{id},\"method\":\"net_version\"}}");
            assert_eq!(failure(&body), (-32700, "invalid request id".into()));
        }
        assert_eq!(
            failure("\"x\""),
            (
                -32700,
                "json: cannot unmarshal string into Go value of type rpc.jsonRequest".into()
            )
        );
        assert_eq!(
            failure("[1]"),
            (
                -32700,
                "json: cannot unmarshal number into Go value of type rpc.jsonRequest".into()
            )
        );
        assert_eq!(
            failure("{\"id\":1,\"method\":2}"),
            (
                -32700,
                "json: cannot unmarshal number into Go struct field jsonRequest.method of type string"
                    .into()
            )
        );
        assert_eq!(
            failure("\u{7f}"),
            (
                -32600,
                "invalid character '\\x7f' looking for beginning of value".into()
            )
        );
    }

    #[test]
    fn a_batch_with_an_invalid_or_surplus_item_is_refused() {
        assert_eq!(parse(b"[]", 3), Ok(Message::Batch(vec![])));
        assert_eq!(
            failure("[{\"id\":1},{}]"),
            (-32700, "missing request id".into())
        );
        assert_eq!(
            failure("[{\"id\":1},{\"id\":1},{\"id\":1},{\"id\":1}]"),
            (-32600, "batch too large".into())
        );
    }

    #[test]
    fn an_empty_body_is_no_request() {
        assert_eq!(parse(b"", 3), Ok(Message::Nothing));
        assert_eq!(parse(b" \n", 3), Ok(Message::Nothing));
        assert_eq!(parse(b"\xff", 3).unwrap_err().code, -32600);
    }
}
