//! The index of accounts in a folder of key files.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    io::Read,
    path::{Path, PathBuf},
    time::SystemTime,
};

use actoreum_primitives::Address;
use tracing::{debug, warn};

use crate::{
    KeyError, key_file,
    limits::{MAX_KEY_FILE_BYTES, MAX_KEY_FILES},
};

/// An account and the file with its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyAccount {
    /// The path of the key file.
    pub path: PathBuf,
    /// The account's address.
    pub address: Address,
}

impl KeyAccount {
    /// Returns the URL in geth's format: `keystore://<path>`.
    pub fn url(&self) -> String {
        format!("keystore://{}", self.path.display())
    }
}

/// The accounts of a folder at one moment, by path. A scan does not read files again that are
/// unchanged since the previous one.
#[derive(Debug, Clone, Default)]
pub struct KeyIndex {
    folder: PathBuf,
    /// The files by name; names compare faster than paths.
    files: BTreeMap<OsString, IndexedFile>,
    /// Whether the folder has more files than are indexed.
    is_truncated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct IndexedFile {
    modified: Option<SystemTime>,
    bytes: u64,
    /// The address in the file; `None` if it is not a key file.
    address: Option<Address>,
    /// Whether the system refused to read the file; it may succeed at the next scan without any
    /// change of the file.
    is_unreadable: bool,
}

impl KeyIndex {
    /// Scans a folder. A missing folder has no accounts.
    pub fn scan(folder: &Path, before: &Self) -> Result<Self, KeyError> {
        let mut index = Self {
            folder: folder.to_owned(),
            ..Self::default()
        };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(index),
            Err(error) => return Err(KeyError::at(folder)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(KeyError::at(folder))?;
            let name = entry.file_name();
            let bytes = name.as_encoded_bytes();
            if bytes.starts_with(b".") || bytes.ends_with(b"~") {
                continue;
            }
            // For a symbolic link this is the metadata of the link: links are ignored, as in geth.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if !metadata.is_file() {
                continue;
            }
            if index.files.len() == MAX_KEY_FILES {
                if !before.is_truncated {
                    let folder = folder.display();
                    warn!(%folder, limit = MAX_KEY_FILES, "too many key files: not all are used");
                }
                index.is_truncated = true;
                break;
            }
            let mut file = IndexedFile {
                modified: metadata.modified().ok(),
                bytes: metadata.len(),
                address: None,
                is_unreadable: false,
            };
            let known = before
                .files
                .get(&name)
                .filter(|known| known.is_unchanged_since(&file));
            match known {
                Some(known) if !known.is_unreadable => file = known.clone(),
                known => file.read_address(&entry.path(), known.is_some()),
            }
            index.files.insert(name, file);
        }
        Ok(index)
    }

    /// Returns the accounts that were added since `before`, and those that were removed.
    pub fn changes_since(&self, before: &Self) -> (Vec<KeyAccount>, Vec<KeyAccount>) {
        (self.without(before), before.without(self))
    }

    fn without(&self, other: &Self) -> Vec<KeyAccount> {
        self.select(|name, address| {
            let known = other.files.get(name);
            known.and_then(|file| file.address) != Some(*address)
        })
    }

    /// Returns the accounts, by path.
    pub fn accounts(&self) -> Vec<KeyAccount> {
        self.select(|_, _| true)
    }

    fn select(&self, is_selected: impl Fn(&OsString, &Address) -> bool) -> Vec<KeyAccount> {
        let account = |(name, file): (&OsString, &IndexedFile)| {
            let address = file.address.filter(|address| is_selected(name, address))?;
            Some(KeyAccount {
                path: self.folder.join(name),
                address,
            })
        };
        self.files.iter().filter_map(account).collect()
    }

    /// Returns the only account with this address, restricted to the file at `path` if given.
    pub fn find(&self, address: Address, path: Option<&Path>) -> Result<KeyAccount, KeyError> {
        let mut matching = self.select(|_, one| *one == address);
        matching.retain(|account| path.is_none_or(|path| account.path == path));
        match matching.len() {
            0 => Err(KeyError::NotFound),
            1 => Ok(matching.remove(0)),
            _ => Err(KeyError::Ambiguous(
                matching.into_iter().map(|account| account.path).collect(),
            )),
        }
    }
}

impl IndexedFile {
    fn is_unchanged_since(&self, other: &Self) -> bool {
        self.modified == other.modified && self.bytes == other.bytes
    }

    /// Reads the address in the file. Logs a read error once per file.
    fn read_address(&mut self, path: &Path, was_logged: bool) {
        match read(path).map(|json| key_file::address_in(&json)) {
            Ok(Ok(address)) => self.address = address.filter(|address| !address.is_zero()),
            Ok(Err(error)) => debug!(path = %path.display(), %error, "not a key file"),
            Err(error) => {
                self.is_unreadable = true;
                if !was_logged {
                    warn!(%error, "key file can't be read");
                }
            }
        }
    }
}

/// Reads a file up to just above the maximum size of a key file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    let file = fs::File::open(path).map_err(KeyError::at(path))?;
    let mut content = Vec::new();
    file.take(MAX_KEY_FILE_BYTES + 1)
        .read_to_end(&mut content)
        .map_err(KeyError::at(path))?;
    Ok(content)
}
