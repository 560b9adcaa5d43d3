//! Exclusive access to a device: its driver is moved to a thread that waits for the device, and
//! returns with the answer. Requests that arrive meanwhile are queued.

use std::sync::Arc;

use actoreum_wallet::{
    Password,
    hardware::{DeviceError, Driver, WalletError, driver},
};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{
    UsbHubActor,
    discovery::{SearchResult, Series, search},
    limits::{DEVICE_JOB_TIME, DISCOVERY_PAUSE, MAX_FOUND},
    wallet::{DriverSlot, Wallet, WalletId},
};
use actoreum_supervision::{Ctx, JobError};

/// A driver with the result of its work, or the error by which the driver was lost.
type Worked<T> = Result<(Box<dyn Driver>, Result<T, WalletError>), DeviceError>;

impl UsbHubActor {
    /// Opens a wallet, or continues opening it with a PIN or passphrase.
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
            DriverSlot::Idle(driver) if is_open && !driver.is_locked() => {
                then(self, Err(WalletError::AlreadyOpen), ctx);
            }
            DriverSlot::Idle(_) => {
                let id = id.clone();
                let work = move |driver: &mut dyn Driver| driver.open(&secret);
                self.with_driver(&id.clone(), ctx, work, move |hub, result, ctx| {
                    hub.opened(&id, &result, ctx);
                    then(hub, result, ctx);
                });
            }
            DriverSlot::Closed => {
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
            DriverSlot::Busy => {
                let again = id.clone();
                self.enqueue(id, ctx, then, move |hub, then, ctx| {
                    hub.open(&again, secret, ctx, then);
                });
            }
        }
    }

    /// Handles the result of opening a wallet.
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

    /// Starts a search for accounts in use, where the wallet is idle and a search is due.
    pub(super) fn search_for_accounts(&mut self, id: &WalletId, ctx: &mut Ctx<Self>) {
        let chain_reader = self.setup.chain_reader.clone();
        let Some(wallet) = self.find_mut(id) else {
            return;
        };
        let is_due = wallet.is_open && wallet.is_idle() && wallet.search_is_due(DISCOVERY_PAUSE);
        if !is_due || wallet.accounts.len() >= MAX_FOUND {
            return;
        }
        wallet.searched_at = Some(Instant::now());
        let series = wallet.series.clone();
        let work = move |driver: &mut dyn Driver| search(driver, &chain_reader, series);
        let id = id.clone();
        self.with_driver(&id.clone(), ctx, work, move |hub, result, _| match result {
            Ok(SearchResult { accounts, series }) => {
                let Some(wallet) = hub.find_mut(&id).filter(|wallet| wallet.is_open) else {
                    return;
                };
                wallet.series = series;
                for account in accounts {
                    wallet.pin(account);
                }
            }
            // At debug level, since a caller that lists accounts in a loop would fill the log.
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
        match std::mem::replace(&mut wallet.slot, DriverSlot::Busy) {
            DriverSlot::Closed => {
                wallet.slot = DriverSlot::Closed;
                then(self, Err(WalletError::Closed), ctx);
            }
            DriverSlot::Idle(mut driver) => {
                let work = move || {
                    let result = work(driver.as_mut());
                    Ok((driver, result))
                };
                self.run(id, ctx, work, move |hub, _, result, ctx| {
                    then(hub, result, ctx);
                });
            }
            DriverSlot::Busy => {
                let again = id.clone();
                self.enqueue(id, ctx, then, move |hub, then, ctx| {
                    hub.with_driver(&again, ctx, work, then);
                });
            }
        }
    }

    /// Queues `task` until the device is free.
    fn enqueue<T: 'static, F>(
        &mut self,
        id: &WalletId,
        ctx: &mut Ctx<Self>,
        then: F,
        task: impl FnOnce(&mut Self, F, &mut Ctx<Self>) + 'static,
    ) where
        F: FnOnce(&mut Self, Result<T, WalletError>, &mut Ctx<Self>) + 'static,
    {
        let Some(wallet) = self.find_mut(id) else {
            return then(self, Err(WalletError::Closed), ctx);
        };
        if !wallet.has_room() {
            return then(self, Err(WalletError::Busy), ctx);
        }
        wallet.enqueue(Box::new(move |hub, ctx| task(hub, then, ctx)));
    }

    /// Runs `work`, which holds or creates the driver, on a thread; then the next queued task.
    fn run<T: Send + 'static>(
        &mut self,
        id: &WalletId,
        ctx: &mut Ctx<Self>,
        work: impl FnOnce() -> Worked<T> + Send + 'static,
        then: impl FnOnce(&mut Self, &WalletId, Result<T, WalletError>, &mut Ctx<Self>) + 'static,
    ) {
        let job = self.setup.threads.job("UseDevice");
        let done = job.may_take(DEVICE_JOB_TIME).run(work);
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
            while let Some(task) = hub.find_mut(&id).and_then(Wallet::next_task) {
                task(hub, ctx);
            }
        });
    }

    /// Returns the driver to its wallet, or closes the wallet after a fatal error.
    fn take_back(&mut self, id: &WalletId, driver: Box<dyn Driver>, error: Option<&WalletError>) {
        // Where the wallet was unplugged meanwhile, the driver is dropped.
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

    /// Closes a wallet whose driver is lost. Returns the error.
    fn lost<T>(&mut self, id: &WalletId, error: DeviceError) -> Result<T, WalletError> {
        let error = WalletError::from(error);
        if let Some(wallet) = self.find_mut(id) {
            wallet.close(error.clone());
        }
        Err(error)
    }
}
