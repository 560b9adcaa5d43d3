//! Command lines of `account` and `wallet`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `account <what>`
#[derive(Debug, Args)]
pub struct AccountArgs {
    /// Subcommand
    #[command(subcommand)]
    pub what: AccountCommand,
}

/// The subcommands of `account`.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Print summary of existing accounts
    List,
    /// Create a new account
    New,
    /// Update existing accounts: encrypt their key files with another password
    ///
    /// Asks for the old and the new password. With --password the file's first line is used for
    /// both.
    Update {
        /// Addresses, or indexes in the list of accounts
        #[arg(value_name = "ADDRESS")]
        accounts: Vec<String>,
    },
    /// Import a private key into a new account: 64 hex digits in a file, not encrypted
    Import {
        /// File with the private key
        #[arg(value_name = "KEYFILE")]
        file: Option<PathBuf>,
    },
    /// Export an account's private key, not encrypted, as 64 hex digits
    ///
    /// Asks for the password and for a confirmation that has to be typed. The private key gives
    /// full control over the account.
    Export {
        /// Address, or index in the list of accounts
        #[arg(value_name = "ADDRESS")]
        account: Option<String>,
        /// File to write, with mode 0600; it must not exist
        #[arg(value_name = "KEYFILE", conflicts_with = "terminal")]
        file: Option<PathBuf>,
        /// Print the key to the terminal instead
        #[arg(long)]
        terminal: bool,
    },
}

/// `wallet <what>`
#[derive(Debug, Args)]
pub struct WalletArgs {
    /// Subcommand
    #[command(subcommand)]
    pub what: WalletCommand,
}

/// The subcommands of `wallet`.
#[derive(Debug, Subcommand)]
pub enum WalletCommand {
    /// Import Ethereum presale wallet, with the same password
    Import {
        /// Wallet file
        #[arg(value_name = "KEYFILE")]
        file: Option<PathBuf>,
    },
}
