//! UsbHubActor: looks for hardware wallets, and has them sign.
//!
//! | message | what happens |
//! |---|---|
//! | [`ListWallets`] | answered after another look at what is plugged in |
//! | [`GetWalletAccounts`] | answered from memory |
//! | [`OpenWallet`], [`DeriveAccount`], [`SignWithWallet`] | when the device is free, on a thread: its owner may take minutes |
//! | `Poll` | every second: what is plugged in is looked at, open wallets give a sign of life |
//! | `Listed` | wallets that came are opened, those that went are forgotten |
//!
//! A device does one thing at a time. Its driver is with the thread that waits for it, and comes
//! back to the actor with the answer; what is asked meanwhile waits its turn. A device that fails,
//! says nonsense, or is unplugged in the middle is closed, and whoever waits hears why.
//!
//! A new generation opens the devices anew; a Trezor may want its PIN again.

mod discovery;
mod limits;
mod wallet;

use std::{collections::BTreeMap, sync::Arc};

use actoreum_chain::ChainReader;
use actoreum_messages::usb::{
    DeriveAccount, GetWalletAccounts, ListWallets, OpenWallet, SignWithWallet, WalletAccount,
    WalletStatus,
};
use actoreum_primitives::{Address, Signature};
use actoreum_wallet::{
    Password,
    hardware::{Attached, Bus, DeviceError, Driver, StopFlag, WalletError, driver},
    trezor::TrezorError,
};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use self::{
    discovery::{Found, Series, search},
    limits::{DISCOVERY_PAUSE, MAX_FOUND, MAX_WALLETS, REFRESH_PAUSE, REFRESH_PERIOD},
    wallet::{Account, Slot, Wallet, WalletId},
};
use crate::supervision::{
    Actor, Ctx, Failure, Handles, JobError, Later, Message, Pool, Replier, WhenAbandoned,
};

pub use self::limits::DEVICE_THREADS;

/// What every generation of a UsbHubActor is made from.
#[derive(Clone)]
pub struct UsbSetup {
    /// Where devices are plugged in.
    pub bus: Arc<dyn Bus>,
    /// Threads that wait for devices: [`DEVICE_THREADS`].
    pub pool: Pool,
    /// Says which accounts are in use.
    pub chain: ChainReader,
}

impl UsbSetup {
    /// Makes the next generation.
    pub fn start(self) -> UsbHubActor {
        UsbHubActor {
            setup: self,
            stop: StopFlag::default(),
            wallets: BTreeMap::new(),
            serial: 0,
            listed_at: None,
            is_listing: false,
            listeners: Vec::new(),
            list_failure: None,
        }
    }
}

/// See the module.
pub struct UsbHubActor {
    setup: UsbSetup,
    /// Ends the waits of this generation's threads.
    stop: StopFlag,
    /// What is plugged in, by URL.
    wallets: BTreeMap<String, Wallet>,
    /// Wallets that ever were.
    serial: u64,
    listed_at: Option<Instant>,
    is_listing: bool,
    /// Who waits for the next look at what is plugged in.
    listeners: Vec<Replier<Vec<WalletStatus>>>,
    /// Why the last look failed.
    list_failure: Option<String>,
}

impl Drop for UsbHubActor {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

impl Actor for UsbHubActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        self.list(ctx);
        ctx.notify_every(REFRESH_PERIOD, || Poll);
        Ok(())
    }
}

/// Looking for devices.
impl UsbHubActor {
    /// Looks at what is plugged in, unless that is being done.
    fn list(&mut self, ctx: &mut Ctx<Self>) {
        if self.is_listing {
            return;
        }
        let bus = Arc::clone(&self.setup.bus);
        let work = move || bus.list();
        let message = |result| Listed { result };
        let submitted = self.setup.pool.submit(ctx.me(), work, message);
        self.is_listing = submitted.is_ok();
    }

