//! Logging: flags.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Flags of logging.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Logging")]
pub struct LogFlags {
    /// Logging verbosity: 0=silent, 1=error, 2=warn, 3=info, 4=debug, 5=trace
    #[arg(long, global = true, value_name = "0-5", value_parser = clap::value_parser!(u8).range(0..=5))]
    pub verbosity: Option<u8>,
    /// Format logs with JSON
    #[arg(long = "log.json", global = true)]
    pub log_json: bool,
    /// Log format to use (default: terminal)
    #[arg(long = "log.format", global = true, value_name = "FORMAT")]
    pub log_format: Option<LogFormatFlag>,
    /// Append logs to a file, in addition to stderr
    #[arg(long = "log.file", global = true, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
}

/// `--log.format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormatFlag {
    /// Human-readable lines
    Terminal,
    /// The same as terminal
    Logfmt,
    /// One JSON object a line, as with --log.json
    Json,
}
