//! Wrong flags, values, files and folders: one line names the error and the remedy.

use std::{ffi::OsString, fs, net::TcpListener, os::unix::ffi::OsStringExt, path::PathBuf};

use actoreum_primitives::B256;
use tempfile::TempDir;

use crate::{
    chains::{self, SMALL_GENESIS},
    process::{Running, run},
};

/// A data directory with a small chain, which a failed start must leave unchanged.
struct Fixture {
    folder: TempDir,
    head: Option<(u64, B256)>,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fixture = Self { folder, head: None };
        let genesis = fixture.write("genesis.json", SMALL_GENESIS);
        run(&["init", "--datadir", &fixture.datadir(), &genesis]).ok();
        let head = chains::verified_head(&fixture.data());
        assert!(head.is_some());
        Self { head, ..fixture }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn datadir(&self) -> String {
        self.data().to_str().unwrap().to_owned()
    }

    /// Writes a file beside the data directory; returns its path.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs on the data directory, and asserts that it fails with these texts and changes nothing.
    #[track_caller]
    fn refuses(&self, args: &[&str], parts: &[&str]) {
        let datadir = self.datadir();
        run(&[&["--datadir", &datadir], args].concat()).fatal(parts);
        assert_eq!(
            chains::verified_head(&self.data()),
            self.head,
            "after {args:?}"
        );
    }
}

#[test]
fn a_wrong_command_line_is_reported_in_one_line_with_a_hint() {
    let cases: &[(&str, &[&str])] = &[
        (
            "--datadri x",
            &["unknown flag --datadri", "did you mean --datadir"],
        ),
        ("-x", &["unknown flag -x", "--help"]),
        ("frobnicate", &["invalid command", "frobnicate", "--help"]),
        ("monitor", &["invalid command", "--admin"]),
        ("attach ftp://x", &["no known transport", "ftp"]),
        ("--exec 1", &["--exec", "actoreum attach"]),
        ("--rinkeby", &["unknown flag --rinkeby", "actoreum init"]),
        ("--sepolia", &["unknown flag --sepolia", "beacon chain"]),
        ("--rpc.txfeecap much", &["--rpc.txfeecap", "0.5"]),
        ("--rpc.evmtimeout 5", &["--rpc.evmtimeout", "90s"]),
        ("--gpo.percentile 101", &["--gpo.percentile", "0..=100"]),
        (
            "--log.file /nonexistent/geth.log",
            &["log file /nonexistent/geth.log", "No such file"],
        ),
        ("imprt", &["imprt", "did you mean", "import"]),
        (
            "--http.port many",
            &["many", "--http.port", "not a whole number"],
        ),
        ("--http.port 65536", &["65536", "--http.port", "65535"]),
        ("--http.port", &["--http.port", "needs a value"]),
        ("--rpcport many", &["many", "--http.port"]),
        ("--admin.port x", &["--admin.port", "x"]),
        ("--port x", &["--port", "x"]),
        ("--maxpeers few", &["--maxpeers", "few"]),
        ("--networkid main", &["--networkid", "main"]),
        (
            "--networkid 99999999999999999999",
            &["--networkid", "too large"],
        ),
        ("--verbosity 9", &["--verbosity", "0..=5"]),
        ("--db.engine lmdb", &["lmdb", "sled, redb"]),
        ("--gcmode half", &["half", "full, archive"]),
        (
            "--http.addr nowhere",
            &["--http.addr", "nowhere", "127.0.0.1"],
        ),
        (
            "--admin.addr nowhere",
            &["--admin.addr", "nowhere", "127.0.0.1"],
        ),
        (
            "--http.api eth,wbe3",
            &["--http.api", "wbe3", "eth,net,web3"],
        ),
        ("--config", &["--config", "needs a value"]),
        (
            "--config /nonexistent.toml",
            &["/nonexistent.toml", "No such file"],
        ),
        ("init", &["genesis", "actoreum init genesis.json"]),
        ("init one.json two.json", &["unexpected argument two.json"]),
        (
            "init /nonexistent.json",
            &["/nonexistent.json", "No such file"],
        ),
        ("import", &["requires an argument", "actoreum import FILE"]),
        (
            "import /nonexistent.rlp",
            &["/nonexistent.rlp", "No such file"],
        ),
        ("export", &["requires an argument", "actoreum export FILE"]),
        ("export x.rlp first", &["first", "not a whole number"]),
        ("bench", &["bench import FILE"]),
        ("bench import", &["missing <FILE>"]),
        (
            "bench import /nonexistent.rlp",
            &["/nonexistent", "No such file"],
        ),
    ];
    for (line, parts) in cases {
        let args: Vec<&str> = line.split_whitespace().collect();
        let ended = run(&args);
        ended.fatal(parts);
        assert_eq!(ended.stderr.lines().count(), 1, "{line}: {ended:#?}");
        assert!(ended.stdout.is_empty(), "{line}: {ended:#?}");
    }
}

