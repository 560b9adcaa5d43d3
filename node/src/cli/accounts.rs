//! The command lines of `account` and `wallet`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `account <what>`
#[derive(Debug, Args)]
pub struct AccountArgs {
    /// What to do
    #[command(subcommand)]
    pub what: AccountCommand,
}

/// What can be done with accounts.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Print every account and its key file
    List,
    /// Make a new account, encrypted with a password
    New,
    /// Encrypt accounts' key files anew, with another password
    ///
    /// Asks for the old and the new password. With --password the file's first line is both.
    Update {
        /// Addresses, or places in the list
        #[arg(value_name = "ADDRESS")]
        accounts: Vec<String>,
    },
    /// Make an account of a private key: 64 hex digits in a file, not encrypted
    Import {
        /// The file with the key
        #[arg(value_name = "KEYFILE")]
        file: Option<PathBuf>,
    },
    /// Write an account's private key, not encrypted, as 64 hex digits
    ///
    /// Asks for the password and for a confirmation that has to be typed. Whoever reads the key
    /// owns the account.
    Export {
        /// Address, or place in the list
        #[arg(value_name = "ADDRESS")]
        account: Option<String>,
        /// The file to write; it must not exist, and only its owner may read it
        #[arg(value_name = "KEYFILE", conflicts_with = "terminal")]
        file: Option<PathBuf>,
        /// Print the key instead
        #[arg(long)]
        terminal: bool,
    },
}

/// `wallet <what>`
#[derive(Debug, Args)]
pub struct WalletArgs {
    /// What to do
    #[command(subcommand)]
    pub what: WalletCommand,
}

/// What can be done with presale wallets.
#[derive(Debug, Subcommand)]
pub enum WalletCommand {
    /// Make an account of a presale wallet, under the same password
    Import {
        /// The wallet
        #[arg(value_name = "KEYFILE")]
        file: Option<PathBuf>,
    },
}
