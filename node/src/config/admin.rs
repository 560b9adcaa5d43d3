//! The admin page: flags.

use clap::Args;

/// Flags of the admin page.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Admin page")]
pub struct AdminFlags {
    /// Enable the admin page
    #[arg(long, global = true)]
    pub admin: bool,
    /// Admin page listening interface (default: 127.0.0.1)
    #[arg(long = "admin.addr", global = true, value_name = "IP")]
    pub admin_addr: Option<String>,
    /// Admin page listening port (default: 6061)
    #[arg(long = "admin.port", global = true, value_name = "PORT")]
    pub admin_port: Option<u16>,
    /// Enable crashing actors from the admin page
    #[arg(long = "admin.chaos", global = true)]
    pub admin_chaos: bool,
}
