//! HTTP: a request of its own for each message.

use std::sync::Arc;

use ureq::{
    Agent,
    http::StatusCode,
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::{Connection, TransportError};

/// Client of an HTTP server. It follows no redirect and uses no proxy.
pub struct HttpConnection {
    agent: Agent,
    url: String,
    max_bytes: usize,
}

impl HttpConnection {
    /// Creates a client; it connects with the first request.
    ///
    /// # Errors
    /// The URL needs TLS, and no certificate authority is trusted.
    pub fn open(url: &str, max_bytes: usize) -> Result<Self, TransportError> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false);
        if url.to_ascii_lowercase().starts_with("https:") {
            config = config.tls_config(tls()?);
        }
        Ok(Self {
            agent: config.build().into(),
            url: url.to_owned(),
            max_bytes,
        })
    }
}

/// Returns the settings of TLS: the authorities that the system trusts.
fn tls() -> Result<TlsConfig, TransportError> {
    let found = rustls_native_certs::load_native_certs();
    let authorities: Vec<Certificate<'static>> = found
        .certs
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned())
        .collect();
    if authorities.is_empty() {
        return Err(TransportError::NoAuthority);
    }
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(authorities)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build())
}

impl Connection for HttpConnection {
    fn exchange(&mut self, request: &str) -> Result<String, TransportError> {
        let failed = |error: ureq::Error| match error {
            ureq::Error::BodyExceedsLimit(_) => TransportError::TooLarge(self.max_bytes),
            ureq::Error::Io(error) => TransportError::Io(error),
            other => TransportError::Http(other.to_string()),
        };
        let sent = self
            .agent
            .post(&self.url)
            .header("content-type", "application/json")
            .send(request);
        let mut response = sent.map_err(failed)?;
        let limit = u64::try_from(self.max_bytes).unwrap_or(u64::MAX);
        let body = response
            .body_mut()
            .with_config()
            .limit(limit)
            .read_to_string()
            .map_err(failed)?;
        let status = response.status();
        // Some servers answer errors of JSON-RPC with a status of their own.
        if status != StatusCode::OK && !body.trim_start().starts_with('{') {
            return Err(TransportError::Http(format!(
                "HTTP status {status}: {}",
                body.trim()
            )));
        }
        Ok(body)
    }

    fn next(&mut self) -> Result<String, TransportError> {
        Err(TransportError::Invalid(
            "the response has another id".into(),
        ))
    }
}
