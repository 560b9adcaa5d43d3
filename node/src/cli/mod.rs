//! The command line: geth's flags and subcommands, and the error messages for invalid ones.

mod accounts;
mod errors;
mod geth_env;
mod geth_groups;
mod geth_only;
#[cfg(test)]
mod geth_table;
mod network;
mod nodes;

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::node::NodeFlags;

pub use accounts::{AccountArgs, AccountCommand, WalletArgs, WalletCommand};
pub use network::{NetworkArgs, NetworkCommand, NewNetworkArgs, SealingFlag};
pub use nodes::{
    BootnodeArgs, DnsArgs, DnsCommand, EndpointArgs, EnodeArgs, EnodeCommand, EnrArgs, EnrCommand,
    RecordArgs,
};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "actoreum",
    version,
    about = "The Ethereum node that seals its own blocks",
    long_about = "The Ethereum node that seals its own blocks.\n\n\
        Without a subcommand it runs the node. Flags have geth's names, may precede or follow a\n\
        subcommand, and may be written with one dash.",
    disable_help_subcommand = true,
    args_override_self = true,
    args_conflicts_with_subcommands = false
)]
pub struct Cli {
    /// Flags of the node, which may also follow a subcommand.
    #[command(flatten)]
    pub flags: NodeFlags,
    /// Subcommand; without one the binary runs the node.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// One log line for each flag of geth that has no effect here.
    #[arg(skip)]
    pub ignored: Vec<String>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bootstrap and initialize a new genesis block
    Init(InitArgs),
    /// Import blockchain files of RLP blocks, plain or gzip
    Import(ImportArgs),
    /// Export blockchain into an RLP file (gzip if its name ends in .gz)
    ///
    /// With a first and a last block, the blocks are appended to an existing file.
    Export(ExportArgs),
    /// Copy a database into the data directory, also to another --db.engine
    Copydb(CopydbArgs),
    /// Print the accounts after given blocks as JSON
    ///
    /// Blocks are given by number or hash. The state is keyed by hashes: an account whose address
    /// is not known is printed as "pre(HASH)", and slots are printed with the hashes of their keys.
    Dump(DumpArgs),
    /// Generate an ethash verification cache in a directory
    Makecache(MakeFileArgs),
    /// Generate an ethash mining dataset in a directory
    Makedag(MakeFileArgs),
    /// Print the configuration values in TOML format, for --config
    Dumpconfig,
    /// Check, measure or repair the database
    Db(DbArgs),
    /// Remove the blockchain and state database (keys are kept)
    Removedb(RemovedbArgs),
    /// Manage accounts: list, create, import, update or export them
    Account(AccountArgs),
    /// Manage Ethereum presale wallets
    Wallet(WalletArgs),
    /// Create a private network
    Network(NetworkArgs),
    /// Run a node that only helps others to find each other
    ///
    /// It needs a node key (--nodekey or --nodekeyhex). --nat and --netrestrict apply to it; without
    /// --nat no port is mapped.
    Bootnode(BootnodeArgs),
    /// Sign and publish trees of nodes for DNS discovery
    Dns(DnsArgs),
    /// Show and create node records
    Enr(EnrArgs),
    /// Show the URL of a node
    Enode(EnodeArgs),
    /// Run the node with an interactive JavaScript console
    ///
    /// Ctrl-C stops a running script. The node stops with the console: exit, or Ctrl-D.
    Console,
    /// Start an interactive JavaScript console on a running node
    Attach(AttachArgs),
    /// Run the node, execute JavaScript files, and stop when no timer of theirs is left
    Js(JsArgs),
    /// Measure the performance of this machine
    Bench(BenchArgs),
    /// Print the completion script of a shell
    ///
    /// For bash: actoreum completions bash > /etc/bash_completion.d/actoreum
    Completions(CompletionsArgs),
    /// Write the manual pages, one for each command
    Man(ManArgs),
    /// Print version numbers
    Version,
    /// Display license information
    License,
}

