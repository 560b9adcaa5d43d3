//! The environment variables of geth 1.11 and later, one for each flag.
//!
//! A variable is named after its flag: `GETH_HTTP_PORT` sets `--http.port`. A flag of the command
//! line overrides its variable, in any of its spellings.

use std::ffi::{OsStr, OsString};

use clap::Command;

use super::geth_groups::{IGNORED, REFUSED};

/// Prefix of the names of the variables.
const PREFIX: &str = "GETH_";

/// A command line with the flags that the environment sets.
#[derive(Debug)]
pub struct WithEnvironment {
    /// The program, then the flags of the environment, then the given arguments.
    pub arguments: Vec<OsString>,
    /// One log line for each variable that belongs to no flag.
    pub unknown: Vec<String>,
}

/// Adds the flags that `variables` set to `arguments`, the first of which is the program. An empty
/// variable counts as not set.
pub fn add(
    arguments: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    command: &Command,
) -> WithEnvironment {
    let mut arguments = arguments.into_iter();
    let program = arguments.next();
    let given: Vec<OsString> = arguments.collect();
    let mut variables: Vec<_> = variables
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty())
        .collect();
    // The environment has no order, but the log lines about it should have one.
    variables.sort_unstable();
    let (mut added, mut unknown) = (Vec::new(), Vec::new());
    for (name, value) in variables {
        let Some((flag, spellings)) = flag_of(&name, command) else {
            unknown.push(format!("unknown config environment variable {name}"));
            continue;
        };
        if is_given(&given, &spellings) {
            continue;
        }
        let mut argument = OsString::from(format!("--{flag}="));
        argument.push(value);
        added.push(argument);
    }
    WithEnvironment {
        arguments: program.into_iter().chain(added).chain(given).collect(),
        unknown,
    }
}

/// Returns the flag that a variable sets, in the spelling of the variable, and all its spellings.
fn flag_of<'a>(variable: &str, command: &'a Command) -> Option<(&'a str, Vec<&'a str>)> {
    let is_named_after = |flag: &str| variable_name(flag) == variable;
    let of_ours = command.get_arguments().find_map(|argument| {
        let mut spellings: Vec<&str> = argument.get_long().into_iter().collect();
        spellings.extend(argument.get_all_aliases().unwrap_or_default());
        let named = spellings.iter().find(|flag| is_named_after(flag))?;
        Some((*named, spellings))
    });
    let of_geth = || {
        let mut flags = REFUSED.iter().chain(IGNORED).flat_map(|group| group.flags);
        flags.find_map(|(flag, _)| is_named_after(flag).then(|| (*flag, vec![*flag])))
    };
    of_ours.or_else(of_geth)
}

/// Returns geth's name for the variable of a flag.
fn variable_name(flag: &str) -> String {
    let name = flag.replace(['.', '-'], "_").to_uppercase();
    format!("{PREFIX}{name}")
}

/// Returns whether a command line has a flag in one of these spellings, with one dash or two.
fn is_given(arguments: &[OsString], spellings: &[&str]) -> bool {
    let flags = arguments.iter().take_while(|argument| *argument != "--");
    flags
        .filter_map(|argument| OsStr::to_str(argument)?.strip_prefix('-'))
        .map(|flag| flag.strip_prefix('-').unwrap_or(flag))
        .map(|flag| flag.split_once('=').map_or(flag, |(name, _)| name))
        .any(|flag| spellings.contains(&flag))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::{Cli, Parsed, parse_with};
    use super::*;

    fn parse(line: &str, variables: &[(&str, &str)]) -> Result<Cli, String> {
        let arguments = std::iter::once("actoreum").chain(line.split_whitespace());
        let variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        match parse_with(arguments.map(OsString::from), variables) {
            Parsed::Run(cli) => Ok(*cli),
            Parsed::Wrong(line) => Err(line),
            Parsed::Print(text) => panic!("{text}"),
        }
    }

    #[test]
    fn a_variable_sets_its_flag_unless_the_flag_is_given() {
        let set = [
            ("GETH_HTTP_PORT", "9000"),
            ("GETH_DATADIR", "/env"),
            ("HOME", "/x"),
        ];
        let cli = parse("", &set).unwrap();
        assert_eq!(cli.flags.servers.http_port, Some(9000));
        assert_eq!(cli.flags.datadir, Some("/env".into()));
        let cli = parse("init --http.port 1 -datadir=/flag genesis.json", &set).unwrap();
        assert_eq!(cli.flags.servers.http_port, Some(1));
        assert_eq!(cli.flags.datadir, Some("/flag".into()));
        let old = parse("--rpcport 2", &set).unwrap();
        assert_eq!(old.flags.servers.http_port, Some(2), "another spelling");
        let empty = parse("", &[("GETH_HTTP_PORT", "")]).unwrap();
        assert_eq!(empty.flags.servers.http_port, None);
        assert!(empty.ignored.is_empty());
    }

    #[test]
    fn a_list_of_a_variable_is_replaced_by_the_flags() {
        let set = [("GETH_HTTP_API", "eth,debug")];
        let api = |line: &str| parse(line, &set).unwrap().flags.servers.http_api.unwrap();
        assert_eq!(api(""), ["eth", "debug"]);
        assert_eq!(api("--http.api net"), ["net"]);
    }

    #[test]
    fn switches_take_booleans_of_variables() {
        for (value, is_on) in [("true", true), ("1", true), ("false", false)] {
            let cli = parse("", &[("GETH_HTTP", value)]).unwrap();
            assert_eq!(cli.flags.servers.http, is_on, "{value}");
        }
        let off = parse("--http=false", &[("GETH_HTTP", "true")]).unwrap();
        assert!(!off.flags.servers.http);
        let error = parse("", &[("GETH_HTTP", "maybe")]).unwrap_err();
        assert!(error.contains("--http"), "{error}");
    }

    #[test]
    fn variables_of_ignored_and_refused_flags_are_reported() {
        let cli = parse("", &[("GETH_METRICS", "true"), ("GETH_VMODULE", "a=5")]).unwrap();
        assert_eq!(cli.ignored.len(), 2, "{:?}", cli.ignored);
        let error = parse("", &[("GETH_SYNCTARGET", "x")]).unwrap_err();
        assert!(error.contains("--synctarget"), "{error}");
        let cli = parse("", &[("GETH_VERSION", "1.13"), ("GET_X", "y")]).unwrap();
        let expected = ["unknown config environment variable GETH_VERSION"];
        assert_eq!(cli.ignored, expected);
    }

    #[test]
    fn no_two_flags_share_a_variable() {
        let command = Cli::command();
        let mut names: Vec<String> = command
            .get_arguments()
            .filter_map(|argument| argument.get_long().map(variable_name))
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
