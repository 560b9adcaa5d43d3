//! The JSON scanner of `actoreum-rpc`, compiled alone: the crate depends on the EVM, which takes
//! minutes to build with the instrumentation of a fuzzer.

pub mod server;

/// Resolves the escapes of a valid JSON string by the scanner's own code, which
/// [`server::scan::unquote`] only calls for strings that serde_json refuses.
pub fn unescape(raw: &str) -> String {
    server::scan::unquote_secret(raw).to_string()
}
