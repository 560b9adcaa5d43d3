//! Access to the test fixtures.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use actoreum_primitives::{Block, rlp};

/// Returns the path of a fixture file, or `None` with a printed note if there are no fixtures.
pub(crate) fn fixture(path: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ACTOREUM_FIXTURES")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"));
    let path = folder.join(path);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: fixtures not found");
    None
}

/// Decodes every block of an export file.
pub(crate) fn blocks(path: &Path) -> Vec<Block> {
    let bytes = fs::read(path).unwrap();
    let mut rest = bytes.as_slice();
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        blocks.push(rlp::Decode::decode(&mut rest).unwrap());
    }
    blocks
}

/// Returns the JSON files of an archive whose name contains `part`.
pub(crate) fn archived(archive: &Path, part: &str) -> Vec<(String, serde_json::Value)> {
    let file = fs::File::open(archive).unwrap();
    let mut decoder = zstd::Decoder::new(file).unwrap();
    decoder.window_log_max(27).unwrap();
    let mut found = Vec::new();
    for entry in tar::Archive::new(decoder).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        if !name.contains(part) {
            continue;
        }
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        found.push((name, serde_json::from_str(&text).unwrap()));
    }
    found
}
