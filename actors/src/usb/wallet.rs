//! A hardware wallet that is plugged in.

use std::{collections::VecDeque, time::Duration};

use actoreum_messages::usb::{WalletAccount, WalletStatus};
use actoreum_primitives::Address;
use actoreum_wallet::{
    DerivationPath,
    hardware::{Attached, Driver, WalletError},
};
use tokio::time::Instant;

use super::{UsbHubActor, discovery::Series, limits::MAX_WAITING};
use crate::supervision::Ctx;

/// What is done once the device is free.
pub(super) type Turn = Box<dyn FnOnce(&mut UsbHubActor, &mut Ctx<UsbHubActor>)>;

/// Which wallet: one that is unplugged and plugged in again is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WalletId {
    pub(super) url: String,
    pub(super) serial: u64,
}

/// Where the wallet's driver is.
pub(super) enum Slot {
    /// There is none: the wallet is closed.
    Closed,
    /// Here, and the device has nothing to do.
    Idle(Box<dyn Driver>),
    /// With a thread that waits for the device.
    Busy,
}

/// An account that the wallet signs for.
pub(super) struct Account {
    pub(super) address: Address,
    pub(super) path: DerivationPath,
}

/// A hardware wallet.
pub(super) struct Wallet {
    pub(super) id: WalletId,
    pub(super) attached: Attached,
    pub(super) slot: Slot,
    /// Whether all that it wanted to be opened was given.
    pub(super) is_open: bool,
    pub(super) accounts: Vec<Account>,
    /// Where further accounts are looked for.
    pub(super) series: Vec<Series>,
    /// When they were looked for last.
    pub(super) searched_at: Option<Instant>,
    /// Times that it could not be reached when we opened it by ourselves, one after another.
    pub(super) refusals: u32,
    waiting: VecDeque<Turn>,
    /// The driver's, as of when it was here last.
    status: String,
    failure: Option<WalletError>,
}

impl Wallet {
    pub(super) fn new(id: WalletId, attached: Attached) -> Self {
        Self {
            id,
            attached,
            slot: Slot::Closed,
            is_open: false,
            accounts: Vec::new(),
            series: Vec::new(),
            searched_at: None,
            refusals: 0,
            waiting: VecDeque::new(),
            status: "Closed".to_owned(),
            failure: None,
        }
    }

    pub(super) fn status(&self) -> WalletStatus {
        WalletStatus {
            url: self.id.url.clone(),
            status: self.status.clone(),
            failure: self.failure.clone(),
            accounts: self.accounts.iter().map(|one| self.told(one)).collect(),
        }
    }

    pub(super) fn told(&self, account: &Account) -> WalletAccount {
        WalletAccount {
            address: account.address,
            url: format!("{}/{}", self.id.url, account.path),
        }
    }

    pub(super) fn path_of(&self, address: &Address) -> Option<&DerivationPath> {
        let mut accounts = self.accounts.iter();
        let found = accounts.find(|account| account.address == *address)?;
        Some(&found.path)
    }

    pub(super) fn pin(&mut self, account: Account) {
        if self.path_of(&account.address).is_none() {
            self.accounts.push(account);
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.slot, Slot::Idle(_))
    }

    /// Whether this much time has passed since it looked for accounts.
    pub(super) fn has_rested(&self, pause: Duration) -> bool {
        self.searched_at.is_none_or(|at| at.elapsed() >= pause)
    }

    /// Whether it is closed because it could not be reached, and is to be tried again.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.slot, Slot::Closed) && self.refusals > 0
    }

    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < MAX_WAITING
    }

    /// Keeps a turn for when the device is free.
    pub(super) fn wait(&mut self, turn: Turn) {
        self.waiting.push_back(turn);
    }

    pub(super) fn next_turn(&mut self) -> Option<Turn> {
        match self.slot {
            Slot::Busy => None,
            Slot::Idle(_) | Slot::Closed => self.waiting.pop_front(),
        }
    }

    /// The device is busy with being opened; what failed last stands until that is done.
    pub(super) fn begin_opening(&mut self) {
        self.slot = Slot::Busy;
        if self.failure.is_none() {
            "Opening".clone_into(&mut self.status);
        }
    }

    /// The driver is back.
    pub(super) fn put_back(&mut self, driver: Box<dyn Driver>) {
        self.status = driver.status();
        self.failure = driver.failure();
        self.refusals = 0;
        self.slot = Slot::Idle(driver);
    }

    /// The driver is gone.
    pub(super) fn close(&mut self, failure: WalletError) {
        self.slot = Slot::Closed;
        self.is_open = false;
        self.accounts.clear();
        self.series.clear();
        self.searched_at = None;
        "Closed".clone_into(&mut self.status);
        self.failure = Some(failure);
    }
}
