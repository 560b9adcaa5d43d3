//! What this binary calls itself.

/// Version of the package.
pub const NUMBER: &str = env!("CARGO_PKG_VERSION");

/// `web3_clientVersion`: name, version, system and compiler, in geth's form.
pub fn client() -> String {
    let system = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    format!(
        "Actoreum/v{NUMBER}/{system}/rust{}",
        env!("CARGO_PKG_RUST_VERSION")
    )
}
