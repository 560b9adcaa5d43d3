//! The fixture archives, read as a stream.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Mutex;

use rayon::prelude::*;

/// Bytes of JSON that are held at a time.
const BATCH_BYTES: usize = 64 << 20;

/// The folder of the fixtures, where there is one.
pub fn fixtures() -> Option<PathBuf> {
    let folder = match std::env::var_os("ACTOREUM_FIXTURES") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../../shared/fixtures"
        )),
    };
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: fixtures not found");
    None
}

/// Runs `test` on each file of an archive whose path `wanted` takes, on all cores.
pub fn for_each_file(
    archive: &str,
    wanted: impl Fn(&str) -> bool,
    test: impl Fn(&str, &[u8]) + Sync,
) -> bool {
    let Some(folder) = fixtures() else {
        return false;
    };
    let file = File::open(folder.join("vectors").join(archive)).unwrap();
    let mut decoder = zstd::Decoder::new(file).unwrap();
    decoder.window_log_max(27).unwrap();
    let mut tar = tar::Archive::new(decoder);
    let mut batch = Vec::new();
    let mut bytes = 0;
    let run = |batch: &mut Vec<(String, Vec<u8>)>| {
        batch.par_iter().for_each(|(path, json)| test(path, json));
        batch.clear();
    };
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        if !path.ends_with(".json") || !wanted(&path) {
            continue;
        }
        let mut json = Vec::new();
        entry.read_to_end(&mut json).unwrap();
        bytes += json.len();
        batch.push((path, json));
        if bytes > BATCH_BYTES {
            run(&mut batch);
            bytes = 0;
        }
    }
    run(&mut batch);
    true
}

/// Counts passes by fork and keeps what failed.
#[derive(Default)]
pub struct Report {
    inner: Mutex<(std::collections::BTreeMap<String, usize>, Vec<String>)>,
}

impl Report {
    pub fn passed(&self, fork: &str) {
        *self
            .inner
            .lock()
            .unwrap()
            .0
            .entry(fork.to_owned())
            .or_default() += 1;
    }

    pub fn failed(&self, test: String, why: impl std::fmt::Display) {
        self.inner.lock().unwrap().1.push(format!("{test}: {why}"));
    }

    /// Prints the counts, and panics where something failed, or nothing ran.
    pub fn conclude(self, suite: &str) {
        let (passed, mut failed) = self.inner.into_inner().unwrap();
        failed.sort();
        let total: usize = passed.values().sum();
        println!(
            "{suite}: {total} passed {passed:?}, {} failed",
            failed.len()
        );
        for failure in failed.iter().take(400) {
            println!("  {failure}");
        }
        assert!(
            failed.is_empty(),
            "{} vectors of {suite} failed",
            failed.len()
        );
        assert!(total > 0, "no vector of {suite} ran");
    }
}