    /// Takes what is plugged in now.
    fn see(&mut self, attached: Vec<Attached>, ctx: &mut Ctx<Self>) {
        let gone: Vec<WalletId> = self
            .wallets
            .values()
            .filter(|wallet| !attached.contains(&wallet.attached))
            .map(|wallet| wallet.id.clone())
            .collect();
        for id in gone {
            self.forget(&id, ctx);
        }
        for attached in attached {
            let url = attached.url();
            if self.wallets.contains_key(&url) {
                continue;
            }
            if self.wallets.len() >= MAX_WALLETS {
                break;
            }
            self.serial += 1;
            let serial = self.serial;
            let id = WalletId { url, serial };
            info!(url = id.url, "hardware wallet appeared");
            let wallet = Wallet::new(id.clone(), attached);
            self.wallets.insert(id.url.clone(), wallet);
            self.open_by_itself(&id, ctx);
        }
    }

    /// It was unplugged.
    fn forget(&mut self, id: &WalletId, ctx: &mut Ctx<Self>) {
        let Some(mut wallet) = self.wallets.remove(&id.url) else {
            return;
        };
        info!(url = id.url, "hardware wallet is gone");
        // Dropped before anything else is asked of it.
        wallet.close(WalletError::Closed);
        while let Some(turn) = wallet.next_turn() {
            turn(self, ctx);
        }
    }

    /// Opens a wallet that nobody asked for yet, as far as that goes without a secret.
    fn open_by_itself(&mut self, id: &WalletId, ctx: &mut Ctx<Self>) {
        let opened = id.clone();
        self.open(id, Password::default(), ctx, move |hub, result, _| {
            let url = &opened.url;
            let Err(error) = result else { return };
            match &error {
                WalletError::Device(DeviceError::Permission { .. }) => {
                    let Some(wallet) = hub.find_mut(&opened) else {
                        return;
                    };
                    // The system's rules may come a moment after the device.
                    wallet.refusals += 1;
                    if wallet.refusals == 2 {
                        warn!(url, %error, "hardware wallet can't be opened");
                    }
                }
                WalletError::Trezor(TrezorError::PinNeeded | TrezorError::PassphraseNeeded) => {
                    info!(url, %error, "hardware wallet waits for personal_openWallet");
                }
                _ => warn!(url, %error, "hardware wallet can't be opened"),
            }
        });
    }
}

/// Working with a device.
impl UsbHubActor {
    fn find_mut(&mut self, id: &WalletId) -> Option<&mut Wallet> {
        let wallet = self.wallets.get_mut(&id.url)?;
        (wallet.id == *id).then_some(wallet)
    }

    /// Opens a wallet, or goes on with it.
    fn open(
        &mut self,
        id: &WalletId,
        secret: Password,
        ctx: &mut Ctx<Self>,
        then: impl FnOnce(&mut Self, Result<(), WalletError>, &mut Ctx<Self>) + 'static,
    ) {
        let (bus, stop) = (Arc::clone(&self.setup.bus), self.stop.clone());
        let Some(wallet) = self.find_mut(id) else {
            return then(self, Err(WalletError::UnknownWallet), ctx);
        };
        let is_open = wallet.is_open;
        match &wallet.slot {
            Slot::Idle(driver) if is_open && !driver.is_locked() => {
                then(self, Err(WalletError::AlreadyOpen), ctx);
            }
            Slot::Idle(_) => {
                let id = id.clone();
                let work = move |driver: &mut dyn Driver| driver.open(&secret);
                self.with_driver(&id.clone(), ctx, work, move |hub, result, ctx| {
                    hub.opened(&id, &result, ctx);
                    then(hub, result, ctx);
                });
            }
            Slot::Closed => {
                wallet.begin_opening();
                let attached = wallet.attached.clone();
                let work = move || {
                    let device = bus.open(&attached)?;
                    let mut driver = driver(attached.brand, device, stop);
                    let result = driver.open(&secret);
                    Ok((driver, result))
                };
                self.run(id, ctx, work, move |hub, id, result, ctx| {
                    hub.opened(id, &result, ctx);
                    then(hub, result, ctx);
                });
            }
            Slot::Busy => {
                let again = id.clone();
                self.wait(id, ctx, then, move |hub, then, ctx| {
                    hub.open(&again, secret, ctx, then);
                });
            }
        }
    }

