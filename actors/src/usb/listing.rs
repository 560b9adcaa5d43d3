//! The listing of attached devices: every second, and when a caller asks for the wallets.

use std::sync::Arc;

use actoreum_wallet::{
    Password,
    hardware::{AttachedDevice, DeviceError, WalletError},
    trezor::TrezorError,
};
use tokio::time::Instant;
use tracing::{info, warn};

use super::{
    UsbHubActor,
    limits::MAX_WALLETS,
    wallet::{Wallet, WalletId},
};
use actoreum_supervision::{Ctx, Handles, JobError, Message};

impl UsbHubActor {
    /// Starts a listing of the attached devices, unless one is running.
    pub(super) fn list(&mut self, ctx: &mut Ctx<Self>) {
        if self.is_listing {
            return;
        }
        let bus = Arc::clone(&self.setup.bus);
        let work = move || bus.list();
        let message = |result| Listed { result };
        let submitted = self
            .setup
            .threads
            .job("ListDevices")
            .submit(ctx.me(), work, message);
        self.is_listing = submitted.is_ok();
    }

    /// Adds the new wallets among the attached devices, and removes the detached ones.
    fn update_wallets(&mut self, attached: Vec<AttachedDevice>, ctx: &mut Ctx<Self>) {
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

    /// Removes a detached wallet.
    fn forget(&mut self, id: &WalletId, ctx: &mut Ctx<Self>) {
        let Some(mut wallet) = self.wallets.remove(&id.url) else {
            return;
        };
        info!(url = id.url, "hardware wallet is gone");
        // Closed first, so that the queued tasks fail.
        wallet.close(WalletError::Closed);
        while let Some(task) = wallet.next_task() {
            task(self, ctx);
        }
    }

    /// Opens a newly attached wallet, as far as possible without a PIN or passphrase.
    fn open_by_itself(&mut self, id: &WalletId, ctx: &mut Ctx<Self>) {
        let opened = id.clone();
        self.open(id, Password::default(), ctx, move |hub, result, _| {
            let url = &opened.url;
            let Err(error) = result else { return };
            match &error {
                WalletError::Device(_) => {
                    let Some(wallet) = hub.find_mut(&opened) else {
                        return;
                    };
                    // A first failure is not logged: the system may set the device's permissions a
                    // moment later, and a thread of the last generation may still hold the device.
                    wallet.failed_opens += 1;
                    if wallet.failed_opens == 2 {
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

/// Lists the devices and sends heartbeats. Sent by the actor's own timer.
#[derive(Message)]
pub(super) struct Poll;

impl Handles<Poll> for UsbHubActor {
    type Answer = ();

    fn handle(&mut self, _: Poll, ctx: &mut Ctx<Self>) {
        self.list(ctx);
        for id in self.ids() {
            let Some(wallet) = self.find_mut(&id) else {
                continue;
            };
            if wallet.is_to_be_reopened() {
                self.open_by_itself(&id, ctx);
            } else if wallet.is_open && wallet.is_idle() {
                self.with_driver(&id, ctx, |driver| driver.heartbeat(), |_, _, _| {});
            }
        }
    }
}

/// The result of a listing. Sent by the thread pool.
#[derive(Message)]
struct Listed {
    result: Result<Result<Vec<AttachedDevice>, DeviceError>, JobError>,
}

impl Handles<Listed> for UsbHubActor {
    type Answer = ();

    fn handle(&mut self, Listed { result }: Listed, ctx: &mut Ctx<Self>) {
        self.is_listing = false;
        self.listed_at = Some(Instant::now());
        let failure = match result {
            Ok(Ok(attached)) => {
                self.update_wallets(attached, ctx);
                None
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = failure.as_ref().filter(|_| failure != self.list_failure) {
            warn!(error, "hardware wallets not listed");
        }
        self.list_failure = failure;
        for listener in std::mem::take(&mut self.listeners) {
            listener.reply(self.statuses());
        }
    }
}
