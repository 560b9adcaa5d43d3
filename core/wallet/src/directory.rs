//! The folder of key files.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use actoreum_primitives::{Address, SecretKey};

use crate::{
    KeyAccount, KeyError, KeyFile, KeyIndex, Password, ScryptCost, index, name::file_name,
};

/// A folder of key files, shared with geth. It caches nothing in memory: changes by other programs
/// are seen at the next call.
#[derive(Debug, Clone)]
pub struct KeyDirectory {
    folder: PathBuf,
    cost: ScryptCost,
}

impl KeyDirectory {
    /// Creates a handle for the directory at `folder`. The folder is created (mode 0700) with its
    /// first key. New keys are encrypted at `cost`.
    pub fn new(folder: impl Into<PathBuf>, cost: ScryptCost) -> Self {
        Self {
            folder: folder.into(),
            cost,
        }
    }

    /// Returns the path of the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns every account, by path.
    pub fn list(&self) -> Result<Vec<KeyAccount>, KeyError> {
        Ok(self.scan(&KeyIndex::default())?.accounts())
    }

    /// Scans the folder; files that are unchanged since `before` are not read again.
    pub fn scan(&self, before: &KeyIndex) -> Result<KeyIndex, KeyError> {
        KeyIndex::scan(&self.folder, before)
    }

    /// Returns the only account with this address, restricted to the file at `path` if given.
    pub fn find(&self, address: Address, path: Option<&Path>) -> Result<KeyAccount, KeyError> {
        self.scan(&KeyIndex::default())?.find(address, path)
    }

    /// Decrypts an account's key. Takes as long as the file's key derivation.
    pub fn open(&self, account: &KeyAccount, password: &Password) -> Result<SecretKey, KeyError> {
        let file = KeyFile::parse(&index::read(&account.path)?)?;
        let key = file.decrypt(password)?;
        if key.address() == account.address {
            Ok(key)
        } else {
            Err(KeyError::WrongAddress {
                have: key.address(),
                want: account.address,
            })
        }
    }

    /// Creates a new key in a new file.
    pub fn create(&self, password: &Password) -> Result<KeyAccount, KeyError> {
        self.add(&SecretKey::random(), password)
    }

    /// Writes a key to a new file, unless a file holds the key already.
    pub fn import(&self, key: &SecretKey, password: &Password) -> Result<KeyAccount, KeyError> {
        match self.find(key.address(), None) {
            Err(KeyError::NotFound) => self.add(key, password),
            Err(KeyError::Ambiguous(_)) | Ok(_) => Err(KeyError::Exists),
            Err(error) => Err(error),
        }
    }

    /// Encrypts an account's key with a new password, in its file.
    pub fn update(
        &self,
        account: &KeyAccount,
        old: &Password,
        new: &Password,
    ) -> Result<(), KeyError> {
        let key = self.open(account, old)?;
        self.write(&account.path, &KeyFile::encrypt(&key, new, self.cost)?)
    }

    /// Deletes an account's file, if the password is right.
    pub fn delete(&self, account: &KeyAccount, password: &Password) -> Result<(), KeyError> {
        self.open(account, password)?;
        fs::remove_file(&account.path).map_err(KeyError::at(&account.path))
    }

    fn add(&self, key: &SecretKey, password: &Password) -> Result<KeyAccount, KeyError> {
        let address = key.address();
        let file = KeyFile::encrypt(key, password, self.cost)?;
        let path = self.folder.join(file_name(&address, SystemTime::now()));
        self.write(&path, &file)?;
        Ok(KeyAccount { path, address })
    }

    /// Writes a file (mode 0600) atomically: a power cut must not leave half a key.
    fn write(&self, path: &Path, file: &KeyFile) -> Result<(), KeyError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(KeyError::at(&self.folder))?;
        let content = file.to_json()?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = self
            .folder
            .join(format!(".{name}.{:08x}.tmp", rand::random::<u32>()));
        let written = write_durably(&temporary, &content)
            .and_then(|()| fs::rename(&temporary, path))
            .and_then(|()| File::open(&self.folder)?.sync_all());
        if written.is_err() {
            // The error of the write is returned below; a leftover file is ignored because of its
            // name.
            let _ = fs::remove_file(&temporary);
        }
        written.map_err(KeyError::at(path))
    }
}

fn write_durably(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()?;
    if fs::read(path)? == content {
        Ok(())
    } else {
        Err(std::io::Error::other("the file reads back differently"))
    }
}
