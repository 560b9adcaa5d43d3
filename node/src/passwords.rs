//! Where passwords come from: the file of `--password`, or whoever sits at the terminal; and what
//! opens a key with them.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use actoreum_primitives::{Address, SecretKey};
use actoreum_wallet::{KeyAccount, KeyDirectory, KeyError, Password};
use eyre::{bail, eyre};
use tracing::{info, warn};
use zeroize::Zeroizing;

use crate::prompt::Prompter;

/// How often a password may be typed wrong.
const ATTEMPTS: u32 = 3;

/// Bytes of the file of `--password` at most: lines for more accounts than a folder may hold.
const MAX_PASSWORD_FILE_BYTES: u64 = 1024 * 1024;

/// Gives passwords, one after another.
#[derive(Debug, Default)]
pub struct Passwords {
    /// Of the file, a line each; none: the terminal is asked.
    lines: Vec<Password>,
    prompter: Prompter,
}

/// A key that was opened.
#[derive(Debug)]
pub struct Opened {
    /// Whose, and in which file.
    pub account: KeyAccount,
    /// The key.
    pub key: SecretKey,
    /// What opened it.
    pub password: Password,
}

impl Passwords {
    /// The lines of a file, where there is one; else those that will be asked for.
    pub fn new(file: Option<&Path>) -> eyre::Result<Self> {
        let lines = match file {
            Some(path) => {
                let content = read_secret(path, MAX_PASSWORD_FILE_BYTES)
                    .map_err(|error| failed_file(path, &error))?;
                lines_of(&content)
            }
            None => Vec::new(),
        };
        Ok(Self {
            lines,
            prompter: Prompter::default(),
        })
    }

    /// Whoever sits at the terminal.
    pub fn prompter(&self) -> &Prompter {
        &self.prompter
    }

    /// The file's line with this index, or its last one; else what is typed under `title`.
    pub fn existing(&mut self, title: &str, index: usize) -> eyre::Result<Password> {
        if let Some(password) = self.line(index) {
            return Ok(password);
        }
        if !title.is_empty() {
            println!("{title}");
        }
        self.prompter
            .password("Passphrase: ")
            .map_err(|error| eyre!("Failed to read passphrase: {error}"))
    }

    /// The file's first line; else what is typed twice under `title`.
    pub fn new_one(&mut self, title: &str) -> eyre::Result<Password> {
        let password = self.existing(title, 0)?;
        if !self.lines.is_empty() {
            return Ok(password);
        }
        let repeated = self
            .prompter
            .password("Repeat passphrase: ")
            .map_err(|error| eyre!("Failed to read passphrase confirmation: {error}"))?;
        if password.as_bytes() != repeated.as_bytes() {
            bail!("Passphrases do not match");
        }
        Ok(password)
    }

    /// Opens the key of `name` (an address, or an index into the list), which is the account
    /// number `index` of those that are opened. A password that is typed may be wrong twice.
    pub fn open(&mut self, keys: &KeyDirectory, name: &str, index: usize) -> eyre::Result<Opened> {
        let (address, path) =
            resolve(keys, name).map_err(|error| eyre!("Could not list accounts: {error}"))?;
        let mut attempt = 1;
        loop {
            let title = format!("Unlocking account {name} | Attempt {attempt}/{ATTEMPTS}");
            let password = self.existing(&title, index)?;
            let opened = match keys.find(address, path.as_deref()) {
                Err(KeyError::Ambiguous(files)) => {
                    return open_one_of(keys, address, files, password);
                }
                found => found.and_then(|account| Ok((keys.open(&account, &password)?, account))),
            };
            match opened {
                Ok((key, account)) => {
                    info!(%address, "unlocked account");
                    return Ok(Opened {
                        account,
                        key,
                        password,
                    });
                }
                // What a file says does not change.
                Err(KeyError::WrongPassword) if attempt < ATTEMPTS && self.lines.is_empty() => {
                    attempt += 1;
                }
                Err(error) => bail!("Failed to unlock account {name} ({error})"),
            }
        }
    }

    fn line(&self, index: usize) -> Option<Password> {
        self.lines.get(index).or(self.lines.last()).cloned()
    }
}

