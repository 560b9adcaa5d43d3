//! The commands `copydb`, `dump`, `makecache` and `makedag`, and `export` and `import` of several
//! files.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    chains::{self, SMALL_GENESIS},
    process::run,
};

#[test]
fn a_copy_to_the_other_engine_continues_from_the_same_head() {
    let Some(chain) = chains::clique() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (first, second, third) = (path("first"), path("second"), path("third"));
    chain.init(&first, "sled");
    chain.import(&first);

    let copied = run(&[
        "copydb",
        "--datadir",
        &second,
        "--db.engine",
        "redb",
        &first,
    ])
    .ok();
    assert!(copied.contains("Database copy done in"), "{copied}");
    chain.assert_complete(&second);
    let chaindata = path("second/actoreum/chaindata");
    run(&["copydb", "--datadir", &third, &chaindata]).ok();
    chain.assert_complete(&third);
    let out = path("out.rlp");
    run(&["export", "--datadir", &third, &out]).ok();
    assert!(fs::read(&out).unwrap() == fs::read(&chain.blocks).unwrap());

    for (source, parts) in [
        (first.as_str(), &["holds a chain already", "removedb"][..]),
        (second.as_str(), &["to itself", "--datadir"]),
        ("/nonexistent", &["/nonexistent", "no database"]),
    ] {
        run(&["copydb", "--datadir", &second, source]).fatal(parts);
    }
    run(&["copydb", "--datadir", &second]).fatal(&["argument missing", "copydb DIR"]);
    chain.assert_complete(&second);
}

#[test]
fn an_interrupted_copy_starts_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let genesis = path("genesis.json");
    fs::write(&genesis, SMALL_GENESIS).unwrap();
    run(&["init", "--datadir", &path("first"), &genesis]).ok();
    // A folder with a database and no head.
    let empty = path("second");
    run(&["export", "--datadir", &empty, "/dev/null"]).fatal(&["holds no chain"]);
    run(&["copydb", "--datadir", &empty, &path("first")]).ok();
    assert_eq!(
        chains::verified_head(Path::new(&empty)),
        chains::verified_head(Path::new(&path("first")))
    );
    run(&["copydb", "--datadir", &path("third"), &path("fourth")]).fatal(&["no database"]);
}

#[test]
fn a_dump_is_the_state_of_its_block() {
    let Some(chain) = chains::clique() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().join("data").to_str().unwrap().to_owned();
    chain.init(&datadir, "sled");
    chain.import(&datadir);
    let dump = |block: &str| -> Value {
        let text = run(&["dump", "--datadir", &datadir, block]).ok();
        serde_json::from_str(&text).unwrap()
    };
    let genesis: Value =
        serde_json::from_str(&fs::read_to_string(&chain.genesis).unwrap()).unwrap();
    let allocated = genesis["alloc"].as_object().unwrap();
    let first = dump("0");
    let accounts = first["accounts"].as_object().unwrap();
    assert_eq!(accounts.len(), allocated.len());
    for address in allocated.keys() {
        let name = address.trim_start_matches("0x").to_lowercase();
        assert!(accounts.contains_key(&name), "{name} is not in the dump");
    }
    let head = dump(&chain.head_hash.to_string());
    assert_eq!(head, dump(&chain.head_number.to_string()));
    assert_ne!(head["root"], first["root"]);
    let accounts = head["accounts"].as_object().unwrap();
    assert!(accounts.len() > allocated.len());
    assert!(accounts.keys().all(|name| !name.starts_with("pre(")));
    let contract = accounts.values().find(|account| account["code"] != "");
    assert!(!contract.unwrap()["storage"].as_object().unwrap().is_empty());

    let missing = run(&["dump", "--datadir", &datadir, "270"]);
    missing.fatal(&["block not found", "270"]);
    assert_eq!(missing.stdout, "{}\n");
    run(&["dump", "--datadir", &datadir, "head"]).fatal(&["block not found", "head"]);
}

