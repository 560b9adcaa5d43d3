//! The commands `db check`, `db stats` and `db repair` over damaged data directories.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{
    chains::{self, Chain, SMALL_GENESIS},
    process::run,
};

/// A data directory with a whole chain, whose oldest blocks are in the ancient files.
struct Directory {
    folder: TempDir,
}

impl Directory {
    fn new(chain: &Chain, engine: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = Self { folder };
        let datadir = directory.path();
        chain.init(&datadir, engine);
        chain.import(&datadir);
        chains::migrate(directory.folder.path(), chain.head_number / 2);
        directory
    }

    fn path(&self) -> String {
        self.folder.path().to_str().unwrap().to_owned()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("actoreum/chaindata").join(name)
    }

    fn db(&self, what: &str) -> crate::process::Ended {
        run(&["db", what, "--datadir", &self.path()])
    }
}

#[test]
fn db_check_and_stats_leave_a_valid_database_unchanged() {
    let Some(chain) = chains::clique() else {
        return;
    };
    for engine in ["sled", "redb"] {
        let directory = Directory::new(&chain, engine);
        let checked = directory.db("check").ok();
        assert!(checked.contains("the database is valid"), "{checked}");
        assert!(checked.contains("blocks        270"), "{checked}");
        let stats = directory.db("stats").ok();
        for part in [
            engine,
            "block 269",
            "ancient       136 blocks",
            "transaction lookup",
        ] {
            assert!(stats.contains(part), "{part} is not in {stats}");
        }
        let repaired = directory.db("repair").ok();
        assert!(repaired.contains("dropped: nothing"), "{repaired}");
        assert!(!repaired.contains("repaired:"), "{repaired}");
        chain.assert_complete(&directory.path());
    }
}

#[test]
fn damage_is_found_and_repaired_and_the_import_resumes() {
    let Some(chain) = chains::clique() else {
        return;
    };
    for engine in ["sled", "redb"] {
        let directory = Directory::new(&chain, engine);
        // One byte changes, and nothing is lost.
        let bodies = directory.file("ancient/bodies.data");
        let mut bytes = fs::read(&bodies).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x20;
        fs::write(&bodies, &bytes).unwrap();
        let checked = directory.db("check");
        checked.fatal(&["damaged", "actoreum db repair"]);
        assert!(checked.stdout.contains("damage: record"), "{checked:#?}");
        let repaired = directory.db("repair").ok();
        assert!(repaired.contains("restored"), "{repaired}");
        assert!(repaired.contains("dropped: nothing"), "{repaired}");
        directory.db("check").ok();

        // The end of a file is lost: the repair goes back to the block before, whose state is kept.
        let length = fs::metadata(&bodies).unwrap().len();
        let file = fs::File::options().write(true).open(&bodies).unwrap();
        file.set_len(length - 7).unwrap();
        drop(file);
        let start = run(&["export", "--datadir", &directory.path(), "/dev/null"]);
        start.fatal(&["bodies.data", "actoreum db repair"]);
        directory
            .db("check")
            .fatal(&["bodies.data", "actoreum db repair"]);
        let repaired = directory.db("repair").ok();
        assert!(
            repaired.contains("dropped: blocks 135 to 269"),
            "{repaired}"
        );
        directory.db("check").ok();
        assert_eq!(
            chains::verified_head(directory.folder.path()).unwrap().0,
            134
        );
        chain.import(&directory.path());
        chain.assert_complete(&directory.path());
        directory.db("check").ok();
    }
}

#[test]
fn db_commands_refuse_a_missing_database_and_create_none() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().join("none");
    for what in ["check", "stats", "repair"] {
        let ended = run(&["db", what, "--datadir", datadir.to_str().unwrap()]);
        ended.fatal(&["holds no database", "--datadir", "init"]);
    }
    assert!(!datadir.exists());
    run(&["db"]).fatal(&["actoreum db check"]);
}

#[test]
fn every_command_refuses_a_locked_or_newer_database() {
    for engine in ["sled", "redb"] {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (datadir, genesis) = (path("data"), path("genesis.json"));
        fs::write(&genesis, SMALL_GENESIS).unwrap();
        run(&[
            "init",
            "--datadir",
            &datadir,
            "--db.engine",
            engine,
            &genesis,
        ])
        .ok();
        let out = path("out");
        let commands: [&[&str]; 8] = [
            &[],
            &["export", &out],
            &["import", &genesis],
            &["dump", "0"],
            &["db", "check"],
            &["db", "stats"],
            &["db", "repair"],
            &["init", &genesis],
        ];
        let refuse = |parts: &[&str]| {
            for command in commands {
                let ended = run(&[&["--datadir", &datadir], command].concat());
                ended.fatal(parts);
            }
        };
        let format = Path::new(&datadir).join("actoreum/chaindata/FORMAT");
        let text = fs::read_to_string(&format).unwrap();
        fs::write(&format, text.replace("format 2", "format 99")).unwrap();
        refuse(&["format 99", "newer actoreum"]);
        fs::write(&format, &text).unwrap();

        let lock = format.with_file_name("LOCK");
        let holder = fs::File::open(&lock).unwrap();
        holder.lock().unwrap();
        refuse(&["already used by another process", "--datadir"]);
        holder.unlock().unwrap();
        assert!(chains::verified_head(Path::new(&datadir)).is_some());
    }
}
