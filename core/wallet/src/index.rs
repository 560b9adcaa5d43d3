//! Which accounts a folder of key files holds.

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
    folder: PathBuf,
    /// By their names, which compare faster than paths do.
    files: BTreeMap<OsString, Seen>,
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
            let mut seen = Seen {
                modified: metadata.modified().ok(),
                bytes: metadata.len(),
                address: None,
                is_refused: false,
            };
            let known = before.files.get(&name).filter(|known| known.is_as(&seen));
            match known {
                Some(known) if !known.is_refused => seen = known.clone(),
                known => seen.look_into(&entry.path(), known.is_some()),
            }
            index.files.insert(name, seen);
        }
        Ok(index)
    }

    /// The accounts that came since another look, and those that are gone.
    pub fn changes_since(&self, before: &Self) -> (Vec<KeyAccount>, Vec<KeyAccount>) {
        (self.without(before), before.without(self))
    }

    fn without(&self, other: &Self) -> Vec<KeyAccount> {
        self.select(|name, address| {
            let there = other.files.get(name);
            there.and_then(|seen| seen.address) != Some(*address)
        })
    }

    /// The accounts, by path.
    pub fn accounts(&self) -> Vec<KeyAccount> {
        self.select(|_, _| true)
    }

    fn select(&self, is_meant: impl Fn(&OsString, &Address) -> bool) -> Vec<KeyAccount> {
        let account = |(name, seen): (&OsString, &Seen)| {
            let address = seen.address.filter(|address| is_meant(name, address))?;
            Some(KeyAccount {
                path: self.folder.join(name),
                address,
            })
        };
        self.files.iter().filter_map(account).collect()
    }

    /// The one account with this address, in the file at `path` where one is named.
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
