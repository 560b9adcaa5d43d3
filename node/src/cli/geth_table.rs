//! Tests that give every flag of geth, from 1.8.27 to 1.17.5, to the parser.
//!
//! `geth_flags.tsv` has one flag per line: its name (or an alias), the versions of geth that have
//! it, a sample of its value (`-` for a switch), and the outcome here (`taken`, `ignored` or
//! `refused`).

use std::ffi::OsString;

use super::{Cli, Parsed, parse};
use crate::{config::Config, tree};

const TABLE: &str = include_str!("geth_flags.tsv");

/// A flag of geth.
struct Row {
    name: &'static str,
    versions: &'static str,
    sample: &'static str,
    outcome: &'static str,
}

fn rows() -> impl Iterator<Item = Row> {
    TABLE.lines().map(|line| {
        let mut fields = line.split('\t');
        let mut field = || fields.next().unwrap_or_else(|| panic!("{line}"));
        Row {
            name: field(),
            versions: field(),
            sample: field(),
            outcome: field(),
        }
    })
}

fn run(arguments: &[&str]) -> Result<Cli, String> {
    let arguments = std::iter::once("actoreum").chain(arguments.iter().copied());
    match parse(arguments.map(OsString::from)) {
        Parsed::Run(cli) => Ok(*cli),
        Parsed::Wrong(line) => Err(line),
        Parsed::Print(text) => panic!("{text}"),
    }
}

/// Returns the outcome of a command line: taken, ignored with a reason, or refused with one.
fn outcome(arguments: &[&str]) -> (&'static str, String) {
    let cli = match run(arguments) {
        Ok(cli) => cli,
        Err(line) => return ("refused", line),
    };
    // The file of --config, the only one that is read at once, does not exist.
    let config = match cli.flags.config {
        Some(_) => Config::default(),
        None => Config::from_flags(&cli.flags).unwrap(),
    };
    tree::check(&config).unwrap();
    let warnings = [cli.ignored, config.warnings].concat();
    if warnings.is_empty() {
        ("taken", String::new())
    } else {
        ("ignored", warnings.join("\n"))
    }
}

#[test]
fn every_flag_of_geth_is_taken_ignored_or_refused() {
    let mut wrong = Vec::new();
    for row in rows() {
        let flag = format!("--{}", row.name);
        let dev = match row.name.strip_prefix("dev.") {
            Some(_) => vec!["--dev"],
            None => vec![],
        };
        let spellings: Vec<Vec<String>> = match row.sample {
            "-" => vec![vec![flag.clone()], vec![format!("{flag}=true")]],
            sample => vec![
                vec![flag.clone(), sample.to_owned()],
                vec![format!("{flag}={sample}")],
                vec![flag[1..].to_owned(), sample.to_owned()],
            ],
        };
        for spelling in spellings {
            let mut arguments = dev.clone();
            arguments.extend(spelling.iter().map(String::as_str));
            let (outcome, text) = outcome(&arguments);
            let says_why = match outcome {
                "taken" => true,
                _ => text.lines().count() == 1 && text.contains(row.name) && text.len() > 40,
            };
            if outcome != row.outcome || !says_why {
                wrong.push(format!(
                    "{arguments:?}: {outcome}, not {}: {text}",
                    row.outcome
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_switch_of_geth_set_to_false_has_no_effect() {
    for row in rows().filter(|row| row.sample == "-" && row.name != "dev") {
        let flag = format!("--{}=false", row.name);
        let cli = run(&[&flag]).unwrap_or_else(|line| panic!("{line}"));
        let config = Config::from_flags(&cli.flags).unwrap();
        let is_honoured = matches!(
            row.name,
            "discovery.v4" | "discv4" | "rpc.allow-unprotected-txs"
        );
        assert_eq!(config == Config::default(), !is_honoured, "{flag}");
    }
}

#[test]
fn the_table_has_every_version_and_no_flag_twice() {
    for version in ["1.8.27", "1.9.25", "1.10.26", "1.13.15", "1.17.5"] {
        let count = rows()
            .filter(|row| row.versions.split(',').any(|it| it == version))
            .count();
        assert!(count > 110, "{version}: {count}");
    }
    let mut names: Vec<_> = rows().map(|row| row.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
