//! Parses the bytes of a body into calls, which borrow from the body.
//!
//! The order of the checks, the codes and the texts are those of geth since 1.9, which follow JSON-RPC
//! 2.0, save that the member `jsonrpc` may be absent or any string, as geth 1.8 allows.

use std::borrow::Cow;

use crate::error::{INVALID_REQUEST, PARSE_ERROR, RpcError};
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

/// One value of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    /// A request, which is answered.
    Call(Call<'a>),
    /// A request without an id, which is run and not answered.
    Notification(Call<'a>),
    /// Anything else, with its id if it has a valid one. It is answered with an error.
    Invalid(Option<&'a str>),
}

/// The content of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// White space alone, which is not answered.
    Nothing,
    /// One request.
    Single(Item<'a>),
    /// The requests of a batch, one at least.
    Batch(Vec<Item<'a>>),
}

/// The reason why a body cannot be answered item by item.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// The body is not JSON. What follows on the same connection cannot be told apart from it.
    NotJson(RpcError),
    /// The batch is empty, or has too many requests.
    Batch(RpcError),
}

/// Parses a body.
///
/// # Errors
/// Fails if the body is not JSON, or a batch of no request or of more than `max_batch`. The error is
/// answered with an id of null.
pub(crate) fn parse(body: &[u8], max_batch: usize) -> Result<Message<'_>, Unreadable> {
    let not_json = |text: String| Unreadable::NotJson(RpcError::new(PARSE_ERROR, text));
    let text = std::str::from_utf8(body)
        .map_err(|_| not_json("parse error: the request is not UTF-8".to_owned()))?;
    let value = match scan::first_value(text) {
        Ok((value, _)) => value,
        Err(ScanError::Empty) => return Ok(Message::Nothing),
        Err(error) => return Err(not_json(format!("parse error: {error}"))),
    };
    if Kind::of(value) != Kind::Array {
        return Ok(Message::Single(parse_item(value)));
    }
    let unanswerable = |text| Unreadable::Batch(RpcError::new(INVALID_REQUEST, text));
    let mut items = Vec::new();
    for item in scan::elements(value) {
        if items.len() == max_batch {
            return Err(unanswerable("batch too large"));
        }
        items.push(parse_item(item));
    }
    if items.is_empty() {
        return Err(unanswerable("empty batch"));
    }
    Ok(Message::Batch(items))
}

fn parse_item(raw: &str) -> Item<'_> {
    if Kind::of(raw) != Kind::Object {
        return Item::Invalid(None);
    }
    let mut id = None;
    let mut method = Cow::Borrowed("");
    let mut params = None;
    let mut is_valid = true;
    for (key, value) in scan::members(raw) {
        let kind = Kind::of(value);
        if key.eq_ignore_ascii_case("id") {
            id = Some(value);
        } else if key.eq_ignore_ascii_case("params") {
            params = Some(value);
        } else if key.eq_ignore_ascii_case("method") {
            match kind {
                Kind::String => method = scan::unquote(value),
                _ => is_valid = false,
            }
        } else if key.eq_ignore_ascii_case("jsonrpc") {
            is_valid &= matches!(kind, Kind::String | Kind::Null);
        }
    }
    is_valid &= !method.is_empty();
    let Some(id) = id else {
        let id = "null";
        return match is_valid.then_some(Call { id, method, params }) {
            Some(call) => Item::Notification(call),
            None => Item::Invalid(None),
        };
    };
    if !matches!(Kind::of(id), Kind::Null | Kind::Number | Kind::String) {
        return Item::Invalid(None);
    }
    if is_valid {
        Item::Call(Call { id, method, params })
    } else {
        Item::Invalid(Some(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_json(body: &[u8]) -> RpcError {
        match parse(body, 3) {
            Err(Unreadable::NotJson(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    fn single(body: &str) -> Item<'_> {
        match parse(body.as_bytes(), 3) {
            Ok(Message::Single(item)) => item,
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn a_call_borrows_from_the_body() {
        let body = r#"{"jsonrpc":"2.0","id":1e3,"method":"eth_x","params":[ 1 ]}"#;
        let Item::Call(call) = single(body) else {
            panic!("{body}")
        };
        assert_eq!(call.id, "1e3");
        assert!(matches!(call.method, Cow::Borrowed("eth_x")));
        assert_eq!(call.params, Some("[ 1 ]"));
        let Item::Call(call) = single(r#"{"ID":null,"Method":"a\u005fb"} trailing"#) else {
            panic!("an id of null is an id")
        };
        assert_eq!(call.method, "a_b");
    }

    #[test]
    fn what_is_no_request_is_invalid() {
        for body in [
            "{}",
            "null",
            "\"x\"",
            "1",
            "{\"id\":[1],\"method\":\"a_b\"}",
        ] {
            assert_eq!(single(body), Item::Invalid(None), "{body}");
        }
        assert_eq!(single("{\"id\":1}"), Item::Invalid(Some("1")));
        assert_eq!(single("{\"id\":1,\"method\":2}"), Item::Invalid(Some("1")));
        assert!(matches!(
            single("{\"method\":\"a_b\"}"),
            Item::Notification(_)
        ));
    }

    #[test]
    fn a_body_that_is_not_json_is_a_parse_error() {
        for body in [&b"{\"jsonrpc\":\"2.0\",\"id\":1"[..], b"\x7f", b"\xff"] {
            let error = not_json(body);
            assert_eq!(error.code, -32700);
            assert!(error.message.starts_with("parse error"), "{error}");
        }
    }

    #[test]
    fn an_empty_or_large_batch_is_an_invalid_request() {
        let one = "{\"id\":1,\"method\":\"a_b\"}";
        let text = |body: String| match parse(body.as_bytes(), 3) {
            Err(Unreadable::Batch(error)) => (error.code, error.message.into_owned()),
            other => panic!("{other:?}"),
        };
        assert_eq!(text("[]".into()), (-32600, "empty batch".into()));
        let large = format!("[{one},{one},{one},{one}]");
        assert_eq!(text(large), (-32600, "batch too large".into()));
        let mixed = format!("[{one},1,{{}}]");
        let Ok(Message::Batch(items)) = parse(mixed.as_bytes(), 3) else {
            panic!("a bad item spoils only itself")
        };
        assert!(matches!(items[0], Item::Call(_)));
        assert_eq!(items[1..], [Item::Invalid(None), Item::Invalid(None)]);
    }

    #[test]
    fn an_empty_body_is_no_request() {
        assert_eq!(parse(b"", 3), Ok(Message::Nothing));
        assert_eq!(parse(b" \n", 3), Ok(Message::Nothing));
    }
}
