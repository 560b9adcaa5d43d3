//! Cuts a stream of bytes into JSON values.

use actix_web::web::{Bytes, BytesMut};

/// Bytes that arrived and are no message yet.
///
/// Only so much of JSON is understood as is needed to see where a value ends: nesting and
/// strings. What is no object or array ends with its line; whether it is JSON at all is for
/// whoever reads the message.
pub(super) struct Frames {
    buffer: BytesMut,
    /// Bytes that were looked at.
    seen: usize,
    /// Open objects and arrays.
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    limit: usize,
}

impl Frames {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            seen: 0,
            depth: 0,
            in_string: false,
            is_escaped: false,
            limit,
        }
    }

    /// Where new bytes go.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Whether the message that is arriving is longer than the limit.
    pub(super) fn is_too_long(&self) -> bool {
        self.buffer.len() > self.limit
    }

    /// Whether a message has begun to arrive.
    pub(super) fn is_partial(&self) -> bool {
        !self.buffer.trim_ascii_start().is_empty()
    }

    /// The next whole message.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        while let Some(byte) = self.buffer.get(self.seen).copied() {
            self.seen += 1;
            if self.ends_at(byte) {
                return Some(self.take());
            }
        }
        None
    }

    /// What is left at the end of the stream, where it is more than white space.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        self.seen = self.buffer.len();
        let rest = self.take();
        (!rest.trim_ascii().is_empty()).then_some(rest)
    }

    fn take(&mut self) -> Bytes {
        let message = self.buffer.split_to(self.seen).freeze();
        (self.seen, self.depth) = (0, 0);
        (self.in_string, self.is_escaped) = (false, false);
        message
    }

    /// Takes note of a byte; true where a message ends with it.
    fn ends_at(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            b'\n' => return self.depth == 0 && !self.is_blank(),
            _ => {}
        }
        false
    }

    /// Whether only white space was seen.
    fn is_blank(&self) -> bool {
        let seen = self.buffer.get(..self.seen).unwrap_or_default();
        seen.trim_ascii().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `text` in pieces of `size` bytes.
    fn cut(text: &str, size: usize) -> Vec<String> {
        let mut frames = Frames::new(1000);
        let mut messages = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            frames.buffer().extend_from_slice(piece);
            while let Some(message) = frames.next() {
                messages.push(String::from_utf8(message.to_vec()).unwrap());
            }
        }
        messages.extend(
            frames
                .rest()
                .map(|rest| String::from_utf8(rest.to_vec()).unwrap()),
        );
        messages
    }

    #[test]
    fn values_are_cut_where_they_end() {
        let text = r#"{"a":"}\"]{"}[{},[1]]
 {"b":2}garbage
{"c""#;
        for size in 1..text.len() {
            let messages = cut(text, size);
            let trimmed: Vec<&str> = messages.iter().map(|message| message.trim()).collect();
            let expected = [
                r#"{"a":"}\"]{"}"#,
                "[{},[1]]",
                r#"{"b":2}"#,
                "garbage",
                "{\"c\"",
            ];
            assert_eq!(trimmed, expected, "{size}");
        }
        assert!(cut(" \n \n", 1).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_bytes_are_too_strange(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            size in 1usize..40,
        ) {
            let mut frames = Frames::new(1000);
            let mut joined = Vec::new();
            for piece in bytes.chunks(size) {
                frames.buffer().extend_from_slice(piece);
                while let Some(message) = frames.next() {
                    prop_assert!(!message.is_empty());
                    joined.extend_from_slice(&message);
                }
            }
            joined.extend(frames.rest().unwrap_or_default());
            prop_assert!(bytes.starts_with(&joined));
            prop_assert!(bytes[joined.len()..].trim_ascii().is_empty());
        }

        #[test]
        fn values_of_json_are_cut_whole(values in proptest::collection::vec(value(), 1..6), size in 1usize..40) {
            let text: String = values.iter().map(|value| format!("{value} ")).collect();
            let expected: Vec<String> = values.iter().map(ToString::to_string).collect();
            let cut: Vec<String> = cut(&text, size).iter().map(|text| text.trim().to_owned()).collect();
            prop_assert_eq!(cut, expected);
        }
    }

    /// Objects and arrays.
    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = any::<String>().prop_map(serde_json::Value::from);
        let any_value = leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
                proptest::collection::hash_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        });
        any_value.prop_map(|value| match value {
            serde_json::Value::String(text) => serde_json::Value::from(vec![text]),
            other => other,
        })
    }
}
