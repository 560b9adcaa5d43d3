//! UsbHubActor: finds hardware wallets, derives their accounts, and signs with them.
//!
//! | message | effect |
//! |---|---|
//! | [`ListWallets`] | answered after the attached devices were listed again |
//! | [`GetWalletAccounts`] | answered from memory |
//! | [`OpenWallet`], [`DeriveAccount`], [`SignWithWallet`] | run on a thread when the device is free: its user may take minutes |
//! | `Poll` | every second: devices are listed, open wallets get a heartbeat |
//! | `Listed` | new wallets are opened, detached ones are removed |
//!
//! A device that fails, sends malformed data, or is unplugged during a request is closed, and
//! waiting callers get the error.
//!
//! A new generation of the actor opens the devices again; a Trezor may ask for its PIN again.

mod account;
mod discovery;
mod driver_tasks;
mod limits;
mod listing;
mod wallet;

use std::{collections::BTreeMap, sync::Arc};

use actoreum_chain::ChainReader;
use actoreum_messages::usb::{
    DeriveAccount, GetWalletAccounts, ListWallets, OpenWallet, SignWithWallet, WalletAccount,
    WalletStatus,
};
use actoreum_primitives::{Address, Signature};
use actoreum_wallet::hardware::{Bus, Driver, StopFlag, WalletError};
use tokio::time::Instant;
use tracing::info;

use self::{
    account::Account,
    limits::{REFRESH_PAUSE, REFRESH_PERIOD},
    listing::Poll,
    wallet::{Wallet, WalletId},
};
use actoreum_supervision::{Ctx, Failure, Later, Pool, Replier, actor};

pub use self::limits::DEVICE_THREADS;

/// The parts that every generation of a UsbHubActor is created from.
#[derive(Clone)]
pub struct UsbSetup {
    /// The bus that devices are attached to.
    pub bus: Arc<dyn Bus>,
    /// The threads that wait for devices: [`DEVICE_THREADS`].
    pub threads: Pool,
    /// The reader of the chain, which shows which accounts are in use.
    pub chain_reader: ChainReader,
}

impl UsbSetup {
    /// Creates the next generation of the actor.
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

/// The actor of hardware wallets; see the module.
pub struct UsbHubActor {
    setup: UsbSetup,
    /// Interrupts the waits of this generation's threads.
    stop: StopFlag,
    /// The attached wallets, by URL.
    wallets: BTreeMap<String, Wallet>,
    /// The number of wallets ever attached, from which serial numbers are taken.
    serial: u64,
    listed_at: Option<Instant>,
    is_listing: bool,
    /// Callers that wait for the next listing.
    listeners: Vec<Replier<Vec<WalletStatus>>>,
    /// The error of the last listing, if it failed.
    list_failure: Option<String>,
}

impl Drop for UsbHubActor {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

#[actor]
impl UsbHubActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        self.list(ctx);
        ctx.notify_every(REFRESH_PERIOD, || Poll);
        Ok(())
    }

    #[handler(when_abandoned = Skip)]
    fn list_wallets(&mut self, _: ListWallets, ctx: &mut Ctx<Self>) -> Later<Vec<WalletStatus>> {
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
        if self.is_listing {
            self.listeners.push(replier);
        } else {
            replier.reply(self.statuses());
        }
        later
    }

    #[handler]
    fn get_wallet_accounts(&mut self, _: GetWalletAccounts, ctx: &mut Ctx<Self>) -> Vec<Address> {
        for id in self.ids() {
            self.search_for_accounts(&id, ctx);
        }
        let accounts = self.wallets.values().flat_map(|wallet| &wallet.accounts);
        accounts.map(|account| account.address).collect()
    }

    #[handler]
    fn open_wallet(
        &mut self,
        message: OpenWallet,
        ctx: &mut Ctx<Self>,
    ) -> Later<Result<(), WalletError>> {
        let (replier, later) = Later::channel();
        match self.id_of(&message.url) {
            Ok(id) => self.open(&id, message.secret, ctx, |_, result, _| {
                replier.reply(result);
            }),
            Err(error) => replier.reply(Err(error)),
        }
        later
    }

    #[handler]
    fn derive_account(
        &mut self,
        message: DeriveAccount,
        ctx: &mut Ctx<Self>,
    ) -> Later<Result<WalletAccount, WalletError>> {
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
                let status = wallet.describe(&account);
                if is_pinned {
                    wallet.pin(account);
                }
                Ok(status)
            }));
        });
        later
    }

    #[handler]
    fn sign_with_wallet(
        &mut self,
        message: SignWithWallet,
        ctx: &mut Ctx<Self>,
    ) -> Later<Result<Signature, WalletError>> {
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

impl UsbHubActor {
    fn find_mut(&mut self, id: &WalletId) -> Option<&mut Wallet> {
        let wallet = self.wallets.get_mut(&id.url)?;
        (wallet.id == *id).then_some(wallet)
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
