//! Which accounts a folder of key files holds.

use std::{
    collections::BTreeMap,
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
    /// There are more files than are looked at.
    is_cut: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    modified: Option<SystemTime>,
    bytes: u64,
    /// `None` where it is no key file.
    address: Option<Address>,
    /// The system did not let us read it; it may do so at the next look, without any sign of a
    /// change.
    is_refused: bool,
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
        for entry in entries {
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
            if index.files.len() == MAX_KEY_FILES {
                if !before.is_cut {
                    let folder = folder.display();
                    warn!(%folder, most = MAX_KEY_FILES, "too many key files: not all are used");
                }
                index.is_cut = true;
                break;
            }
            let path = entry.path();
            let mut seen = Seen {
                modified: metadata.modified().ok(),
                bytes: metadata.len(),
                address: None,
                is_refused: false,
            };
            let known = before.files.get(&path).filter(|known| known.is_as(&seen));
            match known {
                Some(known) if !known.is_refused => seen = known.clone(),
                known => seen.look_into(&path, known.is_some()),
            }
            index.files.insert(path, seen);
        }
        Ok(index)
    }

    /// The accounts that came since another look, and those that are gone.
    pub fn changes_since(&self, before: &Self) -> (Vec<KeyAccount>, Vec<KeyAccount>) {
        (self.without(before), before.without(self))
    }

    fn without(&self, other: &Self) -> Vec<KeyAccount> {
        let mut accounts = self.accounts();
        accounts.retain(|account| {
            let there = other.files.get(&account.path);
            there.and_then(|seen| seen.address) != Some(account.address)
        });
        accounts
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

impl Seen {
    fn is_as(&self, other: &Self) -> bool {
        self.modified == other.modified && self.bytes == other.bytes
    }

    /// Reads whose key the file holds. What is wrong with it is told once.
    fn look_into(&mut self, path: &Path, was_told: bool) {
        match read(path).map(|json| key_file::address_in(&json)) {
            Ok(Ok(address)) => self.address = address.filter(|address| !address.is_zero()),
            Ok(Err(error)) => debug!(path = %path.display(), %error, "no key file"),
            Err(error) => {
                self.is_refused = true;
                if !was_told {
                    warn!(%error, "key file can't be read");
                }
            }
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
