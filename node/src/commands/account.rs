//! `account` and `wallet`: manage the key files without a running node, with geth's messages.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use actoreum_primitives::SecretKey;
use actoreum_storage::files::{PRIVATE_FILE, create_file};
use actoreum_wallet::{KeyAccount, KeyDirectory, limits::MAX_KEY_FILE_BYTES, presale};
use eyre::{WrapErr, bail, eyre};
use zeroize::Zeroizing;

use crate::{
    cli::{AccountCommand, WalletCommand},
    config::Config,
    passwords::{Passwords, read_secret},
};

const NEW_PASSWORD: &str = "Your new account is locked with a password. Please give a password. \
Do not forget this password.";

/// Hex digits of a private key.
const KEY_DIGITS: usize = 64;
/// Bytes that may follow the digits: a line ending.
const LINE_END_BYTES: usize = 2;

/// The word that has to be typed before a key is exported.
const CONFIRMATION: &str = "export";

/// Runs a subcommand of `account`.
pub fn run(config: &Config, command: AccountCommand) -> eyre::Result<()> {
    let keys = config.keys()?;
    let mut passwords = Passwords::new(config.password_file.as_deref())?;
    match command {
        AccountCommand::List => list(&keys),
        AccountCommand::New => create(&keys, &mut passwords),
        AccountCommand::Update { accounts } => update(&keys, &mut passwords, &accounts),
        AccountCommand::Import { file } => import(&keys, &mut passwords, file.as_deref()),
        AccountCommand::Export {
            account,
            file,
            terminal,
        } => {
            let account = account.ok_or_else(|| eyre!("No account specified to export"))?;
            let target = match (file, terminal) {
                (Some(file), _) => Some(file),
                (None, true) => None,
                (None, false) => bail!(
                    "keyfile must be given as argument, or --terminal to have the key printed"
                ),
            };
            export(&keys, &mut passwords, &account, target)
        }
    }
}

/// Runs a subcommand of `wallet`.
pub fn run_wallet(config: &Config, command: WalletCommand) -> eyre::Result<()> {
    let WalletCommand::Import { file } = command;
    let file = file.ok_or_else(no_file)?;
    let json = read_secret(&file, MAX_KEY_FILE_BYTES)
        .map_err(|error| eyre!("Could not read wallet file: {}", open_error(&file, &error)))?;
    let password = Passwords::new(config.password_file.as_deref())?.prompt("", 0)?;
    let key = presale::decrypt(&json, &password)?;
    show(&config.keys()?.import(&key, &password)?);
    Ok(())
}

fn list(keys: &KeyDirectory) -> eyre::Result<()> {
    let mut out = io::stdout().lock();
    for (index, account) in keys.list()?.iter().enumerate() {
        let (address, url) = (hex::encode(account.address), account.url());
        writeln!(out, "Account #{index}: {{{address}}} {url}")?;
    }
    Ok(())
}

fn create(keys: &KeyDirectory, passwords: &mut Passwords) -> eyre::Result<()> {
    let password = passwords.prompt_new(NEW_PASSWORD)?;
    let account = keys
        .create(&password)
        .wrap_err("Failed to create account")?;
    show(&account);
    Ok(())
}

fn update(keys: &KeyDirectory, passwords: &mut Passwords, accounts: &[String]) -> eyre::Result<()> {
    if accounts.is_empty() {
        bail!("No accounts specified to update");
    }
    for name in accounts {
        let opened = passwords.open(keys, name, 0)?;
        let new =
            passwords.prompt_new("Please give a new password. Do not forget this password.")?;
        keys.update(&opened.account, &opened.password, &new)
            .wrap_err("Could not update the account")?;
    }
    Ok(())
}

fn import(keys: &KeyDirectory, passwords: &mut Passwords, file: Option<&Path>) -> eyre::Result<()> {
    let file = file.ok_or_else(no_file)?;
    let key = read_key(file).wrap_err("Failed to load the private key")?;
    let password = passwords.prompt_new(NEW_PASSWORD)?;
    let account = keys
        .import(&key, &password)
        .wrap_err("Could not create the account")?;
    show(&account);
    Ok(())
}

fn export(
    keys: &KeyDirectory,
    passwords: &mut Passwords,
    name: &str,
    target: Option<PathBuf>,
) -> eyre::Result<()> {
    let opened = passwords.open(keys, name, 0)?;
    println!(
        "This writes the private key of {} without encryption. It gives full control over the account.",
        opened.account.address
    );
    let question = format!("Type {CONFIRMATION} to go on: ");
    let answer = passwords
        .prompter()
        .line(&question)
        .map_err(|error| eyre!("Failed to read the confirmation: {error}"))?;
    if answer.trim() != CONFIRMATION {
        bail!("Nothing was exported: the confirmation was not given");
    }
    let digits = Zeroizing::new(hex::encode(opened.key.to_bytes().as_slice()));
    match target {
        Some(file) => {
            write_key(&file, &digits).map_err(|error| {
                eyre!(
                    "Could not write the private key: {}",
                    open_error(&file, &error)
                )
            })?;
            println!("Private key written to {}", file.display());
        }
        None => println!("{}", digits.as_str()),
    }
    Ok(())
}

fn show(account: &KeyAccount) {
    println!("Address: {{{}}}", hex::encode(account.address));
}

fn no_file() -> eyre::Report {
    eyre!("keyfile must be given as argument")
}

/// Returns the text of an open error in Go's form.
fn open_error(path: &Path, error: &io::Error) -> String {
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::AlreadyExists => "file exists".to_owned(),
        _ => error.to_string(),
    };
    format!("open {}: {reason}", path.display())
}

/// Reads a private key of 64 hex digits, with or without a line ending.
fn read_key(path: &Path) -> eyre::Result<SecretKey> {
    let file = File::open(path).map_err(|error| eyre!("{}", open_error(path, &error)))?;
    let mut content = Zeroizing::new(Vec::with_capacity(KEY_DIGITS + LINE_END_BYTES + 1));
    file.take((KEY_DIGITS + LINE_END_BYTES + 1) as u64)
        .read_to_end(&mut content)
        .map_err(|error| eyre!("read {}: {error}", path.display()))?;
    let (digits, rest) = content
        .split_at_checked(KEY_DIGITS)
        .ok_or_else(|| eyre!("key file too short, want 64 hex characters"))?;
    if !matches!(rest, b"" | b"\n" | b"\r\n") {
        bail!("key file too long, want 64 hex characters");
    }
    let mut bytes = Zeroizing::new([0; KEY_DIGITS / 2]);
    // The error is not shown, because it would print a part of the secret.
    hex::decode_to_slice(digits, bytes.as_mut_slice())
        .map_err(|_| eyre!("invalid character in the key file, want 64 hex characters"))?;
    SecretKey::from_bytes(&bytes).map_err(|_| eyre!("invalid private key"))
}

/// Creates a file with mode 0600; fails if it exists.
fn write_key(path: &Path, digits: &str) -> io::Result<()> {
    create_file(path, digits.as_bytes(), PRIVATE_FILE)
}
