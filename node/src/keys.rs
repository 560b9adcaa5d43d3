//! The keys of a node that runs: its key files, and those that `--unlock` lays open.

use actoreum_actors::accounts::StandingKeys;
use actoreum_primitives::SecretKey;
use actoreum_wallet::KeyDirectory;
use eyre::bail;

use crate::{config::Config, passwords::Passwords};

/// The key files, and the keys that lie open.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The folder of the files.
    pub directory: KeyDirectory,
    /// Keys that lie open from the start.
    pub open: StandingKeys,
    /// Keys without a file.
    pub held: Vec<SecretKey>,
}

impl Keys {
    /// The files alone: nothing lies open.
    pub fn locked(config: &Config) -> eyre::Result<Self> {
        Ok(Self {
            directory: config.keys()?,
            open: StandingKeys::default(),
            held: Vec::new(),
        })
    }

    /// The files, and the keys of `--unlock`, whose passwords are asked for unless a file has
    /// them.
    pub fn unlocked(config: &Config) -> eyre::Result<Self> {
        let keys = Self::locked(config)?;
        let opened = unlock(config, &keys.directory)?;
        Ok(Self {
            open: StandingKeys::new(opened),
            ..keys
        })
    }
}

/// The keys of `--unlock`.
pub fn unlock(config: &Config, directory: &KeyDirectory) -> eyre::Result<Vec<SecretKey>> {
    unlock_but(config, directory, None)
}

/// The keys of `--unlock`, without the one that is named by this place in the list: it is open.
pub fn unlock_but(
    config: &Config,
    directory: &KeyDirectory,
    open: Option<usize>,
) -> eyre::Result<Vec<SecretKey>> {
    if config.unlock.is_empty() {
        return Ok(Vec::new());
    }
    if config.is_unlocking_forbidden() {
        bail!(
            "Account unlock with HTTP access is forbidden! Whoever reaches the port could spend \
             what the accounts have; --allow-insecure-unlock allows it"
        );
    }
    let is_closed = |(_, name): &(usize, &String)| open.is_none() || name.parse().ok() != open;
    let mut passwords = Passwords::new(config.password_file.as_deref())?;
    let open = |(index, name): (usize, &String)| Ok(passwords.open(directory, name, index)?.key);
    let names = config.unlock.iter().enumerate();
    names.filter(is_closed).map(open).collect()
}
