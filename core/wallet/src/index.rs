//! Which accounts a folder of key files holds.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    time::SystemTime,
};

use actoreum_primitives::Address;
use tracing::debug;

use crate::{
    KeyError, KeyFile,
    limits::{MAX_KEY_FILE_BYTES, MAX_KEY_FILES},
};

/// An account and the file with its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyAccount {
    /// Where the key is.
    pub path: PathBuf,
    /// Whose it is.
    pub address: Address,
}

impl KeyAccount {
    /// As geth shows it: `keystore://<path>`.
    pub fn url(&self) -> String {
        format!("keystore://{}", self.path.display())
    }
}

/// The accounts of a folder at one moment, by path. A file that did not change since the last
/// look is not read again.
#[derive(Debug, Clone, Default)]
pub struct KeyIndex {
    files: BTreeMap<PathBuf, Seen>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    modified: Option<SystemTime>,
    bytes: u64,
    /// `None` where it is no key file.
    address: Option<Address>,
}

impl KeyIndex {
    /// Looks at a folder. Where there is none, there are no accounts.
    pub fn scan(folder: &Path, before: &Self) -> Result<Self, KeyError> {
        let mut index = Self::default();
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(index),
            Err(error) => return Err(KeyError::at(folder)(error)),
        };
        for entry in entries.take(MAX_KEY_FILES) {
            let entry = entry.map_err(KeyError::at(folder))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            // Of a symbolic link this is the link's own metadata: links are left out, as in geth.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if !metadata.is_file() {
                continue;
            }
            let path = entry.path();
            let mut seen = Seen {
                modified: metadata.modified().ok(),
                bytes: metadata.len(),
                address: None,
            };
            match before.files.get(&path) {
                Some(known) if known.modified == seen.modified && known.bytes == seen.bytes => {
                    seen.address = known.address;
                }
                _ => seen.address = address_of(&path),
            }
            index.files.insert(path, seen);
        }
        Ok(index)
    }

    /// The accounts, by path.
    pub fn accounts(&self) -> Vec<KeyAccount> {
        let account = |(path, seen): (&PathBuf, &Seen)| {
            let address = seen.address?;
            Some(KeyAccount {
                path: path.clone(),
                address,
            })
        };
        self.files.iter().filter_map(account).collect()
    }

    /// The one account with this address, in the file at `path` where one is named.
    pub fn find(&self, address: Address, path: Option<&Path>) -> Result<KeyAccount, KeyError> {
        let mut matching = self.accounts();
        matching.retain(|account| {
            account.address == address && path.is_none_or(|path| account.path == path)
        });
        match matching.len() {
            0 => Err(KeyError::NotFound),
            1 => Ok(matching.remove(0)),
            _ => Err(KeyError::Ambiguous(
                matching.into_iter().map(|account| account.path).collect(),
            )),
        }
    }
}

fn address_of(path: &Path) -> Option<Address> {
    let file = read(path).and_then(|json| KeyFile::parse(&json));
    match file {
        Ok(file) => file.address.filter(|address| !address.is_zero()),
        Err(error) => {
            debug!(path = %path.display(), %error, "no key file");
            None
        }
    }
}

/// Reads a file of which no more than a key file's size is wanted.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    let file = fs::File::open(path).map_err(KeyError::at(path))?;
    let mut content = Vec::new();
    file.take(MAX_KEY_FILE_BYTES + 1)
        .read_to_end(&mut content)
        .map_err(KeyError::at(path))?;
    Ok(content)
}