/// `completions <shell>`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// `man <dir>`
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Directory to write to, such as /usr/local/share/man/man1
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
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
    /// Files of consecutive RLP blocks
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// `copydb <sourceChaindataDir>`
#[derive(Debug, Args)]
pub struct CopydbArgs {
    /// Chaindata folder to copy, or the data directory that contains it
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
    /// Number of a block of the epoch, and the directory for the file
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
    /// Do not ask for confirmation
    #[arg(long)]
    pub force: bool,
}

/// `db <what>`
#[derive(Debug, Args)]
pub struct DbArgs {
    /// Subcommand
    #[command(subcommand)]
    pub what: DbCommand,
}

/// The subcommands of `db`.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum DbCommand {
    /// Verify the whole database: blocks, indexes, ancient files, state, history
    Check,
    /// Print the sizes of the tables and files
    Stats,
    /// Repair the database, else go back to the last valid block; prints which blocks were dropped
    Repair,
}

/// `attach [endpoint]`
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// Path of the node's IPC socket, or a URL: http, https, ws or wss (default: the socket in the
    /// data directory)
    #[arg(value_name = "ENDPOINT")]
    pub attach_to: Option<String>,
}

/// `js <file>...`
#[derive(Debug, Args)]
pub struct JsArgs {
    /// JavaScript files, relative to --jspath
    #[arg(value_name = "FILE")]
    pub files: Vec<String>,
}

/// `bench <what>`
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Subcommand
    #[command(subcommand)]
    pub what: BenchCommand,
}

/// The subcommands of `bench`.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Import a file into a temporary database; print Mgas/s and the share of each stage
    Import {
        /// File of consecutive RLP blocks
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Genesis of the chain (default: genesis.json beside FILE)
        #[arg(long, value_name = "GENESIS.JSON")]
        genesis: Option<PathBuf>,
    },
}

/// Result of parsing the command line.
pub enum Parsed {
    /// Run this command line.
    Run(Box<Cli>),
    /// Output of `--help` or `--version`: print it to stdout and exit with 0.
    Print(String),
    /// Error message for an invalid command line: print it to stderr and exit with 1.
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

/// Rewrites `-datadir` to `--datadir`, because geth accepts both. Short flags of one letter are
/// kept.
fn two_dashes(arg: OsString) -> OsString {
    // An argument that is not UTF-8 can only be a path.
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
    fn no_argument_of_a_command_has_the_id_of_a_flag() {
        fn check(command: &clap::Command, flags: &[&clap::Id]) {
            for inner in command.get_subcommands() {
                for argument in inner.get_arguments() {
                    let id = argument.get_id();
                    assert!(!flags.contains(&id), "{id} of {}", inner.get_name());
                }
                check(inner, flags);
            }
        }
        let all = Cli::command();
        let flags: Vec<_> = all.get_arguments().map(clap::Arg::get_id).collect();
        check(&all, &flags);
    }

    #[test]
    fn flags_may_precede_or_follow_the_subcommand() {
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
    fn deprecated_names_are_aliases_of_the_new_flags() {
        let cli = run("--rpc --rpcaddr 0.0.0.0 --rpcport 9000 --rpcapi eth,net --rpcvhosts a,b");
        assert!(cli.flags.servers.http);
        assert_eq!(cli.flags.servers.http_addr.as_deref(), Some("0.0.0.0"));
        assert_eq!(cli.flags.servers.http_port, Some(9000));
        assert_eq!(
            cli.flags.servers.http_api,
            Some(vec!["eth".to_string(), "net".to_string()])
        );
        assert_eq!(
            cli.flags.servers.http_vhosts,
            Some(vec!["a".to_string(), "b".to_string()])
        );
    }

    #[test]
    fn an_invalid_flag_or_value_gives_one_line_with_a_hint() {
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
    fn the_last_of_two_values_is_used() {
        let cli = run("--http --http --http.port 1 --http.port 2");
        assert_eq!(cli.flags.servers.http_port, Some(2));
    }
}
