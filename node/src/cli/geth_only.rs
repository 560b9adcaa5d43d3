//! Translates geth's command line into this node's.
//!
//! A node that replaces geth is started by the same script or unit file, and must not fail because
//! of a flag that tunes a part that it does not have. Such a flag is removed from the command line,
//! with its value, and the log says so. A flag that would change the chain, the signer or the peers
//! is never ignored: it is refused with a hint.

use std::{ffi::OsString, iter::Peekable};

use clap::{ArgAction, Command};

use super::geth_groups::{Group, IGNORED, REFUSED, Takes};
use crate::boolean;

/// A command line without the flags that only geth has.
#[derive(Debug, Default)]
pub struct Settled {
    /// The remaining arguments.
    pub arguments: Vec<OsString>,
    /// A line for the log for each flag that has no effect.
    pub ignored: Vec<String>,
}

/// Removes the flags without effect from a command line, and rewrites switches with a value
/// (`--http=false`) to the form without one.
///
/// # Errors
/// Returns a line for the operator if a flag is refused or a switch has a value that is not a
/// boolean.
pub fn settle(
    arguments: impl Iterator<Item = OsString>,
    command: &Command,
) -> Result<Settled, String> {
    let mut settled = Settled::default();
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let text = argument.to_str().unwrap_or_default();
        if text == "--" {
            settled.arguments.push(argument);
            settled.arguments.extend(arguments);
            break;
        }
        let Some((flag, value)) = split(text) else {
            settled.arguments.push(argument);
            continue;
        };
        if let Some((flag, takes, reason)) = find(REFUSED, flag) {
            if takes == Takes::Nothing && value.and_then(boolean::go_bool) == Some(false) {
                continue;
            }
            return Err(format!("unknown flag --{flag}; {reason}"));
        }
        if let Some((flag, takes, reason)) = find(IGNORED, flag) {
            settled
                .ignored
                .push(format!("--{flag} has no effect: {reason}"));
            if takes == Takes::Value && value.is_none() {
                skip_value(&mut arguments);
            }
            continue;
        }
        if flag == "db.engine" && takes_engine_of_geth(value, &mut arguments) {
            settled.ignored.push(
                "--db.engine has no effect: leveldb and pebble are geth's; the database is one of \
                 sled or redb"
                    .to_owned(),
            );
            continue;
        }
        match (value, switch(command, flag)) {
            (Some(value), Some(spellings)) => match boolean::go_bool(value) {
                Some(true) => settled.arguments.push(format!("--{flag}").into()),
                Some(false) => settled.arguments.retain(|earlier| {
                    let name = earlier.to_str().and_then(|it| it.strip_prefix("--"));
                    !name.is_some_and(|name| spellings.contains(&name))
                }),
                None => {
                    return Err(format!(
                        "invalid boolean value {value:?} for --{flag}; use --{flag} or \
                         --{flag}=false"
                    ));
                }
            },
            _ => settled.arguments.push(argument),
        }
    }
    Ok(settled)
}

/// Returns the reason for which a flag of geth is refused, for a flag at a place where none is
/// expected.
pub fn refusal(argument: &str) -> Option<&'static str> {
    let (flag, _) = split(argument)?;
    find(REFUSED, flag).map(|(_, _, reason)| reason)
}

/// Removes the value of an ignored flag, unless the next flag is in its place.
fn skip_value(arguments: &mut Peekable<impl Iterator<Item = OsString>>) {
    arguments.next_if(|next| !next.to_str().unwrap_or_default().starts_with("--"));
}

/// Returns true if the value of `--db.engine` is one of geth's engines, and removes it if it is a
/// separate argument.
fn takes_engine_of_geth(
    value: Option<&str>,
    arguments: &mut Peekable<impl Iterator<Item = OsString>>,
) -> bool {
    let is_of_geth = |engine: &str| matches!(engine, "leveldb" | "pebble");
    match value {
        Some(value) => is_of_geth(value),
        None => arguments
            .next_if(|next| next.to_str().is_some_and(is_of_geth))
            .is_some(),
    }
}

