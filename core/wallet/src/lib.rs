//! Keys and wallets: key files, unlocked keys, signing, and hardware wallets.
//!
//! ```text
//!   <datadir>/keystore/UTC--...--<address>      mnemonic (development chains)
//!          |                                        |
//!     KeyDirectory --password, scrypt--> SecretKey <'
//!     (list, find, new, import, update)     |
//!                                        Keyring: open until a time, zeroed when it is over
//!                                           |
//!                     signing: transactions, personal messages (EIP-191), typed data (EIP-712)
//!                                        |
//!   /dev/hidraw* --hardware::Bus--> Driver: Ledger, Trezor (keys that never leave a device)
//! ```
//!
//! The files have geth's format, names and modes, so that both can use a directory. `eth-keystore`
//! provides the format; key derivation and encryption are done here, because the functions of that
//! crate panic on a short key, allocate any amount of memory that a file asks for, write a cost
//! that is not geth's, leave secrets in memory, and support neither modes nor atomic writes.
//!
//! ```
//! use actoreum_wallet::{KeyDirectory, Password, ScryptCost, signing};
//!
//! let folder = tempfile::tempdir()?;
//! let keys = KeyDirectory::new(folder.path().join("keystore"), ScryptCost::LIGHT);
//! let password = Password::from("correct horse");
//! let account = keys.create(&password)?;
//! assert_eq!(keys.find(account.address, None)?, account);
//!
//! let key = keys.open(&account, &password)?;
//! let signature = key.sign(signing::personal_message_hash(b"hello"));
//! let signer = signature.recover_address(signing::personal_message_hash(b"hello"))?;
//! assert_eq!(signer, account.address);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cipher;
mod derivation;
mod directory;
mod error;
pub mod hardware;
mod index;
mod kdf;
mod key_file;
mod keyring;
pub mod ledger;
pub mod limits;
mod members;
pub mod mnemonic;
mod name;
mod password;
pub mod presale;
pub mod signing;
pub mod trezor;
mod typed_data;

pub use derivation::{DerivationPath, PathError};
pub use directory::KeyDirectory;
pub use error::KeyError;
pub use index::{KeyAccount, KeyIndex};
pub use kdf::ScryptCost;
pub use key_file::KeyFile;
pub use keyring::Keyring;
pub use password::Password;
pub use typed_data::TypedData;
