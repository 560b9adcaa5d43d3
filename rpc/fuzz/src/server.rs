//! The modules under the paths that the scanner expects.

/// The one limit of `rpc/src/server/limits.rs` that the scanner reads; the others depend on other crates.
pub mod limits {
    /// Maximum depth of nested arrays and objects.
    pub const MAX_JSON_DEPTH: usize = 512;
}

#[path = "../../src/server/json/scan.rs"]
pub mod scan;
