//! Splits a stream of bytes into JSON values.

use actix_web::web::{Bytes, BytesMut};

/// The received bytes that are not yet a message.
///
/// The splitter understands only as much of JSON as it needs to find the end of a value: nesting
/// and strings. Anything but an object or an array ends with its line; whether a message is valid
/// JSON is checked by its reader.
pub(super) struct Frames {
    buffer: BytesMut,
    /// The number of bytes that were examined.
    seen: usize,
    /// The number of open objects and arrays.
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

    /// Returns the buffer to which received bytes are appended.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Returns whether the message that is arriving exceeds the limit.
    pub(super) fn is_too_long(&self) -> bool {
        self.buffer.len() > self.limit
    }

    /// Returns whether a message has begun to arrive.
    pub(super) fn is_partial(&self) -> bool {
        !self.buffer.trim_ascii_start().is_empty()
    }

    /// Returns the next whole message.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        while let Some(byte) = self.buffer.get(self.seen).copied() {
            self.seen += 1;
            if self.ends_at(byte) {
                return Some(self.take());
            }
        }
        None
    }

    /// Returns the bytes left at the end of the stream, unless they are white space alone.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        self.seen = self.buffer.len();
        let rest = self.take();
        (!rest.trim_ascii().is_empty()).then_some(rest)
    }

    /// Removes the examined bytes from the buffer and returns them.
    fn take(&mut self) -> Bytes {
        let message = self.buffer.split_to(self.seen).freeze();
        (self.seen, self.depth) = (0, 0);
        (self.in_string, self.is_escaped) = (false, false);
        message
    }

    /// Examines a byte. Returns true if a message ends with it.
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

    /// Returns whether all examined bytes are white space.
    fn is_blank(&self) -> bool {
        let seen = self.buffer.get(..self.seen).unwrap_or_default();
        seen.trim_ascii().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `text` in pieces of `size` bytes and returns the messages.
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
    fn a_stream_is_split_at_the_end_of_each_value() {
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
        fn no_bytes_are_lost_for_any_input(
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
        fn json_values_are_not_split(values in proptest::collection::vec(value(), 1..6), size in 1usize..40) {
            let text: String = values.iter().map(|value| format!("{value} ")).collect();
            let expected: Vec<String> = values.iter().map(ToString::to_string).collect();
            let cut: Vec<String> = cut(&text, size).iter().map(|text| text.trim().to_owned()).collect();
            prop_assert_eq!(cut, expected);
        }
    }

    /// Generates objects and arrays.
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
