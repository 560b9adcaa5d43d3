//! AccountsActor: keeps the keys, and signs with them.
//!
//! | message | what happens |
//! |---|---|
//! | [`GetAccounts`] | answered from memory |
//! | [`SignHash`] | signed at once where the key lies open; with a password it is opened on the pool first |
//! | [`Unlock`], [`NewAccount`], [`ImportKey`] | on the pool: scrypt takes a second |
//! | [`Lock`] | the key is zeroed |
//! | `Poll`, `Scanned` | the folder is looked at on the pool: a file dropped in appears |
//! | `Expire` | keys whose time is over are zeroed |
//!
//! Every job on the pool looks at the folder too, so that a file that was just dropped in can be
//! used, and a new account is listed when its maker hears of it.
//!
//! Open keys are in the actor's memory, those of [`StandingKeys`] beside it: a new generation has
//! these open again, and nothing else. What was open for a while is locked by a crash.

mod standing;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actoreum_messages::accounts::{
    AccountStatus, GetAccounts, ImportKey, Lock, NewAccount, SignHash, Unlock,
};
use actoreum_primitives::{Address, SecretKey, Signature};
use actoreum_wallet::{KeyAccount, KeyDirectory, KeyError, KeyIndex, Keyring};
pub use standing::StandingKeys;
use tracing::{info, warn};

use crate::supervision::{Actor, Ctx, Failure, Handles, JobError, Later, Message, Pool};

/// Time between two looks at the folder. A look costs one `stat` a file.
const POLL_PERIOD: Duration = Duration::from_secs(2);

/// Times as long as a look took that the next one waits at least: a large folder takes no more than
/// a twentieth of the thread that passwords need.
const POLL_REST: u32 = 20;

/// What every generation of an AccountsActor is made from.
#[derive(Clone)]
pub struct AccountsSetup {
    /// The folder of key files.
    pub keys: KeyDirectory,
    /// Where scrypt runs. Its threads and its queue bound the memory that passwords cost.
    pub pool: Pool,
    /// Keys that lie open from the start.
    pub open: StandingKeys,
    /// Keys without a file, which lie open always: those of a development mnemonic.
    pub held: Vec<SecretKey>,
}

impl AccountsSetup {
    /// Makes the next generation, with its keys open. Where the folder can't be read, it has none
    /// but those: a key that lies open must sign on, and the folder may come back.
    ///
    /// # Errors
    /// Where the pool does not work.
    pub async fn start(self) -> Result<AccountsActor, Failure> {
        let keys = self.keys.clone();
        let scanned = self.pool.run(move || keys.scan(&KeyIndex::default()));
        let (index, failure) = match scanned.await? {
            Ok(index) => (index, None),
            Err(error) => {
                warn!(%error, "key files not read");
                (KeyIndex::default(), Some(error.to_string()))
            }
        };
        let mut ring = Keyring::default();
        for key in self
            .open
            .keys()
            .into_iter()
            .chain(self.held.iter().cloned())
        {
            ring.unlock(key, None, now());
        }
        Ok(AccountsActor {
            setup: self,
            index: Arc::new(index),
            ring,
            is_scanning: false,
            rests_until: now(),
            failure,
        })
    }
}

/// The clock of the actor's timers, which tests can pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// See the module.
pub struct AccountsActor {
    setup: AccountsSetup,
    index: Arc<KeyIndex>,
    ring: Keyring,
    is_scanning: bool,
    /// No look at the folder before.
    rests_until: Instant,
    /// Why the last look at the folder failed.
    failure: Option<String>,
}

impl AccountsActor {
    /// Runs key work on the pool over what the folder holds now, then `then` with its result
    /// inside the actor.
    fn on_pool<T: Send + 'static, R: 'static>(
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
            // What was done is done, also where the folder can't be read any more.
            Ok((keys.scan(&index).unwrap_or(index), result))
        };
        let done = self.setup.pool.run(job);
        ctx.spawn_then(done, move |actor, done, ctx| match done {
            Ok(Ok((index, result))) => {
                actor.see(index);
                replier.reply(result.map(|value| then(actor, value, ctx)));
            }
            Ok(Err(error)) => replier.reply(Err(error)),
            // The caller hears that there is no answer.
            Err(error) => warn!(%error, "key work not done"),
        });
        later
    }

    fn is_held(&self, address: &Address) -> bool {
        let mut held = self.setup.held.iter();
        held.any(|key| key.address() == *address)
    }

    fn scan(&mut self, ctx: &mut Ctx<Self>) {
        if self.is_scanning || now() < self.rests_until {
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
            .pool
            .submit(ctx.me(), work, |result| Scanned { result });
        self.is_scanning = submitted.is_ok();
    }

    /// Takes what the folder holds now, and tells what changed.
    fn see(&mut self, index: KeyIndex) {
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

impl Actor for AccountsActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.notify_every(POLL_PERIOD, || Poll);
        Ok(())
    }
}

