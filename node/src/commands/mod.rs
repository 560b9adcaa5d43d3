//! The subcommands, one per file.

mod account;
mod attach;
mod bench;
mod blocks;
mod bootnode;
mod console;
mod copydb;
mod db;
mod dns;
mod dump;
mod enr;
mod ethash_files;
mod export;
mod generated_docs;
mod import;
mod init;
mod network;
mod removedb;
mod run;

use std::process::ExitCode;

use actoreum_consensus::ethash::FileKind;

use crate::{
    cli::{BenchCommand, Cli, Command, DbCommand},
    config::Config,
    version,
};

/// Runs the subcommand of the command line, or the node without one.
pub fn run(cli: Cli, config: Config) -> eyre::Result<ExitCode> {
    let Some(command) = cli.command else {
        console::refuse_code(&cli.flags.console)?;
        return run::run(&config, None);
    };
    match command {
        Command::Init(args) => init::run(&config, args.genesis),
        Command::Import(args) => return import::run(&config, &args.files),
        Command::Export(args) => export::run(&config, &args),
        Command::Copydb(args) => copydb::run(&config, args.source.as_deref()),
        Command::Db(args) => match args.what {
            DbCommand::Check => db::check(&config),
            DbCommand::Stats => db::stats(&config),
            DbCommand::Repair => db::repair(&config),
        },
        Command::Dump(args) => dump::run(&config, &args.blocks),
        Command::Makecache(args) => ethash_files::run(FileKind::Cache, &args.args),
        Command::Makedag(args) => ethash_files::run(FileKind::Dataset, &args.args),
        Command::Dumpconfig => dump_config(&config),
        Command::Removedb(args) => removedb::run(&config, args.force),
        Command::Account(args) => account::run(&config, args.what),
        Command::Wallet(args) => account::run_wallet(&config, args.what),
        Command::Bootnode(args) => return bootnode::run(&cli.flags, &args),
        Command::Dns(args) => dns::run(&config, args.what),
        Command::Enr(args) => enr::run(args.what),
        Command::Enode(args) => enr::run_enode(args.what),
        Command::Network(args) => network::run(&config, args.what),
        Command::Attach(args) => return attach::run(&config, &cli.flags.console, args.attach_to),
        Command::Console => return console::run(config, &cli.flags.console),
        Command::Js(args) => return console::run_files(config, &cli.flags.console, args.files),
        Command::Bench(args) => {
            let BenchCommand::Import { file, genesis } = args.what;
            bench::import(&config, &file, genesis)
        }
        Command::Completions(args) => generated_docs::print_completions(args.shell),
        Command::Man(args) => generated_docs::write_manual(&args.folder),
        Command::Version => {
            print_version();
            Ok(())
        }
        Command::License => {
            println!("{LICENSE}");
            Ok(())
        }
    }
    .map(|()| ExitCode::SUCCESS)
}

const LICENSE: &str = "actoreum is free software: you may use it under the terms of the MIT licence \
or of the Apache licence, version 2.0, at your choice. It comes without any warranty. Both texts \
are part of its source, in LICENSE-MIT and LICENSE-APACHE.";

fn dump_config(config: &Config) -> eyre::Result<()> {
    print!("{}", config.to_toml()?);
    Ok(())
}

fn print_version() {
    println!("Actoreum");
    println!("Version: {}", version::NUMBER);
    println!("Architecture: {}", std::env::consts::ARCH);
    println!("Operating System: {}", std::env::consts::OS);
    println!("Rust Version: {}", env!("CARGO_PKG_RUST_VERSION"));
    println!("Protocol Versions: []");
}
