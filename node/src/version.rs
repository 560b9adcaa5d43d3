//! What this binary calls itself.

/// Version of the package.
pub const NUMBER: &str = env!("CARGO_PKG_VERSION");

/// The client: name, version, system and compiler, in geth's form.
pub fn client() -> String {
    named("")
}

/// `web3_clientVersion`: the same, with the operator's own name for the node where there is one.
pub fn named(identity: &str) -> String {
    let system = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    let slash = if identity.is_empty() { "" } else { "/" };
    format!(
        "Actoreum{slash}{identity}/v{NUMBER}/{system}/rust{}",
        env!("CARGO_PKG_RUST_VERSION")
    )
}
