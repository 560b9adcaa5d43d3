//! What is plugged in: looked at every second, and when somebody asks for the wallets.

use std::sync::Arc;

use actoreum_wallet::{
    Password,
    hardware::{Attached, DeviceError, WalletError},
    trezor::TrezorError,
};
use tokio::time::Instant;
use tracing::{info, warn};

use super::{
    UsbHubActor,
    limits::MAX_WALLETS,
    wallet::{Wallet, WalletId},
};
use crate::supervision::{Ctx, Handles, JobError, Message};

impl UsbHubActor {
    /// Looks at what is plugged in, unless that is being done.
    pub(super) fn list(&mut self, ctx: &mut Ctx<Self>) {
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
                WalletError::Device(_) => {
                    let Some(wallet) = hub.find_mut(&opened) else {
                        return;
                    };
                    // The system's rules may come a moment after the device; a thread of the last
                    // generation may hold it a moment longer.
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

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Poll;

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
