//! AccountsActor: manages the keys of the keystore, and signs with them.
//!
//! | message | effect |
//! |---|---|
//! | [`GetAccounts`] | answered from memory |
//! | [`SignHash`] | signed at once where the key is unlocked; with a password the key is decrypted on the thread pool first |
//! | [`Unlock`], [`NewAccount`], [`ImportKey`] | run on the thread pool: scrypt takes a second |
//! | [`Lock`] | the key is zeroed |
//! | `Poll`, `Scanned` | the keystore folder is scanned on the thread pool: new files appear as accounts |
//! | `Expire` | keys whose unlock duration is over are zeroed |
//!
//! Every job on the thread pool scans the folder, too, so that a file that was just added can be
//! used, and a new account is listed before its creator gets the answer.
//!
//! Unlocked keys are in the actor's memory; those of [`UnlockedKeys`] are also kept outside of it,
//! so that a new generation has them unlocked again, and no others. Keys that were unlocked by RPC
//! are locked by a crash.

mod unlocked_keys;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actoreum_messages::accounts::{
    AccountStatus, GetAccounts, ImportKey, Lock, NewAccount, SignHash, Unlock,
};
use actoreum_primitives::{Address, SecretKey, Signature};
use actoreum_wallet::{KeyAccount, KeyDirectory, KeyError, KeyIndex, Keyring};
use tracing::{info, warn};
pub use unlocked_keys::UnlockedKeys;

use actoreum_supervision::{Ctx, Failure, JobError, Later, Pool, actor};

/// Time between two scans of the folder. A scan costs one `stat` a file.
const POLL_PERIOD: Duration = Duration::from_secs(2);

/// The pause after a scan as a multiple of its duration: scans of a large folder take at most a
/// twentieth of the time of the thread that also decrypts keys.
const POLL_PAUSE_FACTOR: u32 = 20;

/// The parts that every generation of an AccountsActor is created from.
#[derive(Clone)]
pub struct AccountsSetup {
    /// The folder of key files.
    pub keys: KeyDirectory,
    /// The threads that scrypt runs on. Their number and their queue bound scrypt's memory.
    pub threads: Pool,
    /// The keys that are unlocked from the start (`--unlock`).
    pub unlocked: UnlockedKeys,
    /// Keys without a file, which are always unlocked: those of a development mnemonic.
    pub mnemonic_keys: Vec<SecretKey>,
}

impl AccountsSetup {
    /// Creates the next generation of the actor, with its keys unlocked. Where the folder cannot be
    /// read, the actor starts without accounts of the folder: unlocked keys must be able to sign,
    /// and the folder may become readable later.
    ///
    /// # Errors
    /// Where the thread pool does not run the scan.
    pub async fn start(self) -> Result<AccountsActor, Failure> {
        let keys = self.keys.clone();
        let scanned = self
            .threads
            .job("ScanKeys")
            .run(move || keys.scan(&KeyIndex::default()));
        let (index, failure) = match scanned.await? {
            Ok(index) => (index, None),
            Err(error) => {
                warn!(%error, "key files not read");
                (KeyIndex::default(), Some(error.to_string()))
            }
        };
        let mut ring = Keyring::default();
        for key in self
            .unlocked
            .keys()
            .into_iter()
            .chain(self.mnemonic_keys.iter().cloned())
        {
            ring.unlock(key, None, now());
        }
        let mnemonic_addresses = self.mnemonic_keys.iter().map(SecretKey::address);
        Ok(AccountsActor {
            mnemonic_addresses: mnemonic_addresses.collect(),
            setup: self,
            index: Arc::new(index),
            ring,
            is_scanning: false,
            next_scan_at: now(),
            failure,
        })
    }
}

/// The clock of the actor's timers, which tests can pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The actor of the keystore; see the module.
pub struct AccountsActor {
    setup: AccountsSetup,
    index: Arc<KeyIndex>,
    ring: Keyring,
    /// The addresses of the mnemonic's keys: to derive one takes a multiplication on the curve.
    mnemonic_addresses: Vec<Address>,
    is_scanning: bool,
    /// The earliest time of the next scan.
    next_scan_at: Instant,
    /// The error of the last scan, if it failed.
    failure: Option<String>,
}

impl AccountsActor {
    /// Runs `work` with a fresh scan of the folder on the thread pool, then `then` with the result
    /// inside the actor.
    fn run_key_work<T: Send + 'static, R: 'static>(
        &mut self,
        ctx: &mut Ctx<Self>,
        work: impl FnOnce(&KeyDirectory, &KeyIndex) -> Result<T, KeyError> + Send + 'static,
        then: impl FnOnce(&mut Self, T, &mut Ctx<Self>) -> R + 'static,
    ) -> Later<Result<R, KeyError>> {
        let (replier, later) = Later::channel();
        let (keys, before) = (self.setup.keys.clone(), Arc::clone(&self.index));
        let job = move || {
            let index = keys.scan(&before)?;
            let result = work(&keys, &index);
            // The work has succeeded even where the folder cannot be read afterwards.
            Ok((keys.scan(&index).unwrap_or(index), result))
        };
        let done = self.setup.threads.job("UseKeys").run(job);
        ctx.spawn_then(done, move |actor, done, ctx| match done {
            Ok(Ok((index, result))) => {
                actor.update_index(index);
                replier.reply(result.map(|value| then(actor, value, ctx)));
            }
            Ok(Err(error)) => replier.reply(Err(error)),
            // The dropped replier gives the caller an error.
            Err(error) => warn!(%error, "key operation failed"),
        });
        later
    }

