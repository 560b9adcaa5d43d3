//! Flags of the JavaScript console.

use std::path::PathBuf;

use clap::Args;

/// Flags of `console`, `attach` and `js`, with geth's names.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "JavaScript console")]
pub struct ConsoleFlags {
    /// JavaScript root path for --preload, loadScript and js (default: the working directory)
    #[arg(long, global = true, value_name = "DIR")]
    pub jspath: Option<PathBuf>,
    /// Execute a JavaScript statement, print its result and leave; exits with 1 if it throws
    #[arg(long, global = true, value_name = "CODE", allow_hyphen_values = true)]
    pub exec: Option<String>,
    /// Comma separated list of JavaScript files to preload into the console
    #[arg(long, global = true, value_name = "FILES", value_delimiter = ',')]
    pub preload: Option<Vec<String>>,
}
