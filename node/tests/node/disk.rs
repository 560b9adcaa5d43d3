//! Full and read-only disks: small tmpfs file systems, if the tests are permitted to mount.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{
    chains::{self, SMALL_GENESIS},
    process::run,
};

/// A file system in memory, which is unmounted on drop.
struct Disk {
    folder: TempDir,
}

impl Disk {
    /// Mounts the file system. Prints a line and returns `None` if mounting is not permitted.
    fn mount(test: &str, options: &str) -> Option<Self> {
        let disk = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        if mount(&["-t", "tmpfs", "-o", options, "tmpfs"], disk.path()) {
            return Some(disk);
        }
        println!("skipped: {test}: mounting is not permitted here");
        None
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(mount(&["-o", &options], self.path()));
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn data(&self) -> PathBuf {
        self.path().join("data")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Nothing is mounted if mounting was not permitted.
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

fn mount(options: &[&str], at: &Path) -> bool {
    let output = Command::new("mount").args(options).arg(at).output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn a_disk_that_fills_up_loses_nothing() {
    let Some(chain) = chains::clique() else {
        return;
    };
    for engine in ["sled", "redb"] {
        for megabytes in [6, 12] {
            let options = format!("size={megabytes}m");
            let Some(disk) = Disk::mount("a_disk_that_fills_up_loses_nothing", &options) else {
                return;
            };
            let data = disk.data();
            let datadir = data.to_str().unwrap();
            let genesis = chain.genesis.to_str().unwrap();
            run(&["init", "--datadir", datadir, "--db.engine", engine, genesis]).ok();
            let import = [
                "import",
                "--datadir",
                datadir,
                chain.blocks.to_str().unwrap(),
            ];
            let full = run(&import);
            full.fatal(&["no space left", "free some"]);

            disk.remount("size=500m");
            let head = chains::verified_head(&data);
            let (number, _) = head.unwrap();
            println!("{engine}: {megabytes} MB were full, block {number} stands");
            run(&import).ok();
            chain.assert_complete(datadir);
        }
    }
}

#[test]
fn a_read_only_folder_is_named_and_left_alone() {
    let test = "a_read_only_folder_is_named_and_left_alone";
    let Some(disk) = Disk::mount(test, "size=64m") else {
        return;
    };
    let data = disk.data();
    let datadir = data.to_str().unwrap();
    let genesis = disk.path().join("genesis.json");
    std::fs::write(&genesis, SMALL_GENESIS).unwrap();
    run(&["init", "--datadir", datadir, genesis.to_str().unwrap()]).ok();
    let before = chains::verified_head(&data);

    disk.remount("ro");
    run(&["--datadir", datadir]).fatal(&["Read-only", datadir, "--datadir"]);
    let new = disk.path().join("new");
    let new = new.to_str().unwrap();
    run(&["--datadir", new]).fatal(&["Read-only", new, "--datadir"]);

    disk.remount("rw");
    assert!(before.is_some());
    assert_eq!(chains::verified_head(&data), before);
}
