//! The flags of geth 1.8 to 1.17 that are ignored, because they have no effect here, or refused.

/// Whether a flag of geth is followed by a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// `--flag`, `--flag=true` or `--flag=false`
    Nothing,
    /// `--flag value` or `--flag=value`
    Value,
}

use Takes::{Nothing, Value};

/// Flags that are ignored or refused for the same reason.
pub(super) struct Group {
    pub(super) reason: &'static str,
    pub(super) flags: &'static [(&'static str, Takes)],
}

/// The flags that are ignored. Each name occurs once.
pub(super) const IGNORED: &[Group] = &[
    Group {
        reason: "memory goes where it is needed, within --cache",
        flags: &[
            ("bloomfilter.size", Value),
            ("cache.blocklogs", Value),
            ("cache.database", Value),
            ("cache.gc", Value),
            ("cache.snapshot", Value),
            ("cache.trie", Value),
            ("trie-cache-gens", Value),
        ],
    },
    Group {
        reason: "the cache of the state is not kept across restarts",
        flags: &[
            ("cache.trie.journal", Value),
            ("cache.trie.rejournal", Value),
        ],
    },
    Group {
        reason: "how the state is read during an import can't be tuned",
        flags: &[("cache.noprefetch", Nothing)],
    },
    Group {
        reason: "preimages of hashed keys are not recorded",
        flags: &[("cache.preimages", Nothing), ("vmdebug", Nothing)],
    },
    Group {
        reason: "as many files are open as the system allows (ulimit -n)",
        flags: &[("fdlimit", Value)],
    },
    Group {
        reason: "the database decides when it is compacted",
        flags: &[("nocompaction", Nothing)],
    },
    Group {
        reason: "the node stops in order when the disk is full, and loses nothing that is on it",
        flags: &[("datadir.minfreedisk", Value)],
    },
    Group {
        reason: "there is one pool for transactions of all types: --txpool.*",
        flags: &[
            ("blobpool.datacap", Value),
            ("blobpool.datadir", Value),
            ("blobpool.fetchprobability", Value),
            ("blobpool.pricebump", Value),
        ],
    },
    Group {
        reason: "the state is always flat, and --gcmode alone sets how much of it is kept",
        flags: &[
            ("bintrie.groupdepth", Value),
            ("history.state", Value),
            ("history.trienode", Value),
            ("history.trienode.full-value-checkpoint", Value),
            ("snapshot", Nothing),
            ("state.scheme", Value),
            ("state.size-tracking", Nothing),
        ],
    },
    Group {
        reason: "blocks, their logs and their transactions are kept and found from the first on",
        flags: &[
            ("datadir.era", Value),
            ("history.chain", Value),
            ("history.logs", Value),
            ("history.logs.disable", Nothing),
            ("history.logs.export", Value),
            ("history.transactions", Value),
            ("txlookuplimit", Value),
        ],
    },
    Group {
        reason: "geth's database is not read, and so none of its receipts",
        flags: &[("ignore-legacy-receipts", Nothing)],
    },
    Group {
        reason: "metrics are on the admin page, and at its /metrics: --admin",
        flags: &[
            ("dashboard", Nothing),
            ("dashboard.addr", Value),
            ("dashboard.host", Value),
            ("dashboard.port", Value),
            ("dashboard.refresh", Value),
            ("metrics", Nothing),
            ("metrics.addr", Value),
            ("metrics.expensive", Nothing),
            ("metrics.influxdb", Nothing),
            ("metrics.influxdb.bucket", Value),
            ("metrics.influxdb.database", Value),
            ("metrics.influxdb.endpoint", Value),
            ("metrics.influxdb.host.tag", Value),
            ("metrics.influxdb.interval", Value),
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
        reason: "nothing is reported to a server; metrics are at /metrics of --admin",
        flags: &[("ethstats", Value)],
    },
    Group {
        reason: "there is no Go runtime to profile or to tune",
        flags: &[
            ("blockprofilerate", Value),
            ("cpuprofile", Value),
            ("go-execution-trace", Value),
            ("gogc", Value),
            ("memorylimit", Value),
            ("memprofilerate", Value),
            ("pprof", Nothing),
            ("pprof.addr", Value),
            ("pprof.blockprofilerate", Value),
            ("pprof.cpuprofile", Value),
            ("pprof.memprofilerate", Value),
            ("pprof.port", Value),
            ("pprofaddr", Value),
            ("pprofport", Value),
            ("pyroscope", Nothing),
            ("pyroscope.password", Value),
            ("pyroscope.server", Value),
            ("pyroscope.tags", Value),
            ("pyroscope.username", Value),
            ("trace", Value),
        ],
    },
    Group {
        reason: "levels of single modules are set in the environment, such as \
                 RUST_LOG=info,actoreum_actors::eth=debug",
        flags: &[("log.vmodule", Value), ("vmodule", Value)],
    },
    Group {
        reason: "log lines have no place in the source and no stack; RUST_BACKTRACE shows that of \
                 a panic",
        flags: &[
            ("backtrace", Value),
            ("debug", Nothing),
            ("log.backtrace", Value),
            ("log.debug", Nothing),
        ],
    },
    Group {
        reason: "slow blocks have no log lines of their own",
        flags: &[("debug.logslowblock", Value)],
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
        reason: "there is one interpreter, and one library for blobs",
        flags: &[
            ("crypto.kzg", Value),
            ("vm.evm", Value),
            ("vm.ewasm", Value),
        ],
    },
    Group {
        reason: "no tracer runs during imports; debug_trace* traces afterwards",
        flags: &[
            ("stateless-self-validation", Nothing),
            ("vmtrace", Value),
            ("vmtrace.jsonconfig", Value),
            ("vmwitnessstats", Nothing),
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
        reason: "hardware wallets are enabled with --usb",
        flags: &[("nousb", Nothing)],
    },
    Group {
        reason: "smart cards are not supported",
        flags: &[("pcscdpath", Value)],
    },
    Group {
        reason: "Whisper and Swarm are not supported",
        flags: &[
            ("shh", Nothing),
            ("shh.maxmessagesize", Value),
            ("shh.pow", Value),
            ("shh.restrict-light", Nothing),
        ],
    },
    Group {
        reason: "snap is not supported; --syncmode fast gets a state from eth/63 to eth/66 peers",
        flags: &[("snap.v2", Nothing)],
    },
    Group {
        reason: "maps of caches and datasets are not locked in memory",
        flags: &[
            ("ethash.cacheslockmmap", Nothing),
            ("ethash.dagslockmmap", Nothing),
        ],
    },
    Group {
        reason: "the node seals its own blocks: there is no beacon chain and no engine API",
        flags: &[
            ("authrpc.addr", Value),
            ("authrpc.jwtsecret", Value),
            ("authrpc.port", Value),
            ("authrpc.vhosts", Value),
            ("beacon.api", Value),
            ("beacon.api.header", Value),
            ("beacon.checkpoint", Value),
            ("beacon.checkpoint.file", Value),
            ("beacon.config", Value),
            ("beacon.genesis.gvroot", Value),
            ("beacon.genesis.time", Value),
            ("beacon.nofilter", Nothing),
            ("beacon.threshold", Value),
            ("engine.maxreorgdepth", Value),
            ("miner.newpayload-timeout", Value),
        ],
    },
    Group {
        reason: "the pending block has the address of --miner.etherbase",
        flags: &[("miner.pending.feeRecipient", Value)],
    },
    Group {
        reason: "a block takes as many blobs as its fork allows",
        flags: &[("miner.maxblobs", Value)],
    },
    Group {
        reason: "GraphQL is not served",
        flags: &[
            ("graphql", Nothing),
            ("graphql.addr", Value),
            ("graphql.corsdomain", Value),
            ("graphql.port", Value),
            ("graphql.vhosts", Value),
        ],
    },
    Group {
        reason: "personal_* is served if --http.api or --ws.api names it",
        flags: &[("rpc.enabledeprecatedpersonal", Nothing)],
    },
    Group {
        reason: "the limits of log queries are fixed: docs/rpc-differences.md",
        flags: &[("rpc.logquerylimit", Value), ("rpc.rangelimit", Value)],
    },
    Group {
        reason: "the body of a request has 5 MB at most",
        flags: &[("rpc.http-body-limit", Value)],
    },
    Group {
        reason: "eth_sendRawTransactionSync is not served",
        flags: &[
            ("rpc.txsync.defaulttimeout", Value),
            ("rpc.txsync.maxtimeout", Value),
        ],
    },
];

/// The reason to refuse the flags that move a fork.
const OVERRIDE: &str =
    "write the fork into the genesis file and run actoreum init again: the blocks stay";

/// The flags that are refused, because they would change the chain, the signer, or the data that
/// other nodes and miners get.
pub(super) const REFUSED: &[Group] = &[
    Group {
        reason: "this public network was shut down; for a network of its kind give its genesis \
                 file to actoreum init",
        flags: &[
            ("goerli", Nothing),
            ("holesky", Nothing),
            ("kiln", Nothing),
            ("rinkeby", Nothing),
            ("ropsten", Nothing),
            ("testnet", Nothing),
            ("yolov2", Nothing),
            ("yolov3", Nothing),
        ],
    },
    Group {
        reason: "this network needs a beacon chain; actoreum runs networks that seal their own \
                 blocks",
        flags: &[("hoodi", Nothing), ("sepolia", Nothing)],
    },
    Group {
        reason: OVERRIDE,
        flags: &[
            ("override.amsterdam", Value),
            ("override.arrowglacier", Value),
            ("override.berlin", Value),
            ("override.bpo1", Value),
            ("override.bpo2", Value),
            ("override.cancun", Value),
            ("override.constantinople", Value),
            ("override.istanbul", Value),
            ("override.london", Value),
            ("override.muirglacier", Value),
            ("override.osaka", Value),
            ("override.prague", Value),
            ("override.shanghai", Value),
            ("override.terminaltotaldifficulty", Value),
            ("override.terminaltotaldifficultypassed", Nothing),
            ("override.ubt", Value),
            ("override.verkle", Value),
        ],
    },
    Group {
        reason: "give the file to actoreum init",
        flags: &[("override.genesis", Value)],
    },
    Group {
        reason: "there is no external signer; accounts are unlocked from key files with --unlock",
        flags: &[("signer", Value)],
    },
    Group {
        reason: "the database is on this machine: --datadir",
        flags: &[("remotedb", Value)],
    },
    Group {
        reason: "the node follows the heaviest chain of its peers; --whitelist NUMBER=HASH makes \
                 sure of a block in it",
        flags: &[("synctarget", Value)],
    },
    Group {
        reason: "the console sends no headers of its own",
        flags: &[("header", Value)],
    },
    Group {
        reason: "actoreum dump prints whole accounts, and all of them",
        flags: &[
            ("incompletes", Nothing),
            ("iterative", Nothing),
            ("limit", Value),
            ("nocode", Nothing),
            ("nostorage", Nothing),
            ("start", Value),
        ],
    },
    Group {
        reason: "actoreum removedb removes the whole database",
        flags: &[("remove.chain", Nothing), ("remove.state", Nothing)],
    },
];

/// Returns the hint for a command of geth that this node does not have.
pub(super) fn command_refusal(command: &str) -> Option<&'static str> {
    Some(match command {
        "import-preimages" | "export-preimages" => "preimages of hashed keys are not recorded",
        "import-history" | "export-history" | "download-era" | "prune-history" => {
            "era files are not read; use actoreum import and export with RLP files"
        }
        "dumpgenesis" => "keep the genesis file that actoreum init was given",
        "snapshot" | "verkle" | "bintrie" => {
            "the state is always flat, and pruned while the node runs (--gcmode)"
        }
        "inspect" => "use actoreum db stats",
        "monitor" => "metrics are on the admin page, and at its /metrics: --admin",
        "bug" | "version-check" => "see actoreum version",
        "show-deprecated-flags" => {
            "geth's flags are accepted, and the log names those without effect: docs/takeover.md"
        }
        "upgradedb" | "dao" | "gpuinfo" | "gpubench" | "lightclient" => {
            "no geth since 1.8 has this command"
        }
        _ => return None,
    })
}
