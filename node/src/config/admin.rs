//! The admin page: flags.

use std::time::Duration;

use clap::Args;

use crate::duration;

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
    /// Time after which an actor that holds its thread is stuck, with --admin.chaos (default: 5s)
    #[arg(long = "admin.chaos.stuck", global = true, value_name = "TIME",
          value_parser = duration::parse, requires = "admin_chaos")]
    pub admin_chaos_stuck: Option<Duration>,
}
