//! Name and version of this client.

/// Version of the package.
pub const NUMBER: &str = env!("CARGO_PKG_VERSION");

/// Returns the client version in geth's form: name, version, system and compiler.
pub fn client() -> String {
    named("")
}

/// Returns the client version with the operator's name for the node (`--identity`) in it, as
/// `web3_clientVersion` shows it. An empty `identity` is left out.
pub fn named(identity: &str) -> String {
    let system = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    let slash = if identity.is_empty() { "" } else { "/" };
    format!(
        "Actoreum{slash}{identity}/v{NUMBER}/{system}/rust{}",
        env!("CARGO_PKG_RUST_VERSION")
    )
}
