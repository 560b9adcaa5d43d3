//! Accounts and their keys: flags.

use std::path::PathBuf;

use clap::Args;

/// Flags of accounts and their keys.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Accounts")]
pub struct AccountFlags {
    /// Directory for the keystore (default: inside the datadir)
    #[arg(long, global = true, value_name = "DIR")]
    pub keystore: Option<PathBuf>,
    /// Comma separated list of accounts to unlock, by address or by index
    #[arg(long, global = true, value_name = "ADDRESSES", value_delimiter = ',')]
    pub unlock: Option<Vec<String>>,
    /// Allow insecure account unlocking when account-related RPCs are exposed by http or websocket
    #[arg(long, global = true)]
    pub allow_insecure_unlock: bool,
    /// Password file to use for non-interactive password input: one per line, the last line is
    /// reused
    #[arg(long, global = true, value_name = "FILE")]
    pub password: Option<PathBuf>,
    /// Reduce key-derivation RAM & CPU usage at some expense of KDF strength (4 MB instead of 256
    /// MB)
    #[arg(long, global = true)]
    pub lightkdf: bool,
    /// Enable monitoring and management of USB hardware wallets (Ledger and Trezor)
    #[arg(long, global = true)]
    pub usb: bool,
}
