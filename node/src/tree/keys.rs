//! Subtree of the keys of a running node: its key files, and the accounts that `--unlock` unlocks.

use actoreum_actors::accounts::{AccountsActor, AccountsSetup, UnlockedKeys};
use actoreum_primitives::SecretKey;
use actoreum_supervision::{ActorRef, ChildSpec, Pool, Strategy, SupervisorSpec, WhenStuck};
use actoreum_wallet::KeyDirectory;
use eyre::bail;

use crate::{config::Config, passwords::Passwords};

/// Bounds the passwords that wait for key derivation, each of which takes a second, and 256 MB
/// while it runs.
const WAITING_PASSWORDS: usize = 16;

/// The key files and the unlocked keys.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The folder of the files.
    pub directory: KeyDirectory,
    /// Keys that are unlocked from the start.
    pub unlocked: UnlockedKeys,
    /// Keys of the development mnemonic, which have no file.
    pub mnemonic_keys: Vec<SecretKey>,
}

impl Keys {
    /// Returns the key files without any unlocked key.
    pub fn locked(config: &Config) -> eyre::Result<Self> {
        Ok(Self {
            directory: config.keys()?,
            unlocked: UnlockedKeys::default(),
            mnemonic_keys: Vec::new(),
        })
    }

    /// Returns the key files and the unlocked keys of `--unlock`. Their passwords are asked for
    /// unless a file has them.
    pub fn unlocked(config: &Config) -> eyre::Result<Self> {
        let keys = Self::locked(config)?;
        let unlocked = unlock(config, &keys.directory)?;
        Ok(Self {
            unlocked: UnlockedKeys::new(unlocked),
            ..keys
        })
    }
}

/// Decrypts the keys of `--unlock`.
pub fn unlock(config: &Config, directory: &KeyDirectory) -> eyre::Result<Vec<SecretKey>> {
    unlock_except(config, directory, None)
}

/// Decrypts the keys of `--unlock`, except the one that is named by the index `unlocked`, which is
/// unlocked already.
pub fn unlock_except(
    config: &Config,
    directory: &KeyDirectory,
    unlocked: Option<usize>,
) -> eyre::Result<Vec<SecretKey>> {
    if config.unlock.is_empty() {
        return Ok(Vec::new());
    }
    if config.is_unlocking_forbidden() {
        bail!(
            "Account unlock with HTTP access is forbidden! Clients of the port could spend the \
             accounts' funds; --allow-insecure-unlock allows it"
        );
    }
    let is_locked =
        |(_, name): &(usize, &String)| unlocked.is_none() || name.parse().ok() != unlocked;
    let mut passwords = Passwords::new(config.password_file.as_deref())?;
    let open = |(index, name): (usize, &String)| Ok(passwords.open(directory, name, index)?.key);
    let names = config.unlock.iter().enumerate();
    names.filter(is_locked).map(open).collect()
}

/// Returns the subtree of the keys.
pub fn assemble(keys: &Keys, accounts: &ActorRef<AccountsActor>) -> SupervisorSpec {
    let threads = Pool::with_queue("scrypt", 1, WAITING_PASSWORDS);
    let setup = AccountsSetup {
        keys: keys.directory.clone(),
        threads: threads.clone(),
        unlocked: keys.unlocked.clone(),
        mnemonic_keys: keys.mnemonic_keys.clone(),
    };
    let accounts = ChildSpec::new_async(accounts, move || setup.clone().start());
    SupervisorSpec::new("keys", Strategy::RestForOne)
        .child(threads.child())
        .child(accounts.when_stuck(WhenStuck::Replace))
}
