//! What can be wrong with a key.

use std::{fmt::Write, io, path::PathBuf};

use actoreum_primitives::Address;

/// Why a key could not be read, written, opened or used. Texts are those of geth where it has
/// one; none tells more about a secret than that it was not right.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No file holds the key.
    #[error("no key for given address or file")]
    NotFound,
    /// More than one file holds it: name one.
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
    /// The file holds another key than it says.
    #[error("key content mismatch: have account {have:x}, want {want:x}")]
    WrongAddress {
        /// Of the key.
        have: Address,
        /// Of the file.
        want: Address,
    },
    /// The file is none of keystore version 3 or 1.
    #[error("Version not supported: {0}")]
    Version(String),
    /// The file is encrypted with something else.
    #[error("Cipher not supported: {0}")]
    Cipher(String),
    /// The key is derived by something else.
    #[error("Unsupported KDF: {0}")]
    Kdf(String),
    /// The key is derived with another function than HMAC-SHA-256.
    #[error("Unsupported PBKDF2 PRF: {0}")]
    Prf(String),
    /// The file asks for more than is sensible, or for what is impossible.
    #[error("key file refused: {0}")]
    Limit(&'static str),
    /// It is no key file.
    #[error("not a key file: {0}")]
    Format(String),
    /// A member of the file is missing, or is not what it must be.
    #[error("not a key file: {member} {problem}")]
    Member {
        /// The names of the member and of the objects around it, with dots between.
        member: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It is no wallet of the presale.
    #[error("{0}")]
    Presale(&'static str),
    /// What was decrypted, or given, is no key.
    #[error("invalid private key")]
    InvalidKey,
    /// The mnemonic is none.
    #[error("invalid mnemonic: {0}")]
    Mnemonic(String),
    /// The typed data breaks a rule of EIP-712.
    #[error("invalid typed data: {0}")]
    TypedData(String),
    /// The operating system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or the folder.
        path: PathBuf,
        /// Why.
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