    /// A wallet was opened, or wants more.
    fn opened(&mut self, id: &WalletId, result: &Result<(), WalletError>, ctx: &mut Ctx<Self>) {
        let Some(wallet) = self.find_mut(id).filter(|_| result.is_ok()) else {
            return;
        };
        if !wallet.is_open {
            wallet.is_open = true;
            wallet.series = Series::of(wallet.attached.brand);
            let status = wallet.status().status;
            info!(url = id.url, status, "hardware wallet opened");
        }
        self.search_for_accounts(id, ctx);
    }

    /// Has a wallet look for accounts in use, where it has nothing else to do.
    fn search_for_accounts(&mut self, id: &WalletId, ctx: &mut Ctx<Self>) {
        let chain = self.setup.chain.clone();
        let Some(wallet) = self.find_mut(id) else {
            return;
        };
        let is_due = wallet.is_open && wallet.is_idle() && wallet.has_rested(DISCOVERY_PAUSE);
        if !is_due || wallet.accounts.len() >= MAX_FOUND {
            return;
        }
        wallet.searched_at = Some(Instant::now());
        let series = wallet.series.clone();
        let work = move |driver: &mut dyn Driver| search(driver, &chain, series);
        let id = id.clone();
        self.with_driver(&id.clone(), ctx, work, move |hub, result, _| match result {
            Ok(Found { accounts, series }) => {
                let Some(wallet) = hub.find_mut(&id).filter(|wallet| wallet.is_open) else {
                    return;
                };
                wallet.series = series;
                for account in accounts {
                    wallet.pin(account);
                }
            }
            // Whoever lists accounts in a loop would fill the log.
            Err(error) => debug!(url = id.url, %error, "hardware wallet found no accounts"),
        });
    }

