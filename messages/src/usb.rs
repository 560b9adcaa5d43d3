//! Messages to UsbHubActor, which looks after hardware wallets.

use actix::Message;
use actoreum_primitives::{Address, Signature};
use actoreum_wallet::{
    DerivationPath, Password,
    hardware::{SignRequest, WalletError},
};

/// Every hardware wallet that is plugged in, in the order of their URLs, after another look at what
/// is. Open ones look for further accounts in use, for the next to ask.
///
/// From: `personal_listWallets`. In the place of geth's `Hub.Wallets`, `Wallet.Status` and
/// `Wallet.Accounts`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<WalletStatus>")]
pub struct ListWallets;

/// A hardware wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletStatus {
    /// Its name: `ledger://0001:0005:00`.
    pub url: String,
    /// What it does, in geth's words.
    pub status: String,
    /// Why it does not work.
    pub failure: Option<WalletError>,
    /// The accounts that it signs for.
    pub accounts: Vec<WalletAccount>,
}

/// An account of a hardware wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletAccount {
    /// The account.
    pub address: Address,
    /// The wallet's URL and the path to the key: `ledger://0001:0005:00/m/44'/60'/0'/0/0`.
    pub url: String,
}

/// The accounts of all open hardware wallets, at once; they look for further ones meanwhile.
///
/// From: `eth_accounts`. In the place of geth's `Wallet.Accounts`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<Address>")]
pub struct GetWalletAccounts;

/// Open a wallet, or go on with opening it.
///
/// From: `personal_openWallet`. In the place of geth's `Wallet.Open`.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), WalletError>")]
pub struct OpenWallet {
    /// Which.
    pub url: String,
    /// What it asked for last: a PIN, a passphrase; empty at first.
    pub secret: Password,
}

/// The account at a path.
///
/// From: `personal_deriveAccount`. In the place of geth's `Wallet.Derive`.
#[derive(Debug, Message)]
#[rtype(result = "Result<WalletAccount, WalletError>")]
pub struct DeriveAccount {
    /// Of which wallet.
    pub url: String,
    /// Where.
    pub path: DerivationPath,
    /// Whether the wallet is to sign for it from now on.
    pub is_pinned: bool,
}

/// Have something signed by whichever wallet has the account. Its owner has to agree, in minutes.
///
/// From: `eth_sendTransaction`, `eth_sign`, `personal_*`. In the place of geth's `Wallet.SignTx`.
#[derive(Debug, Message)]
#[rtype(result = "Result<Signature, WalletError>")]
pub struct SignWithWallet {
    /// Who signs.
    pub address: Address,
    /// What.
    pub request: SignRequest,
}
