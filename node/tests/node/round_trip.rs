//! Round trips of `init`, `import`, `export`, `dumpconfig` and `removedb`.

use std::{fs, io::Read, process::Stdio};

use flate2::read::GzDecoder;

use crate::{
    chains::{self, SMALL_GENESIS},
    process::{actoreum, run},
};

#[test]
fn an_export_is_byte_for_byte_what_was_imported() {
    let Some(chain) = chains::mainnet() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (first, second) = (path("first"), path("second"));
    let (plain, gzip) = (path("all.rlp"), path("all.rlp.gz"));
    let (low, high) = (path("low.rlp"), path("high.rlp.gz"));

    run(&[
        "import",
        "--datadir",
        &first,
        chain.blocks.to_str().unwrap(),
    ])
    .ok();
    run(&["export", "--datadir", &first, &plain]).ok();
    run(&["export", "--datadir", &first, &gzip]).ok();
    run(&["export", "--datadir", &first, &low, "0", "499"]).ok();
    run(&["export", "--datadir", &first, &high, "500", "999"]).ok();

    let blocks = fs::read(&chain.blocks).unwrap();
    let unpacked = |name: &str| {
        let mut bytes = Vec::new();
        GzDecoder::new(fs::File::open(name).unwrap())
            .read_to_end(&mut bytes)
            .unwrap();
        bytes
    };
    assert!(fs::read(&plain).unwrap() == blocks);
    assert!(unpacked(&gzip) == blocks);
    assert!([fs::read(&low).unwrap(), unpacked(&high)].concat() == blocks);

    run(&[
        "import",
        "--datadir",
        &second,
        "--db.engine",
        "redb",
        &low,
        &high,
    ])
    .ok();
    chain.assert_complete(&second);
}

#[test]
fn an_import_skips_known_blocks() {
    let Some(chain) = chains::mainnet() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().join("data").to_str().unwrap().to_owned();
    let twice = folder.path().join("twice.rlp");
    fs::write(&twice, fs::read(&chain.blocks).unwrap().repeat(2)).unwrap();
    run(&["import", "--datadir", &datadir, twice.to_str().unwrap()]).ok();
    chain.assert_complete(&datadir);
}

#[test]
fn exported_clique_blocks_equal_the_imported_blocks() {
    let Some(chain) = chains::clique() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().join("data").to_str().unwrap().to_owned();
    let out = folder.path().join("out.rlp");
    chain.init(&datadir, "sled");
    run(&[
        "--datadir",
        &datadir,
        "import",
        chain.blocks.to_str().unwrap(),
    ])
    .ok();
    chain.assert_complete(&datadir);
    run(&["--datadir", &datadir, "export", out.to_str().unwrap()]).ok();
    assert!(fs::read(&out).unwrap() == fs::read(&chain.blocks).unwrap());
}

#[test]
fn what_dumpconfig_prints_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let flags = "--datadir /somewhere --networkid 77 --db.engine redb --gcmode archive --rpc \
        --rpcport 9999 --rpcapi eth,debug --rpcvhosts a,b --rpccorsdomain * --admin --admin.port 7 \
        --port 30304 --maxpeers 3 --nodiscover --verbosity 4 --log.json --rpc.gascap 5";
    let flags: Vec<&str> = flags.split_whitespace().chain(["dumpconfig"]).collect();
    let printed = run(&flags).ok();
    fs::write(&file, &printed).unwrap();
    let again = run(&["--config", file.to_str().unwrap(), "dumpconfig"]).ok();
    assert_eq!(again, printed);
    for value in ["/somewhere", "77", "redb", "9999", ":30304", "debug"] {
        assert!(printed.contains(value), "{value} is not in {printed}");
    }
}

#[test]
fn removedb_removes_the_blocks_and_keeps_the_keys() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (datadir, genesis) = (path("data"), path("genesis.json"));
    fs::write(&genesis, SMALL_GENESIS).unwrap();
    run(&["init", "--datadir", &datadir, &genesis]).ok();
    let key = folder.path().join("data/keystore/UTC--key");
    fs::create_dir_all(key.parent().unwrap()).unwrap();
    fs::write(&key, "{}").unwrap();

    let asked = run(&["removedb", "--datadir", &datadir]).ok();
    assert!(
        asked.contains("[y/N]") && asked.contains("aborted"),
        "{asked}"
    );
    assert!(chains::verified_head(folder.path().join("data").as_path()).is_some());

    let mut command = actoreum(&["removedb", "--datadir", &datadir]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"y\n").unwrap();
    assert!(child.wait().unwrap().success());
    assert!(chains::verified_head(folder.path().join("data").as_path()).is_none());
    assert_eq!(fs::read_to_string(&key).unwrap(), "{}");

    let nothing = run(&["removedb", "--force", "--datadir", &datadir]).ok();
    assert!(nothing.contains("doesn't exist"), "{nothing}");
}

#[test]
fn version_license_and_help_print_the_expected_text() {
    let version = run(&["version"]).ok();
    assert!(version.starts_with("Actoreum\nVersion: 0."), "{version}");
    assert!(run(&["license"]).ok().contains("Apache"));
    let help = run(&["--help"]).ok();
    for name in [
        "--datadir",
        "--networkid",
        "--config",
        "--verbosity",
        "--log.json",
        "--http",
        "--http.addr",
        "--http.port",
        "--http.api",
        "--admin",
        "--admin.addr",
        "--admin.port",
        "--nodiscover",
        "--port",
        "--maxpeers",
        "--ipcdisable",
        "--db.engine",
        "init",
        "import",
        "export",
        "dumpconfig",
        "removedb",
        "version",
        "license",
    ] {
        assert!(help.contains(name), "{name} is not in the help");
    }
}
