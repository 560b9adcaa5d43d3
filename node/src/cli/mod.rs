//! The command line: geth's flags and subcommands, and what a wrong one gets to read.

mod accounts;
mod errors;
mod flags;
mod geth_env;
mod geth_groups;
mod geth_only;
#[cfg(test)]
mod geth_table;
mod network;

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

pub use accounts::{AccountArgs, AccountCommand, WalletArgs, WalletCommand};
pub use flags::{EngineFlag, GcModeFlag, LogFormatFlag, NodeFlags, SyncModeFlag};
pub use network::{NetworkArgs, NetworkCommand, NewNetworkArgs, SealingFlag};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "actoreum",
    version,
    about = "The Ethereum node that seals its own blocks",
    long_about = "The Ethereum node that seals its own blocks.\n\n\
        Without a subcommand it runs the node. Flags carry geth's names, may stand before or\n\
        after a subcommand, and may be written with one dash.",
    disable_help_subcommand = true,
    args_override_self = true,
    args_conflicts_with_subcommands = false
)]
pub struct Cli {
    /// Flags of the node; all of them may also follow a subcommand.
    #[command(flatten)]
    pub flags: NodeFlags,
    /// What to do instead of running the node.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// A line for the log for each of geth's flags that has no effect here.
    #[arg(skip)]
    pub ignored: Vec<String>,
}

/// What the binary can do besides running the node.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a genesis block to a new data directory
    Init(InitArgs),
    /// Import blocks from RLP files, plain or gzip
    Import(ImportArgs),
    /// Write canonical blocks to an RLP file (gzip if its name ends in .gz)
    ///
    /// With a first and a last block the file is appended to where it exists.
    Export(ExportArgs),
    /// Copy another database into the data directory, also to another --db.engine
    Copydb(CopydbArgs),
    /// Print the accounts after given blocks as JSON
    ///
    /// Blocks are given by number or hash. The state is keyed by hashes: an account whose address
    /// no block names is shown as "pre(HASH)", and slots stand under the hashes of their keys.
    Dump(DumpArgs),
    /// Generate an ethash verification cache in a directory
    Makecache(MakeFileArgs),
    /// Generate an ethash mining dataset in a directory
    Makedag(MakeFileArgs),
    /// Print the configuration as TOML, as --config reads it
    Dumpconfig,
    /// Check, measure or repair the database
    Db(DbArgs),
    /// Delete the block database (keys are kept)
    Removedb(RemovedbArgs),
    /// Manage accounts: list, make, import, change or export them
    Account(AccountArgs),
    /// Manage wallets of the presale of 2014
    Wallet(WalletArgs),
    /// Begin a network of one's own
    Network(NetworkArgs),
    /// Measure this machine
    Bench(BenchArgs),
    /// Print the version
    Version,
    /// Print the licence
    License,
}

/// `init <genesis.json>`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Genesis file, in geth's format
    #[arg(value_name = "GENESIS.JSON")]
    pub genesis: Option<PathBuf>,
}

/// `import <file>...`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Files of RLP blocks one after another
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// `copydb <sourceChaindataDir>`
#[derive(Debug, Args)]
pub struct CopydbArgs {
    /// The chaindata folder to copy, or the data directory around it
    #[arg(value_name = "DIR")]
    pub source: Option<PathBuf>,
}

/// `dump [<hash> | <number>]...`
#[derive(Debug, Args)]
pub struct DumpArgs {
    /// Numbers or hashes of canonical blocks
    #[arg(value_name = "BLOCK")]
    pub blocks: Vec<String>,
}

/// `makecache <block number> <outputdir>`, and the same for `makedag`
#[derive(Debug, Args)]
pub struct MakeFileArgs {
    /// A block of the epoch, and the directory for the file
    #[arg(value_names = ["BLOCK", "DIR"], num_args = 0..)]
    pub args: Vec<String>,
}

/// `export <file> [first] [last]`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// File to write
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// First block number (default: genesis)
    pub first: Option<u64>,
    /// Last block number (default: the head)
    pub last: Option<u64>,
}

/// `removedb`
#[derive(Debug, Args)]
pub struct RemovedbArgs {
    /// Do not ask
    #[arg(long)]
    pub force: bool,
}

/// `db <what>`
#[derive(Debug, Args)]
pub struct DbArgs {
    /// What to do
    #[command(subcommand)]
    pub what: DbCommand,
}

/// What `db` does.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum DbCommand {
    /// Read everything and verify it: blocks, indexes, ancient files, state, history
    Check,
    /// Print the sizes of the tables and files
    Stats,
    /// Mend what can be mended, else go back to the last sound block; says what was dropped
    Repair,
}

/// `bench <what>`
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// What to measure
    #[command(subcommand)]
    pub what: BenchCommand,
}

/// What `bench` measures.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Import a file into a throw-away database; print Mgas/s and the share of each stage
    Import {
        /// File of RLP blocks one after another
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Genesis of the chain (default: genesis.json beside FILE)
        #[arg(long, value_name = "GENESIS.JSON")]
        genesis: Option<PathBuf>,
    },
}

