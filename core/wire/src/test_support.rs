//! Helpers for the tests of this crate.

use std::path::PathBuf;

/// Returns a fixture as JSON; prints a line and returns `None` if the fixtures folder does not
/// exist.
pub fn fixture(name: &str) -> Option<serde_json::Value> {
    let folder = std::env::var_os("ACTOREUM_FIXTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"),
        PathBuf::from,
    );
    if !folder.is_dir() {
        println!("skipped: fixtures not found");
        return None;
    }
    let text = std::fs::read_to_string(folder.join(name)).expect("the fixture is readable");
    Some(serde_json::from_str(&text).expect("the fixture is JSON"))
}

/// Returns the bytes of a JSON string of hexadecimal digits.
pub fn unhex(value: &serde_json::Value) -> Vec<u8> {
    let digits = value.as_str().expect("a string");
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).expect("hex"))
        .collect()
}
