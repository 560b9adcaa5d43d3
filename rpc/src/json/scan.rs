//! A validating scanner that finds where values begin and end.
//!
//! The texts of its errors are those of the decoder in geth (Go's `encoding/json`),
//! which clients see and tests compare. It never recurses and keeps one bit for
//! each level of nesting, so that its cost is bounded by the length of the input.

use std::borrow::Cow;

use zeroize::Zeroizing;

use crate::limits::MAX_JSON_DEPTH;

/// Why a text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanError {
    /// Nothing but white space.
    Empty,
    /// The text ends inside a value.
    UnexpectedEnd,
    /// A byte that cannot stand where it stands.
    Unexpected {
        /// The byte.
        byte: u8,
        /// Where the scanner was.
        place: Place,
    },
    /// Arrays and objects nest deeper than [`MAX_JSON_DEPTH`].
    TooDeep,
}

/// Where in a value the scanner was when a byte did not fit.
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
    /// Between a string's quotes.
    StringLiteral,
    /// After a backslash.
    Escape,
    /// In the four digits of a `\u` escape.
    UnicodeEscape,
    /// In a number.
    Number,
    /// After the point of a number.
    Fraction,
    /// After the `e` of a number.
    Exponent,
    /// In `true`, `false` or `null`: the literal and the byte that was due.
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

/// A byte in single quotes, as Go quotes it.
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

/// What kind of value a text holds; the names are those of Go's decoder errors.
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
    /// The kind of a valid value without white space around it.
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

    /// The name in geth's errors.
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

/// The first value of `text`, without white space around it, and what follows it.
pub fn first_value(text: &str) -> Result<(&str, &str), ScanError> {
    let mut scanner = Scanner::new(text);
    scanner.skip_space();
    if scanner.peek().is_none() {
        return Err(ScanError::Empty);
    }
    let value = scanner.value()?;
    Ok((value, scanner.rest()))
}

/// The elements of a valid array, each without white space around it; none where
/// `raw` is no array.
pub fn elements(raw: &str) -> Elements<'_> {
    let mut scanner = Scanner::new(raw);
    let open = scanner.eat(b'[');
    Elements {
        scanner,
        open,
        first: true,
    }
}

/// See [`elements`].
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

/// The members of a valid object: key and value; none where `raw` is no object.
pub fn members(raw: &str) -> Members<'_> {
    let mut scanner = Scanner::new(raw);
    let open = scanner.eat(b'{');
    Members {
        scanner,
        open,
        first: true,
    }
}

/// See [`members`].
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

fn inner(raw: &str) -> &str {
    raw.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(raw)
}

/// As [`unquote`], in one piece of memory that is zeroed after use.
pub(crate) fn unquote_secret(raw: &str) -> Zeroizing<String> {
    Zeroizing::new(unescape(inner(raw)))
}

/// The text of a valid JSON string (with its quotes), its escapes resolved.
pub fn unquote(raw: &str) -> Cow<'_, str> {
    let inner = inner(raw);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    Cow::Owned(serde_json::from_str::<String>(raw).unwrap_or_else(|_| unescape(inner)))
}

/// Resolves escapes, also where a `\u` escape is half of a pair: the half becomes U+FFFD, as in Go.
/// No text is longer than its escapes: it never moves.
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

/// Which containers are open, one bit each: an object is 1, an array 0.
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

    /// Whether the innermost container is an object; `None` at the top.
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

    /// Steps over one value and returns it without white space around it.
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

    /// Steps over a scalar or an empty container (true), or into a container (false).
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

    /// After a value: closes what ends here. True at the top, false before the next value.
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

    /// Steps over a key and its colon; returns the key with its quotes.
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

    /// Steps over a string; returns it with its quotes.
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
