//! `--miner.notify`: new work is posted to these addresses, and to nobody else: an answer that
//! points elsewhere is not followed, so that a receiver cannot have the node post to hosts that the
//! operator did not name. Of an answer the status alone is read.

use std::{str::FromStr, sync::Arc, time::Duration};

use actoreum_messages::sealer::Work;
use actoreum_primitives::Header;
use awc::{
    Client, Connector,
    http::{Uri, uri::Scheme},
};
use serde_json::{Value, json};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use tracing::{debug, warn};

/// How long a receiver may take, as in geth.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where new work is posted: `http://host[:port][/path]`, or the same with `https`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyUrl(Uri);

impl FromStr for NotifyUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let read = url.parse::<Uri>().ok().filter(is_receiver).map(Self);
        read.ok_or_else(|| format!("{url:?} is no address; use one like http://10.0.0.7:3333/work"))
    }
}

fn is_receiver(uri: &Uri) -> bool {
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    is_http
        && uri.authority().is_some_and(|authority| {
            // What stands before an @ would be a password, which nobody reads here.
            let after_host = authority.as_str().strip_prefix(authority.host());
            let is_port_fine = after_host == Some("") || authority.port_u16().is_some();
            !authority.host().is_empty() && is_port_fine && !authority.as_str().contains('@')
        })
}

/// Who is told of new work.
#[derive(Clone, Default)]
pub struct Notifier {
    urls: Vec<NotifyUrl>,
    /// Whether they are sent the header in place of the work package.
    sends_header: bool,
    /// There where an address is one of https.
    tls: Option<Arc<ClientConfig>>,
}

/// Why nobody can be told over https.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// There is no authority that a certificate could be from.
    #[error(
        "no certificate authority to trust for https was found{0}; SSL_CERT_FILE may name a file of them"
    )]
    NoAuthorities(String),
    /// The cryptography has not what TLS needs.
    #[error(transparent)]
    Tls(#[from] tokio_rustls::rustls::Error),
}

impl Notifier {
    /// Tells these. Where https is among them, the certificate authorities that the system trusts
    /// are read: those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, where either is set. With
    /// `sends_header` (geth's `--miner.notify.full`) they get the header that a seal is searched
    /// for, in place of the work package.
    ///
    /// # Errors
    /// Where https is among them and no authority is trusted.
    pub fn new(urls: Vec<NotifyUrl>, sends_header: bool) -> Result<Self, NotifyError> {
        let is_needed = urls
            .iter()
            .any(|url| url.0.scheme() == Some(&Scheme::HTTPS));
        let tls = is_needed.then(authorities).transpose()?;
        Ok(Self {
            urls,
            sends_header,
            tls,
        })
    }

    /// What posts, on one thread.
    pub(super) fn poster(&self) -> Poster {
        let connector = match &self.tls {
            Some(tls) => Connector::new().rustls_0_23(tls.clone()),
            None => Connector::new(),
        };
        Poster {
            urls: self.urls.clone(),
            sends_header: self.sends_header,
            client: Client::builder()
                .connector(connector.timeout(PATIENCE))
                .timeout(PATIENCE)
                .disable_redirects()
                .finish(),
        }
    }
}

/// Tells of new work.
pub(super) struct Poster {
    urls: Vec<NotifyUrl>,
    sends_header: bool,
    client: Client,
}

impl Poster {
    /// Posts the work for this header, beside everything else.
    pub(super) fn tell(&self, work: &Work, header: &Header) {
        let body = match self.sends_header {
            true => header_json(header).to_string(),
            false => work.json(),
        };
        for NotifyUrl(uri) in &self.urls {
            let address = uri.authority().map(ToString::to_string);
            let post = self.client.post(uri).content_type("application/json");
            let answer = post.send_body(body.clone());
            actix::spawn(async move {
                match answer.await {
                    Ok(answer) if answer.status().is_redirection() => {
                        let status = answer.status();
                        warn!(address, %status, "not told of new work: redirects are not followed");
                    }
                    Ok(answer) => debug!(address, status = %answer.status(), "told of new work"),
                    Err(error) => warn!(address, %error, "not told of new work"),
                }
            });
        }
    }
}

/// A header as geth's `types.Header` writes itself.
fn header_json(header: &Header) -> Value {
    let quantity = |value: u64| json!(format!("{value:#x}"));
    let mut object = json!({
        "parentHash": header.parent_hash,
        "sha3Uncles": header.ommers_hash,
        "miner": header.beneficiary,
        "stateRoot": header.state_root,
        "transactionsRoot": header.transactions_root,
        "receiptsRoot": header.receipts_root,
        "logsBloom": header.logs_bloom,
        "difficulty": header.difficulty,
        "number": quantity(header.number),
        "gasLimit": quantity(header.gas_limit),
        "gasUsed": quantity(header.gas_used),
        "timestamp": quantity(header.timestamp),
        "extraData": header.extra_data,
        "mixHash": header.mix_hash,
        "nonce": header.nonce,
        "baseFeePerGas": header.base_fee_per_gas.map(quantity),
        "hash": header.hash(),
    });
    if let Some(root) = header.withdrawals_root {
        object["withdrawalsRoot"] = json!(root);
    }
    object
}

fn authorities() -> Result<Arc<ClientConfig>, NotifyError> {
    let found = rustls_native_certs::load_native_certs();
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(found.certs);
    if authorities.is_empty() {
        let why = found.errors.first().map(|error| format!(" ({error})"));
        return Err(NotifyError::NoAuthorities(why.unwrap_or_default()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(authorities)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_nonsense_is_refused() {
        for (text, scheme, host, port, path) in [
            (
                "http://10.0.0.7:3333/work?a=b",
                "http",
                "10.0.0.7",
                Some(3333),
                "/work?a=b",
            ),
            ("http://miner.example", "http", "miner.example", None, "/"),
            ("https://[::1]:8443/x", "https", "[::1]", Some(8443), "/x"),
            ("http://[::1]", "http", "[::1]", None, "/"),
        ] {
            let NotifyUrl(uri) = text.parse().unwrap();
            assert_eq!(uri.scheme_str(), Some(scheme));
            assert_eq!((uri.host(), uri.port_u16()), (Some(host), port));
            assert_eq!(uri.path_and_query().map(|it| it.as_str()), Some(path));
        }
        for url in [
            "",
            "/work",
            "miner.example",
            "http://",
            "http://:80",
            "ftp://x",
            "http://a b/",
            "http://a/\r\nX: y",
            "http://a:b",
            "http://a:70000",
            "http://::1",
            "http://[::1",
            "http://[::1]x",
            "https://user:word@a",
        ] {
            assert!(url.parse::<NotifyUrl>().is_err(), "{url:?}");
        }
    }
}
