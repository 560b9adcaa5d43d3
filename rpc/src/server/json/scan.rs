//! A validating scanner that finds where JSON values begin and end.
//!
//! The texts of its errors are those of the decoder in geth (Go's `encoding/json`), which clients
//! see and tests compare. The scanner never recurses and keeps one bit for each level of nesting,
//! so that its cost is bounded by the length of the input.

use std::borrow::Cow;

use zeroize::Zeroizing;

use crate::server::limits::MAX_JSON_DEPTH;

/// The reason for which a text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanError {
    /// The text is empty or white space alone.
    Empty,
    /// The text ends inside a value.
    UnexpectedEnd,
    /// A byte is not allowed at its place.
    Unexpected {
        /// The byte.
        byte: u8,
        /// The state of the scanner.
        place: Place,
    },
    /// Arrays and objects nest deeper than [`MAX_JSON_DEPTH`].
    TooDeep,
}

/// The state of the scanner at an unexpected byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before a value.
    Value,
    /// Before the key of an object's member.
    ObjectKey,
    /// Between a key and its value.
    AfterKey,
    /// After a member of an object.
    AfterMember,
    /// After an element of an array.
    AfterElement,
    /// Inside a string.
    StringLiteral,
    /// After a backslash.
    Escape,
    /// Inside the four digits of a `\u` escape.
    UnicodeEscape,
    /// Inside a number.
    Number,
    /// After the decimal point of a number.
    Fraction,
    /// After the `e` of a number.
    Exponent,
    /// Inside `true`, `false` or `null`: the literal and the expected byte.
    Literal(&'static str, u8),
}

impl std::fmt::Display for ScanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("EOF"),
            Self::UnexpectedEnd => f.write_str("unexpected EOF"),
            Self::TooDeep => f.write_str("exceeded max depth"),
            Self::Unexpected { byte, place } => {
                write!(f, "invalid character {} {place}", quote(*byte))
            }
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = match self {
            Self::Value => "looking for beginning of value",
            Self::ObjectKey => "looking for beginning of object key string",
            Self::AfterKey => "after object key",
            Self::AfterMember => "after object key:value pair",
            Self::AfterElement => "after array element",
            Self::StringLiteral => "in string literal",
            Self::Escape => "in string escape code",
            Self::UnicodeEscape => "in \\u hexadecimal character escape",
            Self::Number => "in numeric literal",
            Self::Fraction => "after decimal point in numeric literal",
            Self::Exponent => "in exponent of numeric literal",
            Self::Literal(literal, due) => {
                return write!(f, "in literal {literal} (expecting {})", quote(*due));
            }
        };
        f.write_str(text)
    }
}

/// Returns a byte in single quotes, as Go quotes it.
fn quote(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\\' => r"'\\'".to_owned(),
        7 => r"'\a'".to_owned(),
        8 => r"'\b'".to_owned(),
        12 => r"'\f'".to_owned(),
        b'\n' => r"'\n'".to_owned(),
        b'\r' => r"'\r'".to_owned(),
        b'\t' => r"'\t'".to_owned(),
        11 => r"'\v'".to_owned(),
        0..0x20 | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..=0xa0 | 0xad => format!("'\\u{byte:04x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}

/// The kind of a JSON value. The names are those in the errors of Go's decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl Kind {
    /// Returns the kind of a valid value without white space around it.
    pub fn of(raw: &str) -> Self {
        match raw.as_bytes().first() {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b'"') => Self::String,
            Some(b't' | b'f') => Self::Bool,
            Some(b'n') | None => Self::Null,
            Some(_) => Self::Number,
        }
    }

    /// Returns the name in geth's errors.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

/// Returns the first value of `text`, without white space around it, and the text that follows.
///
/// # Errors
/// Fails if `text` does not begin with a valid value.
pub fn first_value(text: &str) -> Result<(&str, &str), ScanError> {
    let mut scanner = Scanner::new(text);
    scanner.skip_space();
    if scanner.peek().is_none() {
        return Err(ScanError::Empty);
    }
    let value = scanner.value()?;
    Ok((value, scanner.rest()))
}

/// Iterates over the elements of a valid array, each without white space around it. Yields nothing
/// if `raw` is not an array.
pub fn elements(raw: &str) -> Elements<'_> {
    let mut scanner = Scanner::new(raw);
    let open = scanner.eat(b'[');
    Elements {
        scanner,
        open,
        first: true,
    }
}

