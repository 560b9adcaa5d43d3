//! What devices and their users may take.

use std::time::Duration;

/// Time between two looks at what is plugged in, and between two signs of life of an open wallet
/// (geth's `refreshCycle` and `heartbeatCycle`).
pub(super) const REFRESH_PERIOD: Duration = Duration::from_secs(1);

/// Whoever asks for the wallets has what is plugged in looked at anew, but not sooner than this
/// (geth's `refreshThrottling`): USB is not made for callers in a loop.
pub(super) const REFRESH_PAUSE: Duration = Duration::from_millis(500);

/// Time between two searches of a wallet for accounts in use (geth's `selfDeriveThrottling`).
pub(super) const DISCOVERY_PAUSE: Duration = Duration::from_secs(1);

/// Wallets that are looked after at once. Each may hold a thread while its owner makes up their
/// mind; nobody plugs in so many.
pub(super) const MAX_WALLETS: usize = 8;

/// Threads for devices: one a wallet, and one that looks for them.
pub const DEVICE_THREADS: usize = MAX_WALLETS + 1;

/// Requests that may wait for a wallet whose owner is asked something.
pub(super) const MAX_WAITING: usize = 16;

/// Accounts that a wallet finds by itself in one search and one series. A device that claims the
/// address of a used account at every path would be asked for ever.
pub(super) const MAX_FOUND_AT_ONCE: usize = 50;

/// Accounts of a wallet after which it searches no more.
pub(super) const MAX_FOUND: usize = 1_000;