    fn is_mnemonic_key(&self, address: &Address) -> bool {
        self.mnemonic_addresses.contains(address)
    }

    /// Returns whether [`GetAccounts`] lists an account.
    fn is_listed(&self, address: &Address) -> bool {
        !matches!(self.index.find(*address, None), Err(KeyError::NotFound))
            || self.is_mnemonic_key(address)
    }

    fn scan(&mut self, ctx: &mut Ctx<Self>) {
        if self.is_scanning || now() < self.next_scan_at {
            return;
        }
        let (keys, before) = (self.setup.keys.clone(), Arc::clone(&self.index));
        let work = move || {
            let begun = Instant::now();
            let index = keys.scan(&before)?;
            Ok((index, begun.elapsed()))
        };
        let submitted = self
            .setup
            .threads
            .job("ScanKeys")
            .submit(ctx.me(), work, |result| Scanned { result });
        self.is_scanning = submitted.is_ok();
    }

    /// Replaces the index of the folder, and logs the changes.
    fn update_index(&mut self, index: KeyIndex) {
        let (came, went) = index.changes_since(&self.index);
        for account in came {
            info!(address = %account.address, url = account.url(), "account appeared");
        }
        for account in went {
            info!(address = %account.address, url = account.url(), "account is gone");
        }
        self.index = Arc::new(index);
    }
}

#[actor]
impl AccountsActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.notify_every(POLL_PERIOD, || Poll);
        Ok(())
    }

    #[handler]
    fn get_accounts(&mut self, _: GetAccounts) -> Vec<AccountStatus> {
        let open = self.ring.addresses(now());
        let held = self.mnemonic_addresses.iter().map(|address| AccountStatus {
            address: *address,
            path: None,
            is_unlocked: true,
        });
        let filed = self
            .index
            .accounts()
            .into_iter()
            .map(|account| AccountStatus {
                is_unlocked: open.contains(&account.address),
                address: account.address,
                path: Some(account.path),
            });
        // The mnemonic's come first: tools of development chains expect them there.
        held.chain(filed).collect()
    }

    #[handler]
    fn sign_hash(
        &mut self,
        message: SignHash,
        ctx: &mut Ctx<Self>,
    ) -> Later<Result<Signature, KeyError>> {
        let SignHash {
            address,
            hash,
            password,
            must_be_listed,
        } = message;
        let Some(password) = password else {
            let signed = match self.ring.key(&address, now()) {
                Ok(_) if must_be_listed && !self.is_listed(&address) => Err(KeyError::NotFound),
                Ok(key) => Ok(key.sign(hash)),
                Err(locked) => Err(match self.index.find(address, None) {
                    Err(KeyError::NotFound) => KeyError::NotFound,
                    _ => locked,
                }),
            };
            return Later::fallible(std::future::ready(signed));
        };
        self.run_key_work(
            ctx,
            move |keys, index| {
                let account = index.find(address, None)?;
                Ok(keys.open(&account, &password)?.sign(hash))
            },
            |_, signature, _| signature,
        )
    }

    #[handler]
    fn unlock(&mut self, message: Unlock, ctx: &mut Ctx<Self>) -> Later<Result<(), KeyError>> {
        let Unlock {
            address,
            password,
            duration,
        } = message;
        if self.is_mnemonic_key(&address) {
            return Later::fallible(std::future::ready(Ok(())));
        }
        self.run_key_work(
            ctx,
            move |keys, index| keys.open(&index.find(address, None)?, &password),
            move |actor, key, ctx| {
                actor.ring.unlock(key, duration, now());
                if let Some(duration) = duration {
                    ctx.notify_after(duration, Expire);
                }
            },
        )
    }

    #[handler]
    fn lock(&mut self, Lock { address }: Lock) -> bool {
        if self.is_mnemonic_key(&address) {
            return false;
        }
        self.setup.unlocked.lock(&address);
        self.ring.lock(&address);
        true
    }

    #[handler]
    fn new_account(
        &mut self,
        NewAccount { password }: NewAccount,
        ctx: &mut Ctx<Self>,
    ) -> Later<Result<KeyAccount, KeyError>> {
        self.run_key_work(
            ctx,
            move |keys, _| keys.create(&password),
            |_, account, _| account,
        )
    }

    #[handler]
    fn import_key(
        &mut self,
        message: ImportKey,
        ctx: &mut Ctx<Self>,
    ) -> Later<Result<KeyAccount, KeyError>> {
        let ImportKey { key, password } = message;
        self.run_key_work(
            ctx,
            move |keys, _| keys.import(&key, &password),
            |_, account, _| account,
        )
    }

    /// Scans the folder. Sent by the actor's own timer.
    #[message]
    fn poll(&mut self, ctx: &mut Ctx<Self>) {
        self.scan(ctx);
    }

    /// The end of a scan: the index of the folder, and the duration. Sent by the thread pool.
    #[message]
    fn scanned(&mut self, result: Result<Result<(KeyIndex, Duration), KeyError>, JobError>) {
        self.is_scanning = false;
        let failure = match result {
            Ok(Ok((index, took))) => {
                self.update_index(index);
                self.next_scan_at = now() + took * POLL_PAUSE_FACTOR;
                None
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        // Logged when the error changes, not at every scan.
        if let Some(error) = failure.as_ref().filter(|_| failure != self.failure) {
            warn!(error, "key files not read");
        }
        self.failure = failure;
    }

    /// Locks the keys whose unlock duration is over. Sent by the actor's own timers.
    #[message]
    fn expire(&mut self) {
        self.ring.expire(now());
    }
}
