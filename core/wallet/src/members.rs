//! The members of a key file's JSON, read one by one, so that an error names the invalid one.

use serde_json::{Map, Value};

use crate::{KeyError, limits::MAX_KEY_FILE_BYTES};

/// The byte order mark that Windows editors put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The byte order marks of UTF-16.
const UTF16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// A JSON object of a key file. Member names are case-insensitive: wallets write `Crypto`,
/// `kdfParams` or `dkLen`. Of two members that differ in case only, the lower-case one counts.
#[derive(Debug)]
pub(crate) struct Members {
    /// The names of the enclosing objects, each followed by a dot.
    path: String,
    fields: Map<String, Value>,
}

impl Members {
    /// Parses the members of a whole file.
    ///
    /// # Errors
    /// If the file is too large, or not a JSON object.
    pub(crate) fn of_file(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() as u64 > MAX_KEY_FILE_BYTES {
            return Err(KeyError::Limit("it is too large"));
        }
        if UTF16_MARKS.iter().any(|mark| bytes.starts_with(mark)) {
            return Err(KeyError::Format("it is in UTF-16; save it as UTF-8".into()));
        }
        let json = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let fields =
            serde_json::from_slice(json).map_err(|error| KeyError::Format(error.to_string()))?;
        Ok(Self {
            path: String::new(),
            fields,
        })
    }

    /// Returns a member; `None` if it is missing or null.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        let exact = self.fields.get(name);
        let found = exact.or_else(|| {
            let mut fields = self.fields.iter();
            let found = fields.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
            Some(found.1)
        });
        found.filter(|value| !value.is_null())
    }

    /// Returns a required member that must be an object.
    pub(crate) fn object(&self, name: &str) -> Result<Self, KeyError> {
        match self.needed(name)? {
            Value::Object(fields) => Ok(Self {
                path: format!("{}{name}.", self.path),
                fields: fields.clone(),
            }),
            _ => Err(self.wrong(name, "must be an object")),
        }
    }

    /// Returns a required member that must be text.
    pub(crate) fn text(&self, name: &str) -> Result<&str, KeyError> {
        let text = self.needed(name)?.as_str();
        text.ok_or_else(|| self.wrong(name, "must be text"))
    }

    /// Returns a required member that must be bytes in hex, with or without 0x.
    pub(crate) fn bytes(&self, name: &str) -> Result<Vec<u8>, KeyError> {
        hex::decode(without_0x(self.text(name)?))
            .map_err(|error| self.wrong(name, &format!("must be bytes in hex: {error}")))
    }

    /// Returns a required member like [`bytes`](Self::bytes), which must have this length.
    pub(crate) fn bytes_of(&self, name: &str, length: usize) -> Result<Vec<u8>, KeyError> {
        let bytes = self.bytes(name)?;
        if bytes.len() == length {
            Ok(bytes)
        } else {
            Err(self.wrong(name, &format!("must have {length} bytes in hex")))
        }
    }

    /// Returns a required member that must be a non-negative whole number; `1024.0` is valid.
    /// Numbers above `u32::MAX` are returned as `u32::MAX`, which exceeds every limit.
    pub(crate) fn number(&self, name: &str) -> Result<u32, KeyError> {
        let value = self.needed(name)?;
        let number = match (value.as_u64(), value.as_f64()) {
            (Some(number), _) => Some(u32::try_from(number).unwrap_or(u32::MAX)),
            // A float beyond the range becomes the nearest end of it.
            (None, Some(float)) if float >= 0.0 && float.fract() == 0.0 => Some(float as u32),
            _ => None,
        };
        number.ok_or_else(|| {
            let have = truncated(&value.to_string());
            self.wrong(name, &format!("must be a whole number, not {have}"))
        })
    }

    /// Returns an error about a member.
    pub(crate) fn wrong(&self, name: &str, problem: &str) -> KeyError {
        KeyError::Member {
            member: format!("{}{name}", self.path),
            problem: problem.to_owned(),
        }
    }

    fn needed(&self, name: &str) -> Result<&Value, KeyError> {
        let member = self.get(name);
        member.ok_or_else(|| self.wrong(name, "is missing"))
    }
}

/// Returns hexadecimal digits without their prefix.
pub(crate) fn without_0x(digits: &str) -> &str {
    let stripped = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"));
    stripped.unwrap_or(digits)
}

/// Truncates text from a file to the length that an error may repeat.
pub(crate) fn truncated(word: &str) -> String {
    word.chars().take(40).collect()
}