    /// Runs `work` with a wallet's driver when the device is free, then `then` in the actor.
    fn with_driver<T: Send + 'static>(
        &mut self,
        id: &WalletId,
        ctx: &mut Ctx<Self>,
        work: impl FnOnce(&mut dyn Driver) -> Result<T, WalletError> + Send + 'static,
        then: impl FnOnce(&mut Self, Result<T, WalletError>, &mut Ctx<Self>) + 'static,
    ) {
        let Some(wallet) = self.find_mut(id) else {
            return then(self, Err(WalletError::Closed), ctx);
        };
        match std::mem::replace(&mut wallet.slot, Slot::Busy) {
            Slot::Closed => {
                wallet.slot = Slot::Closed;
                then(self, Err(WalletError::Closed), ctx);
            }
            Slot::Idle(mut driver) => {
                let work = move || {
                    let result = work(driver.as_mut());
                    Ok((driver, result))
                };
                self.run(id, ctx, work, move |hub, _, result, ctx| {
                    then(hub, result, ctx);
                });
            }
            Slot::Busy => {
                let again = id.clone();
                self.wait(id, ctx, then, move |hub, then, ctx| {
                    hub.with_driver(&again, ctx, work, then);
                });
            }
        }
    }

    /// Has `turn` done when the device is free.
    fn wait<T: 'static, F>(
        &mut self,
        id: &WalletId,
        ctx: &mut Ctx<Self>,
        then: F,
        turn: impl FnOnce(&mut Self, F, &mut Ctx<Self>) + 'static,
    ) where
        F: FnOnce(&mut Self, Result<T, WalletError>, &mut Ctx<Self>) + 'static,
    {
        let Some(wallet) = self.find_mut(id) else {
            return then(self, Err(WalletError::Closed), ctx);
        };
        if !wallet.has_room() {
            return then(self, Err(WalletError::Busy), ctx);
        }
        wallet.wait(Box::new(move |hub, ctx| turn(hub, then, ctx)));
    }

    /// Runs `work`, which holds the driver or makes it, on a thread; then the next turn.
    fn run<T: Send + 'static>(
        &mut self,
        id: &WalletId,
        ctx: &mut Ctx<Self>,
        work: impl FnOnce() -> Worked<T> + Send + 'static,
        then: impl FnOnce(&mut Self, &WalletId, Result<T, WalletError>, &mut Ctx<Self>) + 'static,
    ) {
        let done = self.setup.pool.run(work);
        let id = id.clone();
        ctx.spawn_then(done, move |hub, done: Result<Worked<T>, JobError>, ctx| {
            let result = match done {
                Ok(Ok((driver, result))) => {
                    hub.take_back(&id, driver, result.as_ref().err());
                    result
                }
                Ok(Err(error)) => hub.lost(&id, error),
                Err(error) => hub.lost(&id, DeviceError::Io(error.to_string())),
            };
            then(hub, &id, result, ctx);
            while let Some(turn) = hub.find_mut(&id).and_then(Wallet::next_turn) {
                turn(hub, ctx);
            }
        });
    }

    /// The driver is back, after an error or without one.
    fn take_back(&mut self, id: &WalletId, driver: Box<dyn Driver>, error: Option<&WalletError>) {
        // Where the wallet was unplugged meanwhile, the driver goes too.
        let Some(wallet) = self.find_mut(id) else {
            return;
        };
        match error.filter(|error| error.is_fatal()) {
            None => wallet.put_back(driver),
            Some(error) => {
                warn!(url = id.url, %error, "hardware wallet closed");
                wallet.close(error.clone());
            }
        }
    }

    /// There is no driver any more.
    fn lost<T>(&mut self, id: &WalletId, error: DeviceError) -> Result<T, WalletError> {
        let error = WalletError::from(error);
        if let Some(wallet) = self.find_mut(id) {
            wallet.close(error.clone());
        }
        Err(error)
    }

    fn ids(&self) -> Vec<WalletId> {
        self.wallets.values().map(|one| one.id.clone()).collect()
    }

    fn id_of(&self, url: &str) -> Result<WalletId, WalletError> {
        let wallet = self.wallets.get(url).ok_or(WalletError::UnknownWallet)?;
        Ok(wallet.id.clone())
    }

    fn statuses(&self) -> Vec<WalletStatus> {
        self.wallets.values().map(Wallet::status).collect()
    }
}

/// A driver and what it did, or why there is none.
type Worked<T> = Result<(Box<dyn Driver>, Result<T, WalletError>), DeviceError>;

impl Handles<ListWallets> for UsbHubActor {
    type Answer = Later<Vec<WalletStatus>>;
    const WHEN_ABANDONED: WhenAbandoned = WhenAbandoned::Skip;

    fn handle(&mut self, _: ListWallets, ctx: &mut Ctx<Self>) -> Self::Answer {
        for id in self.ids() {
            self.search_for_accounts(&id, ctx);
        }
        if self
            .listed_at
            .is_none_or(|at| at.elapsed() >= REFRESH_PAUSE)
        {
            self.list(ctx);
        }
        let (replier, later) = Later::channel();
        match self.is_listing {
            true => self.listeners.push(replier),
            false => replier.reply(self.statuses()),
        }
        later
    }
}

impl Handles<GetWalletAccounts> for UsbHubActor {
    type Answer = Vec<Address>;

    fn handle(&mut self, _: GetWalletAccounts, ctx: &mut Ctx<Self>) -> Self::Answer {
        for id in self.ids() {
            self.search_for_accounts(&id, ctx);
        }
        let accounts = self.wallets.values().flat_map(|wallet| &wallet.accounts);
        accounts.map(|account| account.address).collect()
    }
}