/// Reads a file of no more than `most` bytes, at one place in memory, which is zeroed after use.
pub fn read_secret(path: &Path, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let mut content = Zeroizing::new(Vec::with_capacity(most as usize + 1));
    file.take(most + 1).read_to_end(&mut content)?;
    match content.len() as u64 > most {
        true => Err(io::Error::other("it is too large")),
        false => Ok(content),
    }
}

fn failed_file(path: &Path, error: &io::Error) -> eyre::Report {
    eyre!(
        "Failed to read password file: open {}: {error}",
        path.display()
    )
}

/// A password a line. The end of the last line begins no further one: the last line serves all
/// accounts that come after it.
fn lines_of(content: &[u8]) -> Vec<Password> {
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    content
        .split(|byte| *byte == b'\n')
        .map(|line| {
            let end = line
                .iter()
                .rposition(|byte| *byte != b'\r')
                .map_or(0, |at| at + 1);
            Password::from(Zeroizing::new(line[..end].to_vec()))
        })
        .collect()
}

/// The account that a command line means: by address, or by its place in the list.
pub fn resolve(keys: &KeyDirectory, name: &str) -> eyre::Result<(Address, Option<PathBuf>)> {
    let digits = name
        .strip_prefix("0x")
        .or(name.strip_prefix("0X"))
        .unwrap_or(name);
    let mut address = Address::ZERO;
    if hex::decode_to_slice(digits, address.as_mut_slice()).is_ok() {
        return Ok((address, None));
    }
    let index: usize = name
        .parse()
        .map_err(|_| eyre!("invalid account address or index {name:?}"))?;
    warn!("an account's place in the list changes when key files come and go; name its address");
    let mut accounts = keys.list()?;
    let count = accounts.len();
    match index < count {
        true => {
            let account = accounts.swap_remove(index);
            Ok((account.address, Some(account.path)))
        }
        false => bail!("index {index} higher than number of accounts {count}"),
    }
}

/// Tries a password on each of the files that hold a key, and tells which one it opens.
fn open_one_of(
    keys: &KeyDirectory,
    address: Address,
    files: Vec<PathBuf>,
    password: Password,
) -> eyre::Result<Opened> {
    let accounts: Vec<KeyAccount> = files
        .into_iter()
        .map(|path| KeyAccount { path, address })
        .collect();
    println!(
        "Multiple key files exist for address {}:",
        hex::encode(address)
    );
    for account in &accounts {
        println!("   {}", account.url());
    }
    println!("Testing your passphrase against all of them...");
    let mut opening = accounts
        .iter()
        .map(|account| (account, keys.open(account, &password)));
    let Some((account, key)) = opening.find_map(|(account, key)| Some((account, key.ok()?))) else {
        bail!("None of the listed files could be unlocked.");
    };
    println!("Your passphrase unlocked {}", account.url());
    println!(
        "In order to avoid this warning, you need to remove the following duplicate key files:"
    );
    for other in accounts.iter().filter(|other| *other != account) {
        println!("   {}", other.url());
    }
    info!(%address, "unlocked account");
    let account = account.clone();
    Ok(Opened {
        account,
        key,
        password,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_a_password_a_line_and_the_last_one_serves_the_rest() {
        let lines = |content: &[u8]| -> Vec<Vec<u8>> {
            let lines = lines_of(content);
            lines.iter().map(|line| line.as_bytes().to_vec()).collect()
        };
        assert_eq!(lines(b"one\r\ntwo\n"), [b"one".to_vec(), b"two".to_vec()]);
        assert_eq!(lines(b"one"), [b"one".to_vec()]);
        assert_eq!(lines(b"a\n\n"), [b"a".to_vec(), Vec::new()]);
        for empty in [&b""[..], b"\n", b"\r\n"] {
            assert_eq!(lines(empty), [Vec::<u8>::new()]);
        }
        assert_eq!(
            lines(b" \xff \n"),
            [b" \xff ".to_vec()],
            "no text is asked for"
        );
        let passwords = Passwords {
            lines: lines_of(b"one\ntwo\n"),
            ..Passwords::default()
        };
        let line = |index| passwords.line(index).unwrap().as_bytes().to_vec();
        assert_eq!(
            [line(0), line(1), line(7)],
            [b"one", b"two", b"two"].map(|text| text.to_vec())
        );
        assert!(Passwords::default().line(0).is_none());
    }
}
