//! Passwords from the file of `--password` or from the terminal, and the decryption of key files
//! with them.

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

/// Number of attempts to type the password of an account.
const ATTEMPTS: u32 = 3;

/// Bounds the bytes of the file of `--password`: lines for more accounts than a folder may hold.
const MAX_PASSWORD_FILE_BYTES: u64 = 1024 * 1024;

/// Source of passwords: the lines of a file, or the terminal.
#[derive(Debug, Default)]
pub struct Passwords {
    /// One password per line of the file; empty if they are typed at the terminal.
    lines: Vec<Password>,
    prompter: Prompter,
}

/// A key that was decrypted.
#[derive(Debug)]
pub struct UnlockedAccount {
    /// The account and its key file.
    pub account: KeyAccount,
    /// The key.
    pub key: SecretKey,
    /// The password that decrypted the key.
    pub password: Password,
}

impl Passwords {
    /// Reads the lines of a file, if there is one; otherwise passwords are asked for at the
    /// terminal.
    pub fn new(file: Option<&Path>) -> eyre::Result<Self> {
        let lines = match file {
            Some(path) => {
                let content = read_secret(path, MAX_PASSWORD_FILE_BYTES)
                    .map_err(|error| read_failed(path, &error))?;
                split_lines(&content)
            }
            None => Vec::new(),
        };
        Ok(Self {
            lines,
            prompter: Prompter::default(),
        })
    }

    /// Returns the prompter that asks at the terminal.
    pub fn prompter(&self) -> &Prompter {
        &self.prompter
    }

    /// Returns the file's line with this index, or its last one. Without a file, prints `title` and
    /// asks for the password.
    pub fn prompt(&mut self, title: &str, index: usize) -> eyre::Result<Password> {
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

    /// Returns the file's first line. Without a file, prints `title` and asks for the new password
    /// twice.
    pub fn prompt_new(&mut self, title: &str) -> eyre::Result<Password> {
        let password = self.prompt(title, 0)?;
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

    /// Decrypts the key of `name` (an address, or an index into the list of accounts). `index` is
    /// the account's position among those that are unlocked, which selects the line of the file. A
    /// typed password may be wrong twice.
    pub fn open(
        &mut self,
        keys: &KeyDirectory,
        name: &str,
        index: usize,
    ) -> eyre::Result<UnlockedAccount> {
        let (address, path) =
            resolve(keys, name).map_err(|error| eyre!("Could not list accounts: {error}"))?;
        let mut attempt = 1;
        loop {
            let title = format!("Unlocking account {name} | Attempt {attempt}/{ATTEMPTS}");
            let password = self.prompt(&title, index)?;
            let opened = match keys.find(address, path.as_deref()) {
                Err(KeyError::Ambiguous(files)) => {
                    return try_each_file(keys, address, files, password);
                }
                found => found.and_then(|account| Ok((keys.open(&account, &password)?, account))),
            };
            match opened {
                Ok((key, account)) => {
                    info!(%address, "unlocked account");
                    return Ok(UnlockedAccount {
                        account,
                        key,
                        password,
                    });
                }
                // Another attempt with the same file would fail again.
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

/// Reads a file of at most `max_bytes` bytes into one buffer that is zeroed after use.
pub fn read_secret(path: &Path, max_bytes: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let mut content = Zeroizing::new(Vec::with_capacity(max_bytes as usize + 1));
    file.take(max_bytes + 1).read_to_end(&mut content)?;
    if content.len() as u64 > max_bytes {
        return Err(io::Error::other("it is too large"));
    }
    Ok(content)
}

fn read_failed(path: &Path, error: &io::Error) -> eyre::Report {
    eyre!(
        "Failed to read password file: open {}: {error}",
        path.display()
    )
}

/// Splits the content of a file into one password per line. The newline at the end begins no
/// further line, because the last line is the password of all accounts that come after it.
fn split_lines(content: &[u8]) -> Vec<Password> {
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

/// Finds the account that a command line names by address or by index in the list.
///
/// The path is present only for an account that was named by index.
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
    if index >= count {
        bail!("index {index} higher than number of accounts {count}");
    }
    let account = accounts.swap_remove(index);
    Ok((account.address, Some(account.path)))
}

/// Tries a password on each of the files that hold the same key, and prints which one it decrypts.
fn try_each_file(
    keys: &KeyDirectory,
    address: Address,
    files: Vec<PathBuf>,
    password: Password,
) -> eyre::Result<UnlockedAccount> {
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
    let mut decrypted = accounts
        .iter()
        .map(|account| (account, keys.open(account, &password)));
    let Some((account, key)) = decrypted.find_map(|(account, key)| Some((account, key.ok()?)))
    else {
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
    Ok(UnlockedAccount {
        account,
        key,
        password,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_password_and_the_last_one_is_reused() {
        let lines = |content: &[u8]| -> Vec<Vec<u8>> {
            let lines = split_lines(content);
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
            lines: split_lines(b"one\ntwo\n"),
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
