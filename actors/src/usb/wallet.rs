//! The state of an attached hardware wallet.

use std::{collections::VecDeque, time::Duration};

use actoreum_messages::usb::{WalletAccount, WalletStatus};
use actoreum_primitives::Address;
use actoreum_wallet::{
    DerivationPath,
    hardware::{AttachedDevice, Driver, WalletError},
};
use tokio::time::Instant;

use super::{UsbHubActor, account::Account, discovery::Series, limits::MAX_WAITING};
use actoreum_supervision::Ctx;

/// A task that runs in the actor once the device is free.
pub(super) type DriverTask = Box<dyn FnOnce(&mut UsbHubActor, &mut Ctx<UsbHubActor>)>;

/// The id of an attached wallet. A wallet that is unplugged and attached again gets another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WalletId {
    pub(super) url: String,
    pub(super) serial: u64,
}

/// The state of a wallet's driver.
pub(super) enum DriverSlot {
    /// The wallet is closed and has no driver.
    Closed,
    /// The device is idle.
    Idle(Box<dyn Driver>),
    /// A thread holds the driver and waits for the device.
    Busy,
}

/// A hardware wallet.
pub(super) struct Wallet {
    pub(super) id: WalletId,
    pub(super) attached: AttachedDevice,
    pub(super) slot: DriverSlot,
    /// Whether the wallet is open: it got every PIN and passphrase that it asked for.
    pub(super) is_open: bool,
    pub(super) accounts: Vec<Account>,
    /// The series in which further accounts are searched.
    pub(super) series: Vec<Series>,
    /// The time of the last search for accounts.
    pub(super) searched_at: Option<Instant>,
    /// Failed attempts in a row to open the device automatically.
    pub(super) failed_opens: u32,
    waiting: VecDeque<DriverTask>,
    /// The status text of the driver, as of its last return.
    status: String,
    failure: Option<WalletError>,
}

impl Wallet {
    pub(super) fn new(id: WalletId, attached: AttachedDevice) -> Self {
        Self {
            id,
            attached,
            slot: DriverSlot::Closed,
            is_open: false,
            accounts: Vec::new(),
            series: Vec::new(),
            searched_at: None,
            failed_opens: 0,
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
            accounts: self.accounts.iter().map(|one| self.describe(one)).collect(),
        }
    }

    pub(super) fn describe(&self, account: &Account) -> WalletAccount {
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
        matches!(self.slot, DriverSlot::Idle(_))
    }

    /// Returns whether `pause` has passed since the last search for accounts.
    pub(super) fn search_is_due(&self, pause: Duration) -> bool {
        self.searched_at.is_none_or(|at| at.elapsed() >= pause)
    }

    /// Returns whether the wallet could not be opened and is to be tried again.
    pub(super) fn is_to_be_reopened(&self) -> bool {
        matches!(self.slot, DriverSlot::Closed) && self.failed_opens > 0
    }

    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < MAX_WAITING
    }

    /// Queues a task until the device is free.
    pub(super) fn enqueue(&mut self, task: DriverTask) {
        self.waiting.push_back(task);
    }

    pub(super) fn next_task(&mut self) -> Option<DriverTask> {
        match self.slot {
            DriverSlot::Busy => None,
            DriverSlot::Idle(_) | DriverSlot::Closed => self.waiting.pop_front(),
        }
    }

    /// Marks the wallet as being opened. An earlier failure is shown until that is done.
    pub(super) fn begin_opening(&mut self) {
        self.slot = DriverSlot::Busy;
        if self.failure.is_none() {
            "Opening".clone_into(&mut self.status);
        }
    }

    /// Takes the driver back from a thread.
    pub(super) fn put_back(&mut self, driver: Box<dyn Driver>) {
        self.status = driver.status();
        self.failure = driver.failure();
        self.failed_opens = 0;
        self.slot = DriverSlot::Idle(driver);
    }

    /// Closes the wallet, whose driver is gone.
    pub(super) fn close(&mut self, failure: WalletError) {
        self.slot = DriverSlot::Closed;
        self.is_open = false;
        self.accounts.clear();
        self.series.clear();
        self.searched_at = None;
        "Closed".clone_into(&mut self.status);
        self.failure = Some(failure);
    }
}