#[test]
fn arguments_need_not_be_utf8() {
    let name = OsString::from_vec(b"/nonexistent\xff".to_vec());
    run(&[OsString::from("import"), name]).fatal(&["/nonexistent", "No such file"]);
    run(&[OsString::from_vec(b"--no\xffsuch".to_vec())]).fatal(&["--help"]);
}

#[test]
fn a_private_network_starts_with_geths_flags() {
    let folder = tempfile::tempdir().unwrap();
    let args = "--networkid 5 --ipcdisable --nodiscover --port 30399 --maxpeers 0 --rpc \
        --rpcaddr 127.0.0.1 --rpcport 0 --rpcapi eth,net,web3,personal,miner --rpcvhosts * \
        --rpccorsdomain * --verbosity 3 --datadir";
    let args: Vec<&str> = args
        .split_whitespace()
        .chain(folder.path().to_str())
        .collect();
    let mut node = Running::start(&args);
    let address = node.wait_for_http();
    let version = crate::http::call(address, "net_version", serde_json::json!([])).unwrap();
    assert_eq!(version, "5");
    node.signal("TERM");
    node.wait().ok();
}

#[test]
fn a_wrong_config_file_names_file_and_key() {
    let fixture = Fixture::new();
    for (text, parts) in [
        ("[Node]\nHTTPPrt = 1\n", &["HTTPPrt", "HTTPPort"][..]),
        ("[Node]\nHTTPPort = \"x\"\n", &["HTTPPort", "u16"]),
        ("[Node\n", &["line 1"]),
        ("[Node]\nHTTPPort =\n", &["line 2"]),
        ("[Eth]\nNetworkId = -1\n", &["NetworkId", "-1"]),
        ("[Node.P2P]\nMaxPeers = [1]\n", &["MaxPeers"]),
        ("[Nodes]\n", &["Nodes"]),
    ] {
        let file = fixture.write("config.toml", text);
        let parts = [&["config.toml"], parts].concat();
        fixture.refuses(&["--config", &file], &parts);
    }
    for (text, parts) in [
        (
            "[Actoreum]\nDBEngine = \"lmdb\"\n",
            &["DBEngine", "lmdb", "sled"],
        ),
        ("[Actoreum]\nVerbosity = 9\n", &["Verbosity", "9", "0 to 5"]),
        (
            "[Node]\nHTTPHost = \"nowhere\"\n",
            &["http.addr", "nowhere", "127.0.0.1"],
        ),
    ] {
        let file = fixture.write("config.toml", text);
        fixture.refuses(&["--config", &file], parts);
    }
}

