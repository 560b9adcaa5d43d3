//! Messages to UsbHubActor, which manages hardware wallets.

use actoreum_primitives::{Address, Signature};
use actoreum_supervision::Message;
use actoreum_wallet::{
    DerivationPath, Password,
    hardware::{SignRequest, WalletError},
};

/// Lists the hardware wallets that are plugged in, in the order of their URLs, after a new look at
/// the USB devices. Open wallets start to search for further accounts in use, which a later call
/// lists.
///
/// From: `personal_listWallets`. Replaces geth's `Hub.Wallets`, `Wallet.Status` and
/// `Wallet.Accounts`.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Vec<WalletStatus>)]
pub struct ListWallets;

/// A hardware wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletStatus {
    /// URL: `ledger://0001:0005:00`.
    pub url: String,
    /// Status, in geth's words.
    pub status: String,
    /// Error because of which the wallet does not work.
    pub failure: Option<WalletError>,
    /// The accounts for which the wallet signs.
    pub accounts: Vec<WalletAccount>,
}

/// An account of a hardware wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletAccount {
    /// Address of the account.
    pub address: Address,
    /// The wallet's URL and the path to the key: `ledger://0001:0005:00/m/44'/60'/0'/0/0`.
    pub url: String,
}

/// Lists the accounts of all open hardware wallets without waiting for the devices; the wallets
/// search for further accounts meanwhile.
///
/// From: `eth_accounts`. Replaces geth's `Wallet.Accounts`.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Vec<Address>)]
pub struct GetWalletAccounts;

/// Opens a wallet, or continues to open it.
///
/// From: `personal_openWallet`. Replaces geth's `Wallet.Open`.
#[derive(Debug, Message)]
#[answer(Result<(), WalletError>)]
pub struct OpenWallet {
    /// URL of the wallet.
    pub url: String,
    /// The PIN or passphrase that the wallet asked for last; empty at first.
    pub secret: Password,
}

/// Derives the account at a path.
///
/// From: `personal_deriveAccount`. Replaces geth's `Wallet.Derive`.
#[derive(Debug, Message)]
#[answer(Result<WalletAccount, WalletError>)]
pub struct DeriveAccount {
    /// URL of the wallet.
    pub url: String,
    /// Derivation path.
    pub path: DerivationPath,
    /// True if the wallet is to sign for the account from now on.
    pub is_pinned: bool,
}

/// Signs with the wallet that has the account. The owner has to confirm on the device, which may
/// take minutes.
///
/// From: `eth_sendTransaction`, `eth_sign`, `personal_*`. Replaces geth's `Wallet.SignTx`.
#[derive(Debug, Message)]
#[answer(Result<Signature, WalletError>)]
pub struct SignWithWallet {
    /// Account that signs.
    pub address: Address,
    /// The data to sign.
    pub request: SignRequest,
}