/// The iterator of [`elements`].
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    scanner: Scanner<'a>,
    open: bool,
    first: bool,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if !self.open {
            return None;
        }
        self.scanner.skip_space();
        if self.scanner.eat(b']') || (!self.first && !self.scanner.eat(b',')) {
            self.open = false;
            return None;
        }
        self.first = false;
        let value = self.scanner.value().ok();
        self.open = value.is_some();
        value
    }
}

/// Iterates over the members of a valid object, as keys and values. Yields nothing if `raw` is not
/// an object.
pub fn members(raw: &str) -> Members<'_> {
    let mut scanner = Scanner::new(raw);
    let open = scanner.eat(b'{');
    Members {
        scanner,
        open,
        first: true,
    }
}

/// The iterator of [`members`].
#[derive(Debug, Clone)]
pub struct Members<'a> {
    scanner: Scanner<'a>,
    open: bool,
    first: bool,
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        if !self.open {
            return None;
        }
        self.scanner.skip_space();
        if self.scanner.eat(b'}') || (!self.first && !self.scanner.eat(b',')) {
            self.open = false;
            return None;
        }
        self.first = false;
        let member = self
            .scanner
            .key()
            .and_then(|key| Ok((key, self.scanner.value()?)))
            .ok();
        self.open = member.is_some();
        member.map(|(key, value)| (unquote(key), value))
    }
}

/// Returns the text between the quotes of a JSON string.
fn inner(raw: &str) -> &str {
    raw.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(raw)
}

/// Returns the text of a valid JSON string like [`unquote`], in a single allocation that is zeroed
/// after use.
pub(crate) fn unquote_secret(raw: &str) -> Zeroizing<String> {
    Zeroizing::new(unescape(inner(raw)))
}

/// Returns the text of a valid JSON string (given with its quotes), with its escapes resolved.
pub fn unquote(raw: &str) -> Cow<'_, str> {
    let inner = inner(raw);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    Cow::Owned(serde_json::from_str::<String>(raw).unwrap_or_else(|_| unescape(inner)))
}