impl Handles<GetAccounts> for AccountsActor {
    type Answer = Vec<AccountStatus>;

    fn handle(&mut self, _: GetAccounts, _: &mut Ctx<Self>) -> Self::Answer {
        let open = self.ring.addresses(now());
        let held = self.setup.held.iter().map(|key| AccountStatus {
            address: key.address(),
            path: None,
            is_open: true,
        });
        let filed = self
            .index
            .accounts()
            .into_iter()
            .map(|account| AccountStatus {
                is_open: open.contains(&account.address),
                address: account.address,
                path: Some(account.path),
            });
        filed.chain(held).collect()
    }
}

impl Handles<SignHash> for AccountsActor {
    type Answer = Later<Result<Signature, KeyError>>;

    fn handle(&mut self, message: SignHash, ctx: &mut Ctx<Self>) -> Self::Answer {
        let SignHash {
            address,
            hash,
            password,
        } = message;
        let Some(password) = password else {
            let signed = match self.ring.key(&address, now()) {
                Ok(key) => Ok(key.sign(hash)),
                Err(locked) => Err(match self.index.find(address, None) {
                    Err(KeyError::NotFound) => KeyError::NotFound,
                    _ => locked,
                }),
            };
            return Later::fallible(std::future::ready(signed));
        };
        self.on_pool(
            ctx,
            move |keys, index| {
                let account = index.find(address, None)?;
                Ok(keys.open(&account, &password)?.sign(hash))
            },
            |_, signature, _| signature,
        )
    }
}

impl Handles<Unlock> for AccountsActor {
    type Answer = Later<Result<(), KeyError>>;

    fn handle(&mut self, message: Unlock, ctx: &mut Ctx<Self>) -> Self::Answer {
        let Unlock {
            address,
            password,
            duration,
        } = message;
        if self.is_held(&address) {
            return Later::fallible(std::future::ready(Ok(())));
        }
        self.on_pool(
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
}

impl Handles<Lock> for AccountsActor {
    type Answer = bool;

    fn handle(&mut self, Lock { address }: Lock, _: &mut Ctx<Self>) -> bool {
        if self.is_held(&address) {
            return false;
        }
        self.setup.open.lock(&address);
        self.ring.lock(&address);
        true
    }
}

impl Handles<NewAccount> for AccountsActor {
    type Answer = Later<Result<KeyAccount, KeyError>>;

    fn handle(&mut self, NewAccount { password }: NewAccount, ctx: &mut Ctx<Self>) -> Self::Answer {
        self.on_pool(
            ctx,
            move |keys, _| keys.create(&password),
            |_, account, _| account,
        )
    }
}

impl Handles<ImportKey> for AccountsActor {
    type Answer = Later<Result<KeyAccount, KeyError>>;

    fn handle(&mut self, message: ImportKey, ctx: &mut Ctx<Self>) -> Self::Answer {
        let ImportKey { key, password } = message;
        self.on_pool(
            ctx,
            move |keys, _| keys.import(&key, &password),
            |_, account, _| account,
        )
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Poll;

impl Handles<Poll> for AccountsActor {
    type Answer = ();

    fn handle(&mut self, _: Poll, ctx: &mut Ctx<Self>) {
        self.scan(ctx);
    }
}

/// The pool looked at the folder.
#[derive(Message)]
#[rtype(result = "()")]
struct Scanned {
    /// What is there, and how long the look took.
    result: Result<Result<(KeyIndex, Duration), KeyError>, JobError>,
}

impl Handles<Scanned> for AccountsActor {
    type Answer = ();

    fn handle(&mut self, Scanned { result }: Scanned, _: &mut Ctx<Self>) {
        self.is_scanning = false;
        let failure = match result {
            Ok(Ok((index, took))) => {
                self.see(index);
                self.rests_until = now() + took * POLL_REST;
                None
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        // Once, and not at every look.
        if let Some(error) = failure.as_ref().filter(|_| failure != self.failure) {
            warn!(error, "key files not read");
        }
        self.failure = failure;
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Expire;

impl Handles<Expire> for AccountsActor {
    type Answer = ();

    fn handle(&mut self, _: Expire, _: &mut Ctx<Self>) {
        self.ring.expire(now());
    }
}
