//! Errors of key files and keys.

use std::{fmt::Write, io, path::PathBuf};

use actoreum_primitives::Address;

/// The reason why a key could not be read, written, decrypted or used. Texts are geth's where geth
/// has the same error; no text reveals more about a secret than that it was wrong.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No file holds the key.
    #[error("no key for given address or file")]
    NotFound,
    /// More than one file holds the key; the caller must name one.
    #[error("multiple keys match address ({})", list(.0))]
    Ambiguous(Vec<PathBuf>),
    /// A file holds the key already.
    #[error("account already exists")]
    Exists,
    /// The password is wrong.
    #[error("could not decrypt key with given passphrase")]
    WrongPassword,
    /// The key is locked, and no password was given.
    #[error("authentication needed: password or unlock")]
    Locked,
    /// The file holds the key of another address than it states.
    #[error("key content mismatch: have account {have:x}, want {want:x}")]
    WrongAddress {
        /// Address of the decrypted key.
        have: Address,
        /// Address that the file states.
        want: Address,
    },
    /// The file is neither of keystore version 3 nor 1.
    #[error("Version not supported: {0}")]
    Version(String),
    /// The file uses an unsupported cipher.
    #[error("Cipher not supported: {0}")]
    Cipher(String),
    /// The file uses an unsupported key derivation function.
    #[error("Unsupported KDF: {0}")]
    Kdf(String),
    /// The file uses a PBKDF2 function other than HMAC-SHA-256.
    #[error("Unsupported PBKDF2 PRF: {0}")]
    Prf(String),
    /// The file exceeds a limit, or its parameters are impossible.
    #[error("key file refused: {0}")]
    Limit(&'static str),
    /// The content is not a key file.
    #[error("not a key file: {0}")]
    Format(String),
    /// A member of the file is missing or invalid.
    #[error("not a key file: {member} {problem}")]
    Member {
        /// Path of the member: its name and those of the enclosing objects, separated by dots.
        member: String,
        /// The problem with the member.
        problem: String,
    },
    /// The content is not a presale wallet.
    #[error("{0}")]
    Presale(&'static str),
    /// The decrypted or given bytes are not a valid private key.
    #[error("invalid private key")]
    InvalidKey,
    /// The mnemonic is invalid.
    #[error("invalid mnemonic: {0}")]
    Mnemonic(String),
    /// The typed data violates EIP-712.
    #[error("invalid typed data: {0}")]
    TypedData(String),
    /// The operating system returned an error.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error.
        error: io::Error,
    },
}

impl KeyError {
    /// Adds the path to an error of the operating system.
    pub(crate) fn at(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { path, error }
    }
}

fn list(paths: &[PathBuf]) -> String {
    let mut text = String::new();
    for (index, path) in paths.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}{}", path.display());
    }
    text
}
