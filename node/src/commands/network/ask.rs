//! What was not given is asked for.

use std::{io::IsTerminal, path::PathBuf, str::FromStr};

use actoreum_primitives::Fork;
use eyre::{bail, eyre};

use super::{Plan, look_at_folder};
use crate::{
    cli::{NewNetworkArgs, SealingFlag},
    prompt::Prompter,
};

/// A private chain's id has so many digits at least, so that it is no public one's.
const LEAST_RANDOM_ID: u64 = 1_000_000;
/// See [`LEAST_RANDOM_ID`].
const MOST_RANDOM_ID: u64 = 1_000_000_000;
/// Where a network goes that is asked for without a folder.
const USUAL_FOLDER: &str = "net";

/// Asks, or takes defaults.
struct Asker {
    prompter: Prompter,
    asks: bool,
}

impl Asker {
    /// What was given; else what is typed, again until it can be read; an empty line is `default`.
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
        if !self.asks {
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

    /// A folder that is not there, or empty: what is typed, again until it is one.
    fn folder(&self, given: Option<PathBuf>) -> eyre::Result<PathBuf> {
        if let Some(given) = given {
            return Ok(given);
        }
        loop {
            let answer = self.answer("Folder", USUAL_FOLDER)?;
            let folder = match answer.trim() {
                "" => PathBuf::from(USUAL_FOLDER),
                typed => PathBuf::from(typed),
            };
            match look_at_folder(&folder) {
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

/// Makes a plan of what was given.
pub(super) fn fill_in(args: NewNetworkArgs) -> eyre::Result<Plan> {
    let asker = Asker {
        prompter: Prompter::default(),
        asks: !args.yes && std::io::stdin().is_terminal(),
    };
    if args.dir.is_none() && !asker.asks {
        bail!("give the folder of the network with --dir");
    }
    // Before the first question: nobody answers all of them for nothing.
    let folder = asker.folder(args.dir)?;
    look_at_folder(&folder)?;
    let engine = asker.fill_in(
        args.engine,
        "Who seals: clique (signers in turn) or ethash (proof of work)",
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
    let random = LEAST_RANDOM_ID + random_below(MOST_RANDOM_ID - LEAST_RANDOM_ID);
    Ok(Plan {
        engine,
        period,
        signers: asker.fill_in(args.signers, "Nodes that seal", (3, "3"), number(1, 64))?,
        accounts: asker.fill_in(
            args.accounts,
            "Accounts with ether",
            (10, "10"),
            number(0, 1_000),
        )?,
        fork: asker.fill_in(
            args.forks,
            "Newest fork",
            (Fork::Osaka, "osaka"),
            crate::dev::parse_fork,
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

fn number<T>(least: T, most: T) -> impl Fn(&str) -> Result<T, String>
where
    T: FromStr + PartialOrd + Copy + std::fmt::Display,
{
    move |typed| {
        let number = typed.parse().ok();
        number
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| format!("a number from {least} to {most}"))
    }
}

/// From the random bits of a new key.
fn random_below(bound: u64) -> u64 {
    let key = actoreum_primitives::SecretKey::random();
    let bytes = key.address();
    let number = bytes
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    number % bound
}
