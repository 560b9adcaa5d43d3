//! Bounds of the work with hardware wallets.

use std::time::Duration;

/// Time between two listings of the attached devices, and between two heartbeats of an open wallet
/// (geth's `refreshCycle` and `heartbeatCycle`).
pub(super) const REFRESH_PERIOD: Duration = Duration::from_secs(1);

/// Minimum time between two listings requested by callers (geth's `refreshThrottling`): listing USB
/// devices is too slow for callers in a loop.
pub(super) const REFRESH_PAUSE: Duration = Duration::from_millis(500);

/// Time between two searches of a wallet for accounts in use (geth's `selfDeriveThrottling`).
pub(super) const DISCOVERY_PAUSE: Duration = Duration::from_secs(1);

/// Wallets that are handled at the same time. Each may hold a thread while its user decides; real
/// machines have fewer.
pub(super) const MAX_WALLETS: usize = 8;

/// Threads for devices: one for each wallet, and one for listing.
pub const DEVICE_THREADS: usize = MAX_WALLETS + 1;

/// Time that work on a device may take before it is reported: its user may be reading what the device
/// shows.
pub(super) const DEVICE_JOB_TIME: Duration = Duration::from_secs(10 * 60);

/// Requests that may be queued for a wallet that waits for its user.
pub(super) const MAX_WAITING: usize = 16;

/// Accounts found in one search of one series. Bounds the search of a device that returns the
/// address of a used account for every path.
pub(super) const MAX_FOUND_AT_ONCE: usize = 50;

/// Accounts of a wallet above which self-derivation stops.
pub(super) const MAX_FOUND: usize = 1_000;
