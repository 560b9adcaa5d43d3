//! Errors of the command line in one line: the error and a hint.

use std::num::{IntErrorKind, ParseIntError};

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use clap::CommandFactory as _;

use super::{Cli, geth_groups, geth_only};
use crate::nearest::nearest;

/// Renders clap's error as one line.
pub fn one_line(error: &Error) -> String {
    let arg = text(error, ContextKind::InvalidArg);
    let value = text(error, ContextKind::InvalidValue);
    let what = match error.kind() {
        ErrorKind::UnknownArgument if arg.starts_with('-') => format!("unknown flag {arg}"),
        ErrorKind::UnknownArgument => format!("unexpected argument {arg}"),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            "this command needs another one, such as: actoreum account list, actoreum db check, \
             actoreum bench import FILE"
                .to_string()
        }
        ErrorKind::InvalidSubcommand => {
            format!(
                "invalid command: {:?}",
                text(error, ContextKind::InvalidSubcommand)
            )
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("flag {arg} needs a value"),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            format!("invalid value {value:?} for {arg}{}", reason(error))
        }
        ErrorKind::ArgumentConflict => {
            let other = text(error, ContextKind::PriorArg);
            format!("flags {arg} and {other} can't be used at the same time")
        }
        ErrorKind::MissingRequiredArgument => format!("missing {arg}"),
        ErrorKind::TooManyValues | ErrorKind::WrongNumberOfValues | ErrorKind::NoEquals => {
            format!("wrong number of values for {arg}")
        }
        _ => first_line(error),
    };
    format!("Fatal: {what}; {}", hint(error))
}

/// Returns the hint that follows the error: a replacement, the valid values, a suggestion or
/// `--help`.
fn hint(error: &Error) -> String {
    let arg = text(error, ContextKind::InvalidArg);
    let command = text(error, ContextKind::InvalidSubcommand);
    let unexpected = (error.kind() == ErrorKind::UnknownArgument).then_some(arg.as_str());
    let hint = geth_only::refusal(&arg)
        .or_else(|| geth_groups::command_refusal(&command))
        .or_else(|| unexpected.and_then(geth_groups::command_refusal));
    if let Some(hint) = hint {
        return hint.to_owned();
    }
    let valid = text(error, ContextKind::ValidValue);
    if !valid.is_empty() {
        return format!("it takes one of: {valid}");
    }
    let is_word_wrong = matches!(
        error.kind(),
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand
    );
    if let Some(suggestion) = suggestion(&arg, &command).filter(|_| is_word_wrong) {
        return format!("did you mean {suggestion}?");
    }
    "see actoreum --help".to_string()
}

/// Returns the flag or command that was probably meant, if the argument is a typing mistake of it.
/// A suggestion that is merely similar would mislead.
fn suggestion(arg: &str, command: &str) -> Option<String> {
    let cli = Cli::command();
    if let Some(flag) = arg.strip_prefix("--") {
        let flag = flag.split(['=', ' ']).next().unwrap_or(flag);
        let spellings = cli.get_arguments().flat_map(|argument| {
            let aliases = argument.get_all_aliases().unwrap_or_default();
            aliases.into_iter().chain(argument.get_long())
        });
        return nearest(flag, spellings).map(|flag| format!("--{flag}"));
    }
    let commands = cli.get_subcommands().map(clap::Command::get_name);
    nearest(command, commands).map(str::to_owned)
}

fn reason(error: &Error) -> String {
    let Some(source) = std::error::Error::source(error) else {
        return String::new();
    };
    match source.downcast_ref::<ParseIntError>() {
        Some(number) if *number.kind() == IntErrorKind::PosOverflow => ": too large".into(),
        Some(_) => ": not a whole number".into(),
        None => format!(": {source}"),
    }
}

fn first_line(error: &Error) -> String {
    let rendered = error.render().to_string();
    let line = rendered.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_string()
}

fn text(error: &Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        Some(ContextValue::StyledStr(text)) => text.to_string(),
        Some(ContextValue::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}
