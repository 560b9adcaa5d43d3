//! Flags of geth, from 1.8 to 1.13, that have nothing to act on here.
//!
//! A node that took over from geth is started by the same script or unit file, and must not stay
//! down for a flag that tunes a part that it does not have. Such a flag is taken out of the command
//! line, with its value, and the log says so. What would change the chain, or whom the node talks
//! to, is never ignored: it is refused as an unknown flag, or by [`refusal`] with a way out.

use std::{ffi::OsString, iter::Peekable};

/// Whether a flag of geth is followed by a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// `--flag`, `--flag=true` or `--flag=false`
    Nothing,
    /// `--flag value` or `--flag=value`
    Value,
}

use Takes::{Nothing, Value};

/// Flags with one reason to be without effect.
struct Group {
    reason: &'static str,
    flags: &'static [(&'static str, Takes)],
}

/// Every flag that is ignored. A name stands once.
const GROUPS: &[Group] = &[
    Group {
        reason: "memory goes where it is needed, within --cache",
        flags: &[
            ("bloomfilter.size", Value),
            ("cache.blocklogs", Value),
            ("cache.database", Value),
            ("cache.gc", Value),
            ("cache.noprefetch", Nothing),
            ("cache.preimages", Nothing),
            ("cache.snapshot", Value),
            ("cache.trie", Value),
            ("cache.trie.journal", Value),
            ("cache.trie.rejournal", Value),
            ("fdlimit", Value),
            ("nocompaction", Nothing),
            ("trie-cache-gens", Value),
        ],
    },
    Group {
        reason: "there is one pool for transactions of all types: --txpool.*",
        flags: &[
            ("blobpool.datacap", Value),
            ("blobpool.datadir", Value),
            ("blobpool.pricebump", Value),
        ],
    },
    Group {
        reason: "the state is always flat, and --gcmode alone says how much of it is kept",
        flags: &[
            ("history.state", Value),
            ("history.transactions", Value),
            ("snapshot", Nothing),
            ("state.scheme", Value),
            ("txlookuplimit", Value),
        ],
    },
    Group {
        reason: "measurements of every actor are on the admin page, and at its /metrics: --admin",
        flags: &[
            ("dashboard", Nothing),
            ("dashboard.addr", Value),
            ("dashboard.port", Value),
            ("dashboard.refresh", Value),
            ("ethstats", Value),
            ("metrics", Nothing),
            ("metrics.addr", Value),
            ("metrics.expensive", Nothing),
            ("metrics.influxdb", Nothing),
            ("metrics.influxdb.bucket", Value),
            ("metrics.influxdb.database", Value),
            ("metrics.influxdb.endpoint", Value),
            ("metrics.influxdb.host.tag", Value),
            ("metrics.influxdb.organization", Value),
            ("metrics.influxdb.password", Value),
            ("metrics.influxdb.tags", Value),
            ("metrics.influxdb.token", Value),
            ("metrics.influxdb.username", Value),
            ("metrics.influxdbv2", Nothing),
            ("metrics.port", Value),
        ],
    },
    Group {
        reason: "there is no Go runtime to profile; RUST_LOG and RUST_BACKTRACE are understood",
        flags: &[
            ("backtrace", Value),
            ("blockprofilerate", Value),
            ("cpuprofile", Value),
            ("debug", Nothing),
            ("log.backtrace", Value),
            ("log.debug", Nothing),
            ("log.vmodule", Value),
            ("memprofilerate", Value),
            ("pprof", Nothing),
            ("pprof.addr", Value),
            ("pprof.blockprofilerate", Value),
            ("pprof.cpuprofile", Value),
            ("pprof.memprofilerate", Value),
            ("pprof.port", Value),
            ("pprofaddr", Value),
            ("pprofport", Value),
            ("trace", Value),
            ("vmodule", Value),
        ],
    },
    Group {
        reason: "a log file is rotated from outside, such as by logrotate with copytruncate",
        flags: &[
            ("log.compress", Nothing),
            ("log.maxage", Value),
            ("log.maxbackups", Value),
            ("log.maxsize", Value),
            ("log.rotate", Nothing),
        ],
    },
    Group {
        reason: "there is one interpreter, and no recording of hashes' preimages",
        flags: &[
            ("crypto.kzg", Value),
            ("vm.evm", Value),
            ("vm.ewasm", Value),
            ("vmdebug", Nothing),
        ],
    },
    Group {
        reason: "light clients are not served",
        flags: &[
            ("light.egress", Value),
            ("light.ingress", Value),
            ("light.maxpeers", Value),
            ("light.nopruning", Nothing),
            ("light.nosyncserve", Nothing),
            ("light.serve", Value),
            ("lightpeers", Value),
            ("lightserv", Value),
            ("ulc.fraction", Value),
            ("ulc.onlyannounce", Nothing),
            ("ulc.servers", Value),
        ],
    },
    Group {
        reason: "hardware wallets are looked for with --usb alone",
        flags: &[("nousb", Nothing)],
    },
    Group {
        reason: "Whisper and Swarm are not spoken",
        flags: &[
            ("shh", Nothing),
            ("shh.maxmessagesize", Value),
            ("shh.pow", Value),
            ("shh.restrict-light", Nothing),
        ],
    },
    Group {
        reason: "the node seals its own blocks, and has no engine API",
        flags: &[
            ("authrpc.addr", Value),
            ("authrpc.jwtsecret", Value),
            ("authrpc.port", Value),
            ("authrpc.vhosts", Value),
            ("miner.newpayload-timeout", Value),
        ],
    },
    Group {
        reason: "GraphQL is not served",
        flags: &[
            ("graphql", Nothing),
            ("graphql.corsdomain", Value),
            ("graphql.vhosts", Value),
        ],
    },
    Group {
        reason: "personal_* is there where --http.api or --ws.api names it",
        flags: &[("rpc.enabledeprecatedpersonal", Nothing)],
    },
    Group {
        reason: "there is no JavaScript console here",
        flags: &[("jspath", Value), ("preload", Value)],
    },
];

