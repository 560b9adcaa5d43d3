//! Working with a device, which does one thing at a time: its driver is with the thread that waits
//! for it, and comes back with the answer; what is asked meanwhile waits its turn.

use std::sync::Arc;

use actoreum_wallet::{
    Password,
    hardware::{DeviceError, Driver, WalletError, driver},
};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{
    UsbHubActor,
    discovery::{Found, Series, search},
    limits::{DISCOVERY_PAUSE, MAX_FOUND},
    wallet::{Slot, Wallet, WalletId},
};
use crate::supervision::{Ctx, JobError};

/// A driver and what it did, or why there is none.
type Worked<T> = Result<(Box<dyn Driver>, Result<T, WalletError>), DeviceError>;

impl UsbHubActor {
    /// Opens a wallet, or goes on with it.
    pub(super) fn open(
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
    pub(super) fn search_for_accounts(&mut self, id: &WalletId, ctx: &mut Ctx<Self>) {
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
    pub(super) fn with_driver<T: Send + 'static>(
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
}
