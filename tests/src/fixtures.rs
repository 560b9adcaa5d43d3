//! Location of the fixtures.

use std::path::{Path, PathBuf};

/// Returns the fixture folder: `ACTOREUM_FIXTURES`, or `../shared/fixtures` from the workspace's
/// root. `None` where neither exists; the caller reports itself as skipped.
pub fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("ACTOREUM_FIXTURES").map(PathBuf::from);
    let folder = named
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"));
    folder.is_dir().then_some(folder)
}

/// Returns a file or folder of the fixtures, such as `vectors/units.tar.zst`. Where it does not
/// exist, prints that the test `test` is skipped, and returns `None`.
pub fn find(test: &str, relative: &str) -> Option<PathBuf> {
    let found = folder()
        .map(|folder| folder.join(relative))
        .filter(|path| path.exists());
    if found.is_none() {
        crate::report::print(&format!(
            "{test}: skipped: fixtures not found ({relative})\n"
        ));
    }
    found
}
