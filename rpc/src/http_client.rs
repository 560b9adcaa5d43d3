//! Clients of other HTTP servers: of the node that a chain is forked off, of a collector of traces.

use std::sync::Arc;

use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Maximum size of the headers of an answer, in bytes.
const MAX_HEADER_BYTES: usize = 64 << 10;

/// Creates a client for the server at `url`. It blocks its thread, follows no redirect, uses no proxy
/// and answers with any status. For https it trusts the authorities that the system trusts.
///
/// # Errors
/// The address is none of http or https, or no authority is trusted.
pub fn agent(url: &str) -> Result<Agent, String> {
    check(url)?;
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_response_header_size(MAX_HEADER_BYTES);
    if url.starts_with("https:") {
        config = config.tls_config(tls()?);
    }
    Ok(config.build().into())
}

/// Checks that a server can be addressed by `url`.
///
/// # Errors
/// The address is none of http or https.
pub(crate) fn check(url: &str) -> Result<(), String> {
    let is_http = url.starts_with("http://") || url.starts_with("https://");
    match url.parse::<ureq::http::Uri>() {
        Ok(uri) if is_http && uri.host().is_some_and(|host| !host.is_empty()) => Ok(()),
        _ => Err(format!(
            "{url:?} is no address; use one like http://127.0.0.1:8545"
        )),
    }
}

/// Returns the settings of TLS: the authorities that the system trusts.
fn tls() -> Result<TlsConfig, String> {
    let found = rustls_native_certs::load_native_certs();
    let authorities: Vec<Certificate<'static>> = found
        .certs
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned())
        .collect();
    if authorities.is_empty() {
        return Err("no certificate authority to trust for https was found; SSL_CERT_FILE may name a file of them".to_owned());
    }
    let provider = tokio_rustls::rustls::crypto::ring::default_provider();
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(authorities)))
        .unversioned_rustls_crypto_provider(Arc::new(provider))
        .build())
}
