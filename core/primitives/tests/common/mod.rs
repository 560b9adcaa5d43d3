//! Access to the test fixtures.

use std::path::PathBuf;

/// Returns the content of a fixture. If the fixtures are missing, it prints a notice and returns
/// `None`.
pub fn read(path: &str) -> Option<Vec<u8>> {
    let folder = std::env::var_os("ACTOREUM_FIXTURES").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../shared/fixtures"
            ))
        },
        PathBuf::from,
    );
    if !folder.is_dir() {
        println!("skipped: fixtures not found");
        return None;
    }
    let path = folder.join(path);
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}