#[test]
fn a_wrong_genesis_names_file_and_field() {
    let fixture = Fixture::new();
    let with = |from: &str, to: &str| {
        assert!(SMALL_GENESIS.contains(from), "{from}");
        SMALL_GENESIS.replace(from, to)
    };
    let cases: &[(String, &[&str])] = &[
        ("{".into(), &["not valid JSON"]),
        (String::new(), &["not valid JSON"]),
        ("[]".into(), &[]),
        (
            with("\"chainId\": 7", "\"chainId\": \"seven\""),
            &["config.chainId", "seven"],
        ),
        (with("\"period\": 15", "\"period\": -1"), &["period"]),
        (
            with("\"0x1\", \"gas", "\"one\", \"gas"),
            &["difficulty", "one"],
        ),
        (
            with(
                "\"gasLimit\": \"0x47b760\"",
                "\"gasLimit\": \"0x1ffffffffffffffff\"",
            ),
            &["gasLimit"],
        ),
        (
            with("\"gasLimit\": \"0x47b760\",", ""),
            &["gasLimit", "missing"],
        ),
        (
            with("\"balance\": \"1000\"", "\"balance\": \"many\""),
            &["alloc", "balance", "many"],
        ),
        (with("{\"7df9a8", "{\"7df9"), &["alloc", "20 bytes"]),
        (with("\"0x000000", "\"0x"), &["extraData", "32 bytes"]),
        (
            with("\"homesteadBlock\": 0", "\"berlinBlock\": 5"),
            &["berlinBlock"],
        ),
    ];
    for (json, parts) in cases {
        let file = fixture.write("wrong.json", json);
        let parts = [&["wrong.json"], *parts].concat();
        fixture.refuses(&["init", &file], &parts);
        let new = fixture.folder.path().join("new");
        run(&["init", "--datadir", new.to_str().unwrap(), &file]).fatal(&parts);
        assert_eq!(chains::verified_head(&new), None);
    }
    let file = fixture.write("wrong.json", b"\xff\xfe");
    fixture.refuses(&["init", &file], &["wrong.json", "UTF-8"]);
}

#[test]
fn another_genesis_over_a_database_is_refused() {
    let fixture = Fixture::new();
    let other = SMALL_GENESIS.replace("\"1000\"", "\"1001\"");
    let file = fixture.write("other.json", other);
    fixture.refuses(
        &["init", &file],
        &["incompatible genesis", "--datadir", "removedb"],
    );
    let same = fixture.folder.path().join("genesis.json");
    run(&[
        "init",
        "--datadir",
        &fixture.datadir(),
        same.to_str().unwrap(),
    ])
    .ok();
}

#[test]
fn files_that_hold_no_blocks_are_refused() {
    let fixture = Fixture::new();
    for (name, content, parts) in [
        (
            "text.rlp",
            &b"no blocks at all"[..],
            &["text.rlp", "block 0", "not an RLP list"][..],
        ),
        ("empty-list.rlp", b"\xc0", &["empty-list.rlp", "block 0"]),
        (
            "huge.rlp",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            &["huge.rlp", "64 MiB"],
        ),
        (
            "cut.rlp",
            b"\xf9\x02\x00\xf9",
            &["cut.rlp", "ends in the middle of a block"],
        ),
        (
            "cut.rlp.gz",
            b"\x1f\x8b\x08\x00",
            &["cut.rlp.gz", "block 0"],
        ),
    ] {
        let file = fixture.write(name, content);
        fixture.refuses(&["import", &file], parts);
    }
    fixture.refuses(&["import", "/"], &["Is a directory"]);
}

#[test]
fn blocks_of_another_chain_are_refused_with_a_hint() {
    let Some(chain) = chains::mainnet() else {
        return;
    };
    let fixture = Fixture::new();
    let blocks = chain.blocks.to_str().unwrap();
    fixture.refuses(&["import", blocks], &["another chain", "actoreum init"]);
}

#[test]
fn a_truncated_file_is_imported_up_to_its_last_whole_block() {
    let Some(chain) = chains::mainnet() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().join("data").to_str().unwrap().to_owned();
    let cut = folder.path().join("cut.rlp");
    let blocks = fs::read(&chain.blocks).unwrap();
    fs::write(&cut, &blocks[..blocks.len() - 100]).unwrap();
    let ended = run(&["import", "--datadir", &datadir, cut.to_str().unwrap()]);
    ended.fatal(&[
        "cut.rlp",
        "block 999",
        "ends in the middle",
        "import ended at block 998",
    ]);
    assert_eq!(
        chains::verified_head(folder.path().join("data").as_path())
            .unwrap()
            .0,
        998
    );
}

#[test]
fn a_wrong_seal_is_refused_with_the_reason() {
    let Some(chain) = chains::mainnet() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().to_str().unwrap();
    let bad = chain.blocks.with_file_name("bad-pow.rlp");
    let ended = run(&["import", "--datadir", datadir, bad.to_str().unwrap()]);
    ended.fatal(&["invalid block 1", "import ended at block 0"]);
    assert_eq!(chains::verified_head(folder.path()).unwrap().0, 0);
}

