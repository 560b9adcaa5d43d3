//! Passwords.

use zeroize::Zeroizing;

/// A password. Its memory is zeroed when it is dropped, and it is never printed.
#[derive(Clone, Default)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// The bytes that keys are derived from.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(redacted)")
    }
}
