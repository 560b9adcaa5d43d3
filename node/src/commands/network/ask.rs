//! Asks for the parameters of `network new` that were not given.

use std::{io::IsTerminal, path::PathBuf, str::FromStr};

use actoreum_primitives::Fork;
use eyre::{bail, eyre};

use super::{Plan, check_folder};
use crate::{
    cli::{NewNetworkArgs, SealingFlag},
    prompt::Prompter,
};

/// Lower bound of a random chain id, which keeps it apart from the ids of public chains.
const MIN_RANDOM_ID: u64 = 1_000_000;
/// Upper bound (exclusive) of a random chain id.
const MAX_RANDOM_ID: u64 = 1_000_000_000;
/// Default folder of a network.
const DEFAULT_FOLDER: &str = "net";

/// Asks questions at the terminal, or takes the defaults.
struct Asker {
    prompter: Prompter,
    is_interactive: bool,
}

impl Asker {
    /// Returns the value that was given. Otherwise asks until the answer can be parsed; an empty
    /// line is `default`.
    fn fill_in<T>(
        &self,
        given: Option<T>,
        question: &str,
        (default, shown): (T, &str),
        read: impl Fn(&str) -> Result<T, String>,
    ) -> eyre::Result<T> {
        if let Some(given) = given {
            return Ok(given);
        }
        if !self.is_interactive {
            return Ok(default);
        }
        loop {
            let answer = self.answer(question, shown)?;
            match answer.trim() {
                "" => return Ok(default),
                typed => match read(typed) {
                    Ok(value) => return Ok(value),
                    Err(why) => println!("{why}"),
                },
            }
        }
    }

    /// Returns the folder that was given. Otherwise asks until the answer is a folder that does not
    /// exist or is empty.
    fn folder(&self, given: Option<PathBuf>) -> eyre::Result<PathBuf> {
        if let Some(given) = given {
            return Ok(given);
        }
        loop {
            let answer = self.answer("Folder", DEFAULT_FOLDER)?;
            let folder = match answer.trim() {
                "" => PathBuf::from(DEFAULT_FOLDER),
                typed => PathBuf::from(typed),
            };
            match check_folder(&folder) {
                Ok(()) => return Ok(folder),
                Err(why) => println!("{why}"),
            }
        }
    }

    fn answer(&self, question: &str, shown: &str) -> eyre::Result<String> {
        let answer = self.prompter.line(&format!("{question} [{shown}]: "));
        answer.map_err(|error| eyre!("no answer: {error}"))
    }
}

/// Makes a plan from the arguments, and asks for those that are missing.
pub(super) fn fill_in(args: NewNetworkArgs) -> eyre::Result<Plan> {
    let asker = Asker {
        prompter: Prompter::default(),
        is_interactive: !args.yes && std::io::stdin().is_terminal(),
    };
    if args.dir.is_none() && !asker.is_interactive {
        bail!("give the folder of the network with --dir");
    }
    // The folder is checked before the other questions, so that no answers are lost.
    let folder = asker.folder(args.dir)?;
    check_folder(&folder)?;
    let engine = asker.fill_in(
        args.engine,
        "Consensus engine: clique (signers in turn) or ethash (proof of work)",
        (SealingFlag::Clique, "clique"),
        |typed| match typed {
            "clique" => Ok(SealingFlag::Clique),
            "ethash" => Ok(SealingFlag::Ethash),
            other => Err(format!("{other:?} is neither clique nor ethash")),
        },
    )?;
    let period = match engine {
        SealingFlag::Ethash => 0,
        SealingFlag::Clique => asker.fill_in(
            args.period,
            "Seconds between blocks",
            (5, "5"),
            number(0, 86_400),
        )?,
    };
    let random = MIN_RANDOM_ID + random_below(MAX_RANDOM_ID - MIN_RANDOM_ID);
    Ok(Plan {
        engine,
        period,
        signers: asker.fill_in(
            args.signers,
            "Number of nodes that seal",
            (3, "3"),
            number(1, 64),
        )?,
        accounts: asker.fill_in(
            args.accounts,
            "Number of pre-funded accounts",
            (10, "10"),
            number(0, 1_000),
        )?,
        fork: asker.fill_in(
            args.forks,
            "Newest fork",
            (Fork::Osaka, "osaka"),
            crate::config::node::parse_fork,
        )?,
        chain_id: asker.fill_in(
            args.chainid,
            "Chain id",
            (random, &random.to_string()),
            number(1, i64::MAX as u64),
        )?,
        first_port: asker.fill_in(
            args.first_port,
            "First port to listen on",
            (30_303, "30303"),
            number(1, 65_000),
        )?,
        folder,
    })
}

/// Returns a parser of numbers from `min` to `max`.
fn number<T>(min: T, max: T) -> impl Fn(&str) -> Result<T, String>
where
    T: FromStr + PartialOrd + Copy + std::fmt::Display,
{
    move |typed| {
        let number = typed.parse().ok();
        number
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| format!("a number from {min} to {max}"))
    }
}

/// Returns a random number below `bound`, from the bits of a new key's address.
fn random_below(bound: u64) -> u64 {
    let key = actoreum_primitives::SecretKey::random();
    let bytes = key.address();
    let number = bytes
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    number % bound
}