/// What the process should do, or a line to print before it ends.
pub enum Parsed {
    /// Run.
    Run(Box<Cli>),
    /// `--help` or `--version` was asked for: print it and end with 0.
    Print(String),
    /// The command line is wrong: print it to stderr and end with 1.
    Wrong(String),
}

/// Parses the process arguments (the first is the program), without an environment.
#[cfg(test)]
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Parsed {
    parse_with(args, [])
}

/// Parses the process arguments (the first is the program) and the variables of the environment that
/// stand for flags.
pub fn parse_with(
    args: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Parsed {
    let command = Cli::command();
    let geth_env::WithEnvironment { arguments, unknown } = geth_env::add(args, variables, &command);
    let settled = match geth_only::settle(arguments.into_iter().map(two_dashes), &command) {
        Ok(settled) => settled,
        Err(line) => return Parsed::Wrong(format!("Fatal: {line}")),
    };
    let geth_only::Settled { arguments, ignored } = settled;
    let ignored = [unknown, ignored].concat();
    let matches = match command.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if error.use_stderr() => return Parsed::Wrong(errors::one_line(&error)),
        Err(error) => return Parsed::Print(error.render().to_string()),
    };
    match Cli::from_arg_matches(&matches) {
        Ok(cli) => Parsed::Run(Box::new(Cli { ignored, ..cli })),
        Err(error) => Parsed::Wrong(errors::one_line(&error)),
    }
}

/// A boolean as a flag's value, in Go's spellings.
pub fn parse_bool(text: &str) -> Result<bool, String> {
    geth_only::go_bool(text).ok_or_else(|| format!("{text:?} is no boolean; use true or false"))
}

/// geth takes `-datadir` for `--datadir`; short flags of one letter stay as they are.
fn two_dashes(arg: OsString) -> OsString {
    // What is not UTF-8 is a path.
    let mut chars = arg.to_str().unwrap_or_default().chars();
    let long_with_one_dash = chars.next() == Some('-')
        && chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.next().is_some_and(|c| c != '=');
    if long_with_one_dash {
        let mut with_two = OsString::from("-");
        with_two.push(arg);
        with_two
    } else {
        arg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Cli {
        match parse(
            std::iter::once("actoreum")
                .chain(line.split_whitespace())
                .map(OsString::from),
        ) {
            Parsed::Run(cli) => *cli,
            Parsed::Print(text) | Parsed::Wrong(text) => panic!("{line}: {text}"),
        }
    }

    fn wrong(line: &str) -> String {
        match parse(
            std::iter::once("actoreum")
                .chain(line.split_whitespace())
                .map(OsString::from),
        ) {
            Parsed::Wrong(text) => text,
            _ => panic!("{line} was taken"),
        }
    }

    #[test]
    fn the_command_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_stand_before_or_after_the_subcommand_with_one_dash_or_two() {
        for line in [
            "--datadir /tmp/x init genesis.json",
            "init --datadir /tmp/x genesis.json",
            "-datadir=/tmp/x init genesis.json",
        ] {
            assert_eq!(
                run(line).flags.datadir,
                Some(PathBuf::from("/tmp/x")),
                "{line}"
            );
        }
    }

    #[test]
    fn old_spellings_mean_the_new_flags() {
        let cli = run("--rpc --rpcaddr 0.0.0.0 --rpcport 9000 --rpcapi eth,net --rpcvhosts a,b");
        assert!(cli.flags.http);
        assert_eq!(cli.flags.http_addr.as_deref(), Some("0.0.0.0"));
        assert_eq!(cli.flags.http_port, Some(9000));
        assert_eq!(
            cli.flags.http_api,
            Some(vec!["eth".to_string(), "net".to_string()])
        );
        assert_eq!(
            cli.flags.http_vhosts,
            Some(vec!["a".to_string(), "b".to_string()])
        );
    }

    #[test]
    fn a_wrong_flag_or_value_is_one_line_with_a_way_out() {
        for line in [
            "--datadri x",
            "--http.port many",
            "--db.engine lmdb",
            "frobnicate",
            "--http.port",
            "--http.port 99999",
            "init one.json two.json",
            "bench",
        ] {
            let text = wrong(line);
            assert_eq!(text.trim().lines().count(), 1, "{text}");
            assert!(
                text.contains("--help") || text.contains("did you mean") || text.contains("one of"),
                "{text}"
            );
        }
        assert!(wrong("--datadri x").contains("--datadir"));
        assert!(wrong("--http.port many").contains("not a whole number"));
        assert!(wrong("init one.json two.json").contains("unexpected argument two.json"));
        assert!(wrong("bench").contains("import"));
    }

    #[test]
    fn the_last_of_two_values_counts() {
        let cli = run("--http --http --http.port 1 --http.port 2");
        assert_eq!(cli.flags.http_port, Some(2));
    }
}
