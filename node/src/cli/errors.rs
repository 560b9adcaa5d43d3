//! A wrong command line in one line: what is wrong, and how to mend it.

use std::num::{IntErrorKind, ParseIntError};

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use super::geth_only;

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
    format!("Fatal: {what}; {}", way_out(error))
}

fn way_out(error: &Error) -> String {
    for kind in [ContextKind::InvalidArg, ContextKind::InvalidSubcommand] {
        if let Some(way_out) = geth_only::refusal(&text(error, kind)) {
            return way_out.to_owned();
        }
    }
    let valid = text(error, ContextKind::ValidValue);
    if !valid.is_empty() {
        return format!("it takes one of: {valid}");
    }
    for kind in [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedValue,
    ] {
        let suggestion = text(error, kind);
        if !suggestion.is_empty() {
            return format!("did you mean {suggestion}?");
        }
    }
    "see actoreum --help".to_string()
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