#[test]
fn makecache_and_makedag_print_their_usage() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    for name in ["makecache", "makedag"] {
        for args in [&[name][..], &[name, "1"], &[name, "1", folder, "more"]] {
            run(args).fatal(&["usage", name, "<block number> <outputdir>"]);
        }
        run(&[name, "x", folder]).fatal(&["invalid block number", "x", "not a whole number"]);
        run(&[name, "0xffffffffffffffff", folder]).fatal(&["invalid block number", "epoch"]);
    }
    run(&["makecache", "0", "/proc/nowhere"]).fatal(&["/proc/nowhere", "can't be written"]);
}

#[test]
fn makecache_writes_the_layout_of_geth() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let printed = run(&["makecache", "29999", path]).ok();
    let file = folder.path().join("cache-R23-0000000000000000");
    assert_eq!(printed.trim_end(), file.to_str().unwrap());
    let bytes = fs::read(&file).unwrap();
    assert_eq!(bytes.len(), 8 + 16_776_896);
    // The checksum is that of geth's file.
    assert_eq!(crc32(&bytes), GETH_CACHE_OF_EPOCH_0);
}

/// CRC-32 of the file `cache-R23-0000000000000000` that geth 1.8.27 writes.
const GETH_CACHE_OF_EPOCH_0: u32 = 0xa2d381f5;

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[test]
fn an_export_of_a_range_is_appended() {
    let Some(chain) = chains::mainnet() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (first, second) = (path("first"), path("second"));
    chain.import(&first);
    for name in ["all.rlp", "all.rlp.gz"] {
        let file = path(name);
        for (from, to) in [("0", "499"), ("500", "998"), ("999", "999")] {
            run(&["export", "--datadir", &first, &file, from, to]).ok();
        }
        let datadir = format!("{second}-{name}");
        run(&["import", "--datadir", &datadir, &file]).ok();
        chain.assert_complete(&datadir);
    }
    assert!(fs::read(path("all.rlp")).unwrap() == fs::read(&chain.blocks).unwrap());
    run(&["export", "--datadir", &first, &path("all.rlp")]).ok();
    assert!(fs::read(path("all.rlp")).unwrap() == fs::read(&chain.blocks).unwrap());
    run(&["export", "--datadir", &first, &path("x"), "one", "2"])
        .fatal(&["one", "not a whole number"]);
}

#[test]
fn an_invalid_file_does_not_stop_the_import_of_the_others() {
    let Some(chain) = chains::mainnet() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().join("data").to_str().unwrap().to_owned();
    let wrong = folder.path().join("wrong.rlp");
    fs::write(&wrong, b"no blocks").unwrap();
    let (wrong, blocks) = (wrong.to_str().unwrap(), chain.blocks.to_str().unwrap());
    let ended = run(&["import", "--datadir", &datadir, wrong, blocks]);
    ended.fatal(&["wrong.rlp", "not an RLP list"]);
    chain.assert_complete(&datadir);
}

#[test]
fn a_chain_without_the_required_block_is_not_imported() {
    let Some(chain) = chains::clique() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().to_str().unwrap();
    chain.init(datadir, "sled");
    let blocks = chain.blocks.to_str().unwrap();
    let other = format!("100=0x{:064x}", 7);
    let import = |required: &str| {
        run(&[
            "import",
            "--datadir",
            datadir,
            "--whitelist",
            required,
            blocks,
        ])
    };
    import(&other).fatal(&["whitelist mismatch: block 100", "import ended at block 99"]);
    for (entry, part) in [
        ("100", "NUMBER=HASH"),
        ("x=0x00", "block number"),
        ("1=0x00", "32 bytes"),
    ] {
        import(entry).fatal(&["--whitelist", part]);
    }
    let right = format!("{}={}", chain.head_number, chain.head_hash);
    import(&right).ok();
    chain.assert_complete(datadir);
}
