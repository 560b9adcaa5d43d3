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
//! A device that fails, says nonsense, or is unplugged in the middle is closed, and whoever waits
//! hears why.
//!
//! A new generation opens the devices anew; a Trezor may want its PIN again.

mod discovery;
mod limits;
mod listing;
mod turns;
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
    limits::{REFRESH_PAUSE, REFRESH_PERIOD},
    listing::Poll,
    wallet::{Account, Wallet, WalletId},
};
use crate::supervision::{Actor, Ctx, Failure, Handles, Later, Pool, Replier, WhenAbandoned};

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