impl Handles<OpenWallet> for UsbHubActor {
    type Answer = Later<Result<(), WalletError>>;

    fn handle(&mut self, message: OpenWallet, ctx: &mut Ctx<Self>) -> Self::Answer {
        let (replier, later) = Later::channel();
        match self.id_of(&message.url) {
            Ok(id) => self.open(&id, message.secret, ctx, |_, result, _| {
                replier.reply(result);
            }),
            Err(error) => replier.reply(Err(error)),
        }
        later
    }
}

impl Handles<DeriveAccount> for UsbHubActor {
    type Answer = Later<Result<WalletAccount, WalletError>>;

    fn handle(&mut self, message: DeriveAccount, ctx: &mut Ctx<Self>) -> Self::Answer {
        let DeriveAccount {
            url,
            path,
            is_pinned,
        } = message;
        let (replier, later) = Later::channel();
        let id = match self.id_of(&url) {
            Ok(id) => id,
            Err(error) => {
                replier.reply(Err(error));
                return later;
            }
        };
        let asked = path.clone();
        let work = move |driver: &mut dyn Driver| driver.derive(&asked);
        self.with_driver(&id.clone(), ctx, work, move |hub, result, _| {
            replier.reply(result.and_then(|address| {
                let wallet = hub.find_mut(&id).ok_or(WalletError::Closed)?;
                let account = Account { address, path };
                let told = wallet.told(&account);
                if is_pinned {
                    wallet.pin(account);
                }
                Ok(told)
            }));
        });
        later
    }
}

impl Handles<SignWithWallet> for UsbHubActor {
    type Answer = Later<Result<Signature, WalletError>>;

    fn handle(&mut self, message: SignWithWallet, ctx: &mut Ctx<Self>) -> Self::Answer {
        let SignWithWallet { address, request } = message;
        let (replier, later) = Later::channel();
        let found = self.wallets.values().find_map(|wallet| {
            let path = wallet.path_of(&address)?;
            Some((wallet.id.clone(), path.clone()))
        });
        let Some((id, path)) = found else {
            replier.reply(Err(WalletError::UnknownAccount));
            return later;
        };
        info!(url = id.url, %address, "hardware wallet is asked to sign");
        let work = move |driver: &mut dyn Driver| driver.sign(&path, address, &request);
        self.with_driver(&id, ctx, work, |_, result, _| replier.reply(result));
        later
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Poll;

impl Handles<Poll> for UsbHubActor {
    type Answer = ();

    fn handle(&mut self, _: Poll, ctx: &mut Ctx<Self>) {
        self.list(ctx);
        for id in self.ids() {
            let Some(wallet) = self.find_mut(&id) else {
                continue;
            };
            if wallet.is_refused() {
                self.open_by_itself(&id, ctx);
            } else if wallet.is_open && wallet.is_idle() {
                self.with_driver(&id, ctx, |driver| driver.heartbeat(), |_, _, _| {});
            }
        }
    }
}

/// What is plugged in.
#[derive(Message)]
#[rtype(result = "()")]
struct Listed {
    result: Result<Result<Vec<Attached>, DeviceError>, JobError>,
}

impl Handles<Listed> for UsbHubActor {
    type Answer = ();

    fn handle(&mut self, Listed { result }: Listed, ctx: &mut Ctx<Self>) {
        self.is_listing = false;
        self.listed_at = Some(Instant::now());
        let failure = match result {
            Ok(Ok(attached)) => {
                self.see(attached, ctx);
                None
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = failure.as_ref().filter(|_| failure != self.list_failure) {
            warn!(error, "no look at what is plugged in");
        }
        self.list_failure = failure;
        for listener in std::mem::take(&mut self.listeners) {
            listener.reply(self.statuses());
        }
    }
}
