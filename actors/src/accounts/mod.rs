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
//! Open keys are in the actor's memory alone. A new generation opens again what the operator asked
//! for at start, and nothing else: what was open for a while is locked by a crash.

use std::time::{Duration, Instant};

use actoreum_messages::accounts::{
    AccountStatus, GetAccounts, ImportKey, Lock, NewAccount, SignHash, Unlock,
};
use actoreum_primitives::{Address, SecretKey, Signature};
use actoreum_wallet::{KeyAccount, KeyDirectory, KeyError, KeyIndex, Keyring, Password};
use tracing::{info, warn};

use crate::supervision::{Actor, Ctx, Failure, Handles, JobError, Later, Message, Pool};

/// Time between two looks at the folder. A look costs one `stat` a file.
const POLL_PERIOD: Duration = Duration::from_secs(2);

/// What every generation of an AccountsActor is made from.
#[derive(Clone)]
pub struct AccountsSetup {
    /// The folder of key files.
    pub keys: KeyDirectory,
    /// Where scrypt runs. Its threads and its queue bound the memory that passwords cost.
    pub pool: Pool,
    /// Accounts that lie open from the start, in every generation.
    pub open: Vec<(Address, Password)>,
    /// Keys without a file, which lie open always: those of a development mnemonic.
    pub held: Vec<SecretKey>,
}

impl AccountsSetup {
    /// Makes the next generation, with its keys open.
    ///
    /// # Errors
    /// Where a key that is to lie open from the start can't be opened.
    pub async fn start(self) -> Result<AccountsActor, Failure> {
        let keys = self.keys.clone();
        let open = self.open.clone();
        let work = move || {
            let index = keys.scan(&KeyIndex::default())?;
            let mut opened = Vec::new();
            for (address, password) in &open {
                let account = index.find(*address, None)?;
                opened.push(keys.open(&account, password)?);
            }
            Ok::<_, KeyError>((index, opened))
        };
        let (index, opened) = self.pool.run(work).await??;
        let mut ring = Keyring::default();
        for key in opened.into_iter().chain(self.held.iter().cloned()) {
            ring.unlock(key, None, Instant::now());
        }
        Ok(AccountsActor {
            setup: self,
            index,
            ring,
            is_scanning: false,
        })
    }
}

/// See the module.
pub struct AccountsActor {
    setup: AccountsSetup,
    index: KeyIndex,
    ring: Keyring,
    is_scanning: bool,
}

impl AccountsActor {
    /// Runs key work on the pool, then `then` with its result inside the actor.
    fn on_pool<T: Send + 'static, R: 'static>(
        &mut self,
        ctx: &mut Ctx<Self>,
        work: impl FnOnce(&KeyDirectory) -> Result<T, KeyError> + Send + 'static,
        then: impl FnOnce(&mut Self, T, &mut Ctx<Self>) -> Result<R, KeyError> + 'static,
    ) -> Later<Result<R, KeyError>> {
        let (replier, later) = Later::channel();
        let keys = self.setup.keys.clone();
        let done = self.setup.pool.run(move || work(&keys));
        ctx.spawn_then(done, move |actor, done, ctx| match done {
            Ok(done) => replier.reply(done.and_then(|value| then(actor, value, ctx))),
            // The caller hears that there is no answer.
            Err(error) => warn!(%error, "key work not done"),
        });
        later
    }

    fn find(&self, address: Address) -> Result<KeyAccount, KeyError> {
        self.index.find(address, None)
    }

    fn scan(&mut self, ctx: &mut Ctx<Self>) {
        if self.is_scanning {
            return;
        }
        let (keys, before) = (self.setup.keys.clone(), self.index.clone());
        let work = move || keys.scan(&before);
        let submitted = self
            .setup
            .pool
            .submit(ctx.me(), work, |result| Scanned { result });
        self.is_scanning = submitted.is_ok();
    }

    fn tell_changes(&self, index: &KeyIndex) {
        let (before, now) = (self.index.accounts(), index.accounts());
        for account in now.iter().filter(|account| !before.contains(account)) {
            info!(address = %account.address, url = account.url(), "account appeared");
        }
        for account in before.iter().filter(|account| !now.contains(account)) {
            info!(address = %account.address, url = account.url(), "account is gone");
        }
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
        let open = self.ring.addresses(Instant::now());
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
            let is_known = || self.find(address).map(drop);
            let signed = match self.ring.key(&address, Instant::now()) {
                Ok(key) => Ok(key.sign(hash)),
                Err(locked) => Err(is_known().err().unwrap_or(locked)),
            };
            return Later::fallible(std::future::ready(signed));
        };
        match self.find(address) {
            Ok(account) => self.on_pool(
                ctx,
                move |keys| Ok(keys.open(&account, &password)?.sign(hash)),
                |_, signature, _| Ok(signature),
            ),
            Err(error) => Later::fallible(std::future::ready(Err(error))),
        }
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
        match self.find(address) {
            Ok(account) => self.on_pool(
                ctx,
                move |keys| keys.open(&account, &password),
                move |actor, key, ctx| {
                    actor.ring.unlock(key, duration, Instant::now());
                    if let Some(duration) = duration {
                        ctx.notify_after(duration, Expire);
                    }
                    Ok(())
                },
            ),
            Err(error) => Later::fallible(std::future::ready(Err(error))),
        }
    }
}

impl Handles<Lock> for AccountsActor {
    type Answer = bool;

    fn handle(&mut self, Lock { address }: Lock, _: &mut Ctx<Self>) -> bool {
        self.ring.lock(&address)
    }
}

impl Handles<NewAccount> for AccountsActor {
    type Answer = Later<Result<KeyAccount, KeyError>>;

    fn handle(&mut self, NewAccount { password }: NewAccount, ctx: &mut Ctx<Self>) -> Self::Answer {
        self.on_pool(ctx, move |keys| keys.create(&password), see_new)
    }
}

impl Handles<ImportKey> for AccountsActor {
    type Answer = Later<Result<KeyAccount, KeyError>>;

    fn handle(&mut self, message: ImportKey, ctx: &mut Ctx<Self>) -> Self::Answer {
        let ImportKey { key, password } = message;
        self.on_pool(ctx, move |keys| keys.import(&key, &password), see_new)
    }
}

/// Looks at the folder at once, so that a new account can be used.
fn see_new(
    actor: &mut AccountsActor,
    account: KeyAccount,
    ctx: &mut Ctx<AccountsActor>,
) -> Result<KeyAccount, KeyError> {
    actor.scan(ctx);
    Ok(account)
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
    result: Result<Result<KeyIndex, KeyError>, JobError>,
}

impl Handles<Scanned> for AccountsActor {
    type Answer = ();

    fn handle(&mut self, Scanned { result }: Scanned, _: &mut Ctx<Self>) {
        self.is_scanning = false;
        match result {
            Ok(Ok(index)) => {
                self.tell_changes(&index);
                self.index = index;
            }
            Ok(Err(error)) => warn!(%error, "key files not read"),
            Err(error) => warn!(%error, "key files not read"),
        }
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Expire;

impl Handles<Expire> for AccountsActor {
    type Answer = ();

    fn handle(&mut self, _: Expire, _: &mut Ctx<Self>) {
        self.ring.expire(Instant::now());
    }
}