/// Splits `--name` and `--name=value` into name and value.
fn split(argument: &str) -> Option<(&str, Option<&str>)> {
    let flag = argument.strip_prefix("--")?;
    Some(match flag.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (flag, None),
    })
}

fn find(groups: &[Group], flag: &str) -> Option<(&'static str, Takes, &'static str)> {
    groups.iter().find_map(|group| {
        let known = group.flags.iter().find(|(known, _)| *known == flag)?;
        Some((known.0, known.1, group.reason))
    })
}

/// Returns all spellings of a flag of this node that takes no value.
fn switch<'a>(command: &'a Command, flag: &str) -> Option<Vec<&'a str>> {
    command.get_arguments().find_map(|argument| {
        let mut spellings = argument.get_all_aliases().unwrap_or_default();
        spellings.extend(argument.get_long());
        let is_switch = matches!(argument.get_action(), ArgAction::SetTrue);
        (is_switch && spellings.contains(&flag)).then_some(spellings)
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    fn settled(line: &str) -> Result<(String, Vec<String>), String> {
        let arguments = line.split_whitespace().map(OsString::from);
        let settled = settle(arguments, &Cli::command())?;
        let left = settled.arguments.iter().map(|arg| arg.to_string_lossy());
        Ok((left.collect::<Vec<_>>().join(" "), settled.ignored))
    }

    #[test]
    fn ignored_flags_are_removed_and_the_rest_is_kept() {
        let line =
            "actoreum --cache.gc 25 --metrics --datadir d --pprof=false --cache.trie=9 init g";
        let (left, ignored) = settled(line).unwrap();
        assert_eq!(left, "actoreum --datadir d init g");
        assert_eq!(ignored.len(), 4);
        assert!(ignored[0].starts_with("--cache.gc has no effect: "));
    }

    #[test]
    fn an_ignored_flag_without_its_value_keeps_the_next_flag() {
        let (left, ignored) = settled("actoreum --ethstats --http").unwrap();
        assert_eq!((left.as_str(), ignored.len()), ("actoreum --http", 1));
    }

    #[test]
    fn a_switch_may_have_a_boolean_value() {
        for (line, expected) in [
            ("--http=true", "--http"),
            ("--http=1 --ws=T", "--http --ws"),
            ("--http=false --mine", "--mine"),
            ("--rpc --http=false", ""),
            ("--http=false --http", "--http"),
            ("--discovery.v4=false", "--discovery.v4=false"),
            ("--datadir=true", "--datadir=true"),
            ("-- --http=false", "-- --http=false"),
        ] {
            assert_eq!(settled(line).unwrap().0, expected, "{line}");
        }
        let error = settled("--http=maybe").unwrap_err();
        assert!(error.contains("\"maybe\" for --http"), "{error}");
    }

    #[test]
    fn the_engines_of_geth_are_ignored() {
        for line in ["--db.engine pebble --http", "--db.engine=leveldb --http"] {
            let (left, ignored) = settled(line).unwrap();
            assert_eq!((left.as_str(), ignored.len()), ("--http", 1), "{line}");
        }
        for line in ["--db.engine redb", "--db.engine=lmdb", "--db.engine"] {
            assert_eq!(settled(line).unwrap().0, line);
        }
    }

    #[test]
    fn a_refused_flag_has_a_reason_unless_it_is_false() {
        for line in [
            "--goerli",
            "--goerli=true",
            "--signer x",
            "--override.cancun=5",
        ] {
            let error = settled(line).unwrap_err();
            assert!(error.contains("unknown flag --"), "{error}");
        }
        assert_eq!(settled("--goerli=false").unwrap().0, "");
    }

    #[test]
    fn no_supported_flag_is_ignored_and_no_name_occurs_twice() {
        let command = Cli::command();
        let groups = IGNORED.iter().chain(REFUSED);
        let mut names: Vec<&str> = groups
            .flat_map(|group| group.flags)
            .map(|(flag, _)| *flag)
            .collect();
        for argument in command.get_arguments() {
            let spellings = argument.get_long().into_iter();
            for spelling in spellings.chain(argument.get_all_aliases().unwrap_or_default()) {
                assert!(!names.contains(&spelling), "--{spelling} works");
            }
        }
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
