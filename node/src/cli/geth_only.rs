//! geth's command line, brought into the form that ours has.
//!
//! A node that took over from geth is started by the same script or unit file, and must not stay
//! down for a flag that tunes a part that it does not have. Such a flag is taken out of the command
//! line, with its value, and the log says so. What would change the chain, who signs, or whom the
//! node talks to, is never ignored: it is refused with a way out.

use std::{ffi::OsString, iter::Peekable};

use clap::{ArgAction, Command};

use super::geth_groups::{Group, IGNORED, REFUSED, Takes};

/// A command line without what only geth knows.
#[derive(Debug, Default)]
pub struct Settled {
    /// What is left.
    pub arguments: Vec<OsString>,
    /// A line for the log for each flag that has no effect.
    pub ignored: Vec<String>,
}

/// Takes the flags without effect out of a command line, and gives switches with a value
/// (`--http=false`) the form without one.
///
/// # Errors
/// Where a flag is refused, or a switch has a value that is no boolean: a line about it.
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
            if takes == Takes::Nothing && value.and_then(go_bool) == Some(false) {
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
            (Some(value), Some(spellings)) => match go_bool(value) {
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

/// Why a flag of geth that stands where no flag is expected is refused.
pub fn refusal(argument: &str) -> Option<&'static str> {
    let (flag, _) = split(argument)?;
    find(REFUSED, flag).map(|(_, _, reason)| reason)
}

/// A boolean as Go's flags have it.
pub fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A flag's value goes with it, unless the next flag stands in its place.
fn skip_value(arguments: &mut Peekable<impl Iterator<Item = OsString>>) {
    arguments.next_if(|next| !next.to_str().unwrap_or_default().starts_with("--"));
}

/// Takes one of geth's engines as the value of `--db.engine`. False where it is none.
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

/// The name and the value in `--name` and `--name=value`.
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

/// All spellings of a flag of ours that takes no value.
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
    fn the_rest_of_a_command_line_stays() {
        let line =
            "actoreum --cache.gc 25 --metrics --datadir d --pprof=false --cache.trie=9 init g";
        let (left, ignored) = settled(line).unwrap();
        assert_eq!(left, "actoreum --datadir d init g");
        assert_eq!(ignored.len(), 4);
        assert!(ignored[0].starts_with("--cache.gc has no effect: "));
    }

    #[test]
    fn a_missing_value_takes_no_other_flag_with_it() {
        let (left, ignored) = settled("actoreum --ethstats --http").unwrap();
        assert_eq!((left.as_str(), ignored.len()), ("actoreum --http", 1));
    }

    #[test]
    fn a_switch_may_have_a_boolean_for_its_value() {
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
    fn geths_engines_are_ignored_and_others_are_not() {
        for line in ["--db.engine pebble --http", "--db.engine=leveldb --http"] {
            let (left, ignored) = settled(line).unwrap();
            assert_eq!((left.as_str(), ignored.len()), ("--http", 1), "{line}");
        }
        for line in ["--db.engine redb", "--db.engine=lmdb", "--db.engine"] {
            assert_eq!(settled(line).unwrap().0, line);
        }
    }

    #[test]
    fn a_refused_flag_says_why_unless_it_is_switched_off() {
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
    fn no_flag_of_ours_is_ignored_and_none_stands_twice() {
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