/// What geth runs and this node does not, with a way out.
pub fn refusal(argument: &str) -> Option<&'static str> {
    Some(match name(argument).unwrap_or(argument) {
        "attach" | "console" | "js" | "exec" => {
            "there is no JavaScript console here; start the node and use geth attach PATH/geth.ipc"
        }
        "testnet" | "ropsten" | "rinkeby" | "goerli" => {
            "this public network was shut down; for a network of its kind give its genesis file \
             to actoreum init"
        }
        "sepolia" | "holesky" => {
            "this network needs a beacon chain; actoreum runs networks that seal their own blocks"
        }
        "override.constantinople" | "override.cancun" | "override.verkle" => {
            "write the fork into the genesis file and run actoreum init again: the blocks stay"
        }
        _ => return None,
    })
}

/// Takes the flags without effect out of a command line.
///
/// Returns what is left, and a line for the log for each that was there.
pub fn take_out(arguments: impl Iterator<Item = OsString>) -> (Vec<OsString>, Vec<String>) {
    let (mut left, mut ignored) = (Vec::new(), Vec::new());
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let text = argument.to_str().unwrap_or_default();
        let Some((flag, takes, reason)) = name(text).and_then(find) else {
            left.push(argument);
            continue;
        };
        ignored.push(format!("--{flag} has no effect: {reason}"));
        if takes == Value && !text.contains('=') {
            skip_value(&mut arguments);
        }
    }
    (left, ignored)
}

/// A flag's value goes with it, unless the next flag stands in its place.
fn skip_value(arguments: &mut Peekable<impl Iterator<Item = OsString>>) {
    arguments.next_if(|next| !next.to_str().unwrap_or_default().starts_with("--"));
}

/// The name in `--name` and `--name=value`.
fn name(argument: &str) -> Option<&str> {
    let flag = argument.strip_prefix("--")?;
    Some(flag.split_once('=').map_or(flag, |(name, _)| name))
}

fn find(flag: &str) -> Option<(&'static str, Takes, &'static str)> {
    GROUPS.iter().find_map(|group| {
        let known = group.flags.iter().find(|(known, _)| *known == flag)?;
        Some((known.0, known.1, group.reason))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    fn taken_out(line: &str) -> (String, Vec<String>) {
        let (left, ignored) = take_out(line.split_whitespace().map(OsString::from));
        let left: Vec<_> = left.iter().map(|arg| arg.to_string_lossy()).collect();
        (left.join(" "), ignored)
    }

    #[test]
    fn the_rest_of_a_command_line_stays() {
        let line =
            "actoreum --cache.gc 25 --metrics --datadir d --pprof=false --cache.trie=9 init g";
        let (left, ignored) = taken_out(line);
        assert_eq!(left, "actoreum --datadir d init g");
        assert_eq!(ignored.len(), 4);
        assert!(ignored[0].starts_with("--cache.gc has no effect: "));
    }

    #[test]
    fn a_missing_value_takes_no_other_flag_with_it() {
        let (left, ignored) = taken_out("actoreum --ethstats --http");
        assert_eq!((left.as_str(), ignored.len()), ("actoreum --http", 1));
    }

    #[test]
    fn no_flag_of_ours_is_ignored_and_none_stands_twice() {
        let command = Cli::command();
        let mut names: Vec<&str> = GROUPS
            .iter()
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
