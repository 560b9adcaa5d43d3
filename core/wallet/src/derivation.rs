//! Derivation paths of hierarchical wallets (BIP-32, BIP-44), in text form.

use crate::limits::MAX_PATH_COMPONENTS;

/// The first hardened component.
const HARDENED: u32 = 0x8000_0000;

/// A path from a wallet's seed to a key: `m/44'/60'/0'/0/0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DerivationPath(Vec<u32>);

/// The reason why a path can't be parsed. The texts are geth's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path has no components.
    #[error("empty derivation path")]
    Empty,
    /// The path begins with a slash.
    #[error(
        "ambiguous path: use 'm/' prefix for absolute paths, or no leading '/' for relative ones"
    )]
    Ambiguous,
    /// A component is not a number.
    #[error("invalid component: {0}")]
    Component(String),
    /// A component is out of range.
    #[error("component {value} out of allowed {kind}range [0, {max}]")]
    OutOfRange {
        /// The component's value.
        value: i128,
        /// `hardened ` for a component with an apostrophe, otherwise empty.
        kind: &'static str,
        /// The maximum value.
        max: u32,
    },
    /// The path has more components than wallets support.
    #[error("too many components in the derivation path")]
    TooLong,
}

impl DerivationPath {
    /// Returns the path of account `index` (BIP-44, EIP-84): `m/44'/60'/0'/0/index`.
    pub fn account(index: u32) -> Self {
        let mut path = Self::root();
        path.0.push(index);
        path
    }

    /// Returns the path that Ledger's first application used: `m/44'/60'/0'/index`.
    pub fn legacy_ledger(index: u32) -> Self {
        Self(vec![HARDENED + 44, HARDENED + 60, HARDENED, index])
    }

    /// Returns `m/44'/60'/0'/0`, to which relative paths are appended.
    fn root() -> Self {
        Self::legacy_ledger(0)
    }

    /// Returns the path whose last component is one larger; `None` at the maximum.
    pub fn next(&self) -> Option<Self> {
        let (last, before) = self.0.split_last()?;
        let next = last.checked_add(1)?;
        Some(Self([before, &[next]].concat()))
    }

    /// Returns the components; hardened ones have the highest bit set.
    pub fn components(&self) -> &[u32] {
        &self.0
    }
}

impl std::str::FromStr for DerivationPath {
    type Err = PathError;

    /// Parses a path: absolute from `m/` on, otherwise relative to `m/44'/60'/0'/0`.
    fn from_str(text: &str) -> Result<Self, PathError> {
        let mut parts = text.split('/').map(str::trim).peekable();
        let mut path = match parts.peek() {
            None | Some(&"") => return Err(PathError::Ambiguous),
            Some(&"m") => {
                parts.next();
                Self(Vec::new())
            }
            Some(_) => Self::root(),
        };
        if parts.peek().is_none() {
            return Err(PathError::Empty);
        }
        for part in parts {
            if path.0.len() == MAX_PATH_COMPONENTS {
                return Err(PathError::TooLong);
            }
            path.0.push(component(part)?);
        }
        Ok(path)
    }
}

fn component(text: &str) -> Result<u32, PathError> {
    let (digits, offset) = match text.strip_suffix('\'') {
        Some(digits) => (digits.trim(), HARDENED),
        None => (text, 0),
    };
    let value = number(digits).ok_or_else(|| PathError::Component(digits.to_owned()))?;
    let max = u32::MAX - offset;
    match u32::try_from(value) {
        Ok(value) if value <= max => Ok(offset + value),
        _ => Err(PathError::OutOfRange {
            value,
            kind: if offset == 0 { "" } else { "hardened " },
            max,
        }),
    }
}

/// Parses a number by Go's rules: hexadecimal after 0x, octal after 0, otherwise decimal.
fn number(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (digits, radix) = match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) if !digits.is_empty() => (digits, 8),
        _ => (lower.as_str(), 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i128::from_str_radix(digits, radix)
        .ok()
        .map(|value| sign * value)
}

impl std::fmt::Display for DerivationPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("m")?;
        for component in &self.0 {
            match component.checked_sub(HARDENED) {
                Some(hardened) => write!(f, "/{hardened}'")?,
                None => write!(f, "/{component}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let path = text.parse::<DerivationPath>();
        path.map(|path| path.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn vectors_paths_are_parsed_like_geth() {
        for (text, want) in [
            ("m/44'/60'/0'/0", "m/44'/60'/0'/0"),
            ("m/44'/60'/0'/128'", "m/44'/60'/0'/128'"),
            ("m/2147483692/2147483708/2147483648/0", "m/44'/60'/0'/0"),
            ("0", "m/44'/60'/0'/0/0"),
            ("128'", "m/44'/60'/0'/0/128'"),
            ("m/0x2C'/0x3c'/0x00'/0x00", "m/44'/60'/0'/0"),
            (" m  /   44  ' / 60' / 0\t' / 00", "m/44'/60'/0'/0"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(want), "{text}");
        }
        for (text, want) in [
            ("m", "empty derivation path"),
            ("m/", "invalid component: "),
            (
                "/44'/60'/0'/0",
                "ambiguous path: use 'm/' prefix for absolute paths, or no leading '/' for relative ones",
            ),
            (
                "m/2147483648'",
                "component 2147483648 out of allowed hardened range [0, 2147483647]",
            ),
            (
                "m/4294967296",
                "component 4294967296 out of allowed range [0, 4294967295]",
            ),
            ("m/-1", "component -1 out of allowed range [0, 4294967295]"),
            ("m/0/1/x", "invalid component: x"),
        ] {
            assert_eq!(read(text).unwrap_err(), want, "{text}");
        }
        assert!(read("").is_err());
        assert!(read(&"1/".repeat(1000)).is_err());
    }

    #[test]
    fn named_paths_have_their_text_form() {
        assert_eq!(DerivationPath::account(3).to_string(), "m/44'/60'/0'/0/3");
        assert_eq!(
            DerivationPath::legacy_ledger(3).to_string(),
            "m/44'/60'/0'/3"
        );
        let next = DerivationPath::account(3).next();
        assert_eq!(next, Some(DerivationPath::account(4)));
        assert_eq!(DerivationPath::account(u32::MAX).next(), None);
    }
}
