//! Messages to AccountsActor, which holds the keys.

use std::{path::PathBuf, time::Duration};

use actoreum_primitives::{Address, B256, SecretKey, Signature};
use actoreum_supervision::Message;
use actoreum_wallet::{KeyAccount, KeyError, Password};

/// Lists the accounts that this node can sign for, and whether each is unlocked.
///
/// From: `eth_accounts`, `personal_listAccounts`, `personal_listWallets`. Replaces geth's
/// `Manager.Wallets` and `Wallet.Accounts`.
#[derive(Debug, Clone, Copy, Message)]
#[answer(Vec<AccountStatus>)]
pub struct GetAccounts;

/// An account that this node can sign for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountStatus {
    /// Address of the account.
    pub address: Address,
    /// Path of the key file; `None` if the key is held in memory only.
    pub path: Option<PathBuf>,
    /// True if the account signs without a password.
    pub is_unlocked: bool,
}

/// Unlocks a key.
///
/// From: `personal_unlockAccount`. Replaces geth's `KeyStore.TimedUnlock`.
#[derive(Debug, Message)]
#[answer(Result<(), KeyError>)]
pub struct Unlock {
    /// Account of the key.
    pub address: Address,
    /// Password of the key file.
    pub password: Password,
    /// Time after which the key is locked again; `None` if it stays unlocked.
    pub duration: Option<Duration>,
}

/// Locks a key until it is unlocked again. Answers whether the key is locked now: keys without a
/// file are always unlocked.
///
/// From: `personal_lockAccount`. Replaces geth's `KeyStore.Lock`.
#[derive(Debug, Clone, Copy, Message)]
#[answer(bool)]
pub struct Lock {
    /// Account of the key.
    pub address: Address,
}

/// Creates a key in a new file.
///
/// From: `personal_newAccount`. Replaces geth's `KeyStore.NewAccount`.
#[derive(Debug, Message)]
#[answer(Result<KeyAccount, KeyError>)]
pub struct NewAccount {
    /// Password that encrypts the file.
    pub password: Password,
}

/// Writes a key to a new file.
///
/// From: `personal_importRawKey`. Replaces geth's `KeyStore.ImportECDSA`.
#[derive(Debug, Message)]
#[answer(Result<KeyAccount, KeyError>)]
pub struct ImportKey {
    /// The key.
    pub key: SecretKey,
    /// Password that encrypts the file.
    pub password: Password,
}

/// Signs the hash of a transaction, of a header to seal, or of a message.
///
/// From: SealerActor, `eth_sendTransaction`, `eth_sign`, `personal_*`. Replaces geth's
/// `Wallet.SignHash` and `SignHashWithPassphrase`.
#[derive(Debug, Message)]
#[answer(Result<Signature, KeyError>)]
pub struct SignHash {
    /// Account that signs.
    pub address: Address,
    /// Hash to sign.
    pub hash: B256,
    /// Password of the key file. If given, the key need not be unlocked, and is not unlocked by it.
    pub password: Option<Password>,
    /// True if an account that [`GetAccounts`] does not list is unknown, as in geth's RPC. False if
    /// an unlocked key signs after its file is gone, so that sealing goes on.
    pub must_be_listed: bool,
}