#[test]
fn an_export_out_of_range_or_to_an_invalid_path_is_refused() {
    let fixture = Fixture::new();
    let out = fixture.folder.path().join("out.rlp");
    let out = out.to_str().unwrap();
    fixture.refuses(&["export", out, "5", "3"], &["first is above the last"]);
    fixture.refuses(&["export", out, "0", "3"], &["block 3", "ends at block 0"]);
    fixture.refuses(
        &["export", "/nonexistent/out.rlp"],
        &["/nonexistent/out.rlp"],
    );
    let empty = fixture.folder.path().join("empty");
    run(&["export", "--datadir", empty.to_str().unwrap(), out]).fatal(&["holds no chain", "init"]);
}

#[test]
fn a_port_in_use_is_named_with_the_flag_to_change() {
    let fixture = Fixture::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    fixture.refuses(
        &["--http", "--http.port", &port],
        &[&port, "in use", "--http.port"],
    );
    fixture.refuses(
        &["--admin", "--admin.port", &port],
        &[&port, "in use", "--admin.port"],
    );
}

#[test]
fn a_path_that_cannot_be_opened_is_named_with_a_flag_to_change() {
    let fixture = Fixture::new();
    let path = fixture.write("file", "") + "/inside";
    for (flag, hint) in [
        ("--ipcpath", "--ipcdisable"),
        ("--txpool.journal", "--txpool.journal"),
    ] {
        let args = ["--port", "0", "--nodiscover", "--nat", "none", flag, &path];
        fixture.refuses(&args, &[&path, hint]);
    }
}

#[test]
fn a_database_of_a_newer_format_is_left_alone() {
    let fixture = Fixture::new();
    let file = fixture.data().join("actoreum/chaindata/FORMAT");
    let format = fs::read_to_string(&file).unwrap();
    fs::write(&file, format.replace("format 2", "format 99")).unwrap();
    let datadir = fixture.datadir();
    run(&["--datadir", &datadir]).fatal(&["format 99", "newer actoreum"]);
    fs::write(&file, format).unwrap();
    assert_eq!(chains::verified_head(&fixture.data()), fixture.head);
}

#[test]
fn an_engine_other_than_that_of_the_database_is_refused() {
    let fixture = Fixture::new();
    fixture.refuses(
        &["--db.engine", "redb"],
        &["sled", "redb", "--db.engine sled"],
    );
}

#[test]
fn a_data_directory_that_is_in_use_is_refused() {
    let fixture = Fixture::new();
    let datadir = fixture.datadir();
    let mut node = Running::start(&["--datadir", &datadir]);
    node.wait_for("chain opened");
    let out = fixture.folder.path().join("out.rlp");
    for args in [
        &[][..],
        &["export", out.to_str().unwrap()],
        &["removedb", "--force"],
    ] {
        let args = [&["--datadir", &datadir], args].concat();
        run(&args).fatal(&["already used by another process", "--datadir"]);
    }
    node.signal("INT");
    node.wait().ok();
    assert_eq!(chains::verified_head(&fixture.data()), fixture.head);
}

#[test]
fn a_data_directory_that_is_a_file_is_refused() {
    let fixture = Fixture::new();
    let file = fixture.write("file", "");
    run(&["--datadir", &file]).fatal(&["file", "--datadir"]);
}

#[test]
fn without_arguments_a_mainnet_node_starts_in_the_home_folder() {
    let home = tempfile::tempdir().unwrap();
    let mut command = crate::process::actoreum(&["export", "/dev/null"]);
    let output = command.env("HOME", home.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let mut command = crate::process::actoreum(&[] as &[&str]);
    let mut child = command.env("HOME", home.path()).spawn().unwrap();
    let database = home.path().join(".ethereum/actoreum/chaindata/database");
    while !database.exists() {
        assert!(child.try_wait().unwrap().is_none());
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn no_network_is_guessed_in_a_data_directory_of_geth() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("geth/chaindata")).unwrap();
    let datadir = folder.path().to_str().unwrap();
    run(&["--datadir", datadir, "--nodiscover", "--port", "0"]).fatal(&[
        "geth/chaindata",
        "actoreum init",
        "--datadir",
    ]);
}
