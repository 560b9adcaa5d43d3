//! Messages to AccountsActor, which keeps the keys.

use std::{path::PathBuf, time::Duration};

use actix::Message;
use actoreum_primitives::{Address, B256, SecretKey, Signature};
use actoreum_wallet::{KeyAccount, KeyError, Password};

/// Every account that this node can sign for, and whether it can do so now.
///
/// From: `eth_accounts`, `personal_listAccounts`, `personal_listWallets`. In the place of geth's
/// `Manager.Wallets` and `Wallet.Accounts`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<AccountStatus>")]
pub struct GetAccounts;

/// An account that this node can sign for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountStatus {
    /// Whose it is.
    pub address: Address,
    /// The file with its key; `None` where the key is held in memory alone.
    pub path: Option<PathBuf>,
    /// Whether it signs without a password.
    pub is_open: bool,
}

/// Lay a key open.
///
/// From: `personal_unlockAccount`. In the place of geth's `KeyStore.TimedUnlock`.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), KeyError>")]
pub struct Unlock {
    /// Whose key.
    pub address: Address,
    /// Its password.
    pub password: Password,
    /// For how long; `None`: until it is locked.
    pub duration: Option<Duration>,
}

/// Lock a key, until it is unlocked again; the answer is whether it is locked now. Keys without a
/// file lie open always.
///
/// From: `personal_lockAccount`. In the place of geth's `KeyStore.Lock`.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "bool")]
pub struct Lock {
    /// Whose key.
    pub address: Address,
}

/// Make a key, in a new file.
///
/// From: `personal_newAccount`. In the place of geth's `KeyStore.NewAccount`.
#[derive(Debug, Message)]
#[rtype(result = "Result<KeyAccount, KeyError>")]
pub struct NewAccount {
    /// What the file is encrypted with.
    pub password: Password,
}

/// Write a key to a new file.
///
/// From: `personal_importRawKey`. In the place of geth's `KeyStore.ImportECDSA`.
#[derive(Debug, Message)]
#[rtype(result = "Result<KeyAccount, KeyError>")]
pub struct ImportKey {
    /// The key.
    pub key: SecretKey,
    /// What the file is encrypted with.
    pub password: Password,
}

/// Sign a hash: of a transaction, of a header that is to be sealed, of a message.
///
/// From: SealerActor, `eth_sendTransaction`, `eth_sign`, `personal_*`. In the place of geth's
/// `Wallet.SignHash` and `SignHashWithPassphrase`.
#[derive(Debug, Message)]
#[rtype(result = "Result<Signature, KeyError>")]
pub struct SignHash {
    /// Who signs.
    pub address: Address,
    /// What is signed.
    pub hash: B256,
    /// Where it is given, the key need not lie open, and does not afterwards.
    pub password: Option<Password>,
}