/// Resolves escapes. A `\u` escape that is half of a surrogate pair becomes U+FFFD, as in Go. The
/// text is never longer than its escaped form, so the buffer is never reallocated.
fn unescape(inner: &str) -> String {
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    let mut high: Option<u32> = None;
    while let Some(character) = chars.next() {
        let mut unit = None;
        let resolved = if character == '\\' {
            match chars.next() {
                Some('n') => Some('\n'),
                Some('t') => Some('\t'),
                Some('r') => Some('\r'),
                Some('b') => Some('\u{8}'),
                Some('f') => Some('\u{c}'),
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let code = u32::from_str_radix(&digits, 16).unwrap_or(0xfffd);
                    unit = Some(code);
                    char::from_u32(code)
                }
                other => other,
            }
        } else {
            Some(character)
        };
        match (high.take(), unit) {
            (Some(first), Some(second @ 0xdc00..=0xdfff)) => {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                continue;
            }
            (Some(_), _) => text.push(char::REPLACEMENT_CHARACTER),
            (None, _) => {}
        }
        match unit {
            Some(first @ 0xd800..=0xdbff) => high = Some(first),
            _ => text.push(resolved.unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
    }
    if high.is_some() {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    text
}

/// The open containers, one bit each: 1 for an object, 0 for an array.
#[derive(Debug, Clone, Default)]
struct Nesting {
    bits: [u64; MAX_JSON_DEPTH / 64],
    depth: usize,
}

impl Nesting {
    fn push(&mut self, object: bool) -> Result<(), ScanError> {
        let word = self
            .bits
            .get_mut(self.depth / 64)
            .ok_or(ScanError::TooDeep)?;
        let mask = 1u64 << (self.depth % 64);
        *word = if object { *word | mask } else { *word & !mask };
        self.depth += 1;
        Ok(())
    }

    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Returns whether the innermost container is an object; `None` outside of all containers.
    fn innermost(&self) -> Option<bool> {
        let index = self.depth.checked_sub(1)?;
        self.bits
            .get(index / 64)
            .map(|word| word & (1 << (index % 64)) != 0)
    }
}

/// A position in a text.
#[derive(Debug, Clone)]
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn fail<T>(&self, place: Place) -> Result<T, ScanError> {
        match self.peek() {
            None => Err(ScanError::UnexpectedEnd),
            Some(byte) => Err(ScanError::Unexpected { byte, place }),
        }
    }

    /// Consumes one value and returns it without white space around it.
    fn value(&mut self) -> Result<&'a str, ScanError> {
        self.skip_space();
        let start = self.at;
        let mut nesting = Nesting::default();
        loop {
            if self.begin_value(&mut nesting)? && self.end_values(&mut nesting)? {
                return Ok(self.text.get(start..self.at).unwrap_or_default());
            }
        }
    }

    /// Consumes a scalar or an empty container (returns true), or the start of a container (false).
    fn begin_value(&mut self, nesting: &mut Nesting) -> Result<bool, ScanError> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => {
                self.at += 1;
                self.skip_space();
                if self.eat(b'}') {
                    return Ok(true);
                }
                nesting.push(true)?;
                self.key()?;
                Ok(false)
            }
            Some(b'[') => {
                self.at += 1;
                self.skip_space();
                if self.eat(b']') {
                    return Ok(true);
                }
                nesting.push(false)?;
                Ok(false)
            }
            Some(b'"') => self.string().map(|_| true),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| true),
            Some(b't') => self.literal("true").map(|()| true),
            Some(b'f') => self.literal("false").map(|()| true),
            Some(b'n') => self.literal("null").map(|()| true),
            _ => self.fail(Place::Value),
        }
    }

    /// Closes the containers that end after a value. Returns true at the end of the outermost
    /// value, false before another value.
    fn end_values(&mut self, nesting: &mut Nesting) -> Result<bool, ScanError> {
        while let Some(in_object) = nesting.innermost() {
            self.skip_space();
            let (close, place) = if in_object {
                (b'}', Place::AfterMember)
            } else {
                (b']', Place::AfterElement)
            };
            if self.eat(b',') {
                if in_object {
                    self.key()?;
                }
                return Ok(false);
            }
            if !self.eat(close) {
                return self.fail(place);
            }
            nesting.pop();
        }
        Ok(true)
    }

    /// Consumes a key and its colon and returns the key with its quotes.
    fn key(&mut self) -> Result<&'a str, ScanError> {
        self.skip_space();
        if self.peek() != Some(b'"') {
            return self.fail(Place::ObjectKey);
        }
        let key = self.string()?;
        self.skip_space();
        if !self.eat(b':') {
            return self.fail(Place::AfterKey);
        }
        Ok(key)
    }

    /// Consumes a string and returns it with its quotes.
    fn string(&mut self) -> Result<&'a str, ScanError> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(self.text.get(start..self.at).unwrap_or_default());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                Some(0..0x20) | None => return self.fail(Place::StringLiteral),
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), ScanError> {
        match self.peek() {
            Some(b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return self.fail(Place::UnicodeEscape);
                    }
                    self.at += 1;
                }
            }
            _ => return self.fail(Place::Escape),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), ScanError> {
        self.eat(b'-');
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.fail(Place::Number),
        }
        if self.eat(b'.') {
            if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return self.fail(Place::Fraction);
            }
            self.digits();
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return self.fail(Place::Exponent);
            }
            self.digits();
        }
        Ok(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn literal(&mut self, literal: &'static str) -> Result<(), ScanError> {
        for due in literal.bytes() {
            if !self.eat(due) {
                return self.fail(Place::Literal(literal, due));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
