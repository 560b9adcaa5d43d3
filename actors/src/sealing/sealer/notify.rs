//! `--miner.notify`: new work is posted to these addresses, and to no others. Redirects are not
//! followed, so that a receiver cannot make the node post to hosts that the operator did not name.
//! Only the status of an answer is read.

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

/// Timeout of a receiver, as in geth.
const NOTIFY_TIMEOUT: Duration = Duration::from_secs(1);

/// Address that new work is posted to: `http://host[:port][/path]`, or the same with `https`.
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
            // An `@` would follow credentials, which are not supported.
            let after_host = authority.as_str().strip_prefix(authority.host());
            let is_port_fine = after_host == Some("") || authority.port_u16().is_some();
            !authority.host().is_empty() && is_port_fine && !authority.as_str().contains('@')
        })
}

/// Receivers of new work.
#[derive(Clone, Default)]
pub struct Notifier {
    urls: Vec<NotifyUrl>,
    /// Whether the header to seal is posted instead of the work package.
    sends_header: bool,
    /// Present where an address has the scheme https.
    tls: Option<Arc<ClientConfig>>,
}

/// Reason why receivers cannot be notified over https.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The system trusts no certificate authority.
    #[error(
        "no certificate authority to trust for https was found{0}; SSL_CERT_FILE may name a file of them"
    )]
    NoAuthorities(String),
    /// The cryptography provider lacks what TLS needs.
    #[error(transparent)]
    Tls(#[from] tokio_rustls::rustls::Error),
}

impl Notifier {
    /// Creates a notifier for `urls`. Where https is among them, the certificate authorities that
    /// the system trusts are read: those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, where either is
    /// set. With `sends_header` (geth's `--miner.notify.full`) the header to seal is posted instead
    /// of the work package.
    ///
    /// # Errors
    /// An address has the scheme https and no authority is trusted.
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

    /// Returns the HTTP client, which is bound to the current thread.
    pub(super) fn poster(&self) -> Poster {
        let connector = match &self.tls {
            Some(tls) => Connector::new().rustls_0_23(tls.clone()),
            None => Connector::new(),
        };
        Poster {
            urls: self.urls.clone(),
            sends_header: self.sends_header,
            client: Client::builder()
                .connector(connector.timeout(NOTIFY_TIMEOUT))
                .timeout(NOTIFY_TIMEOUT)
                .disable_redirects()
                .finish(),
        }
    }
}

/// HTTP client that posts new work.
pub(super) struct Poster {
    urls: Vec<NotifyUrl>,
    sends_header: bool,
    client: Client,
}

impl Poster {
    /// Returns the posts of the work, or of the header that it is for, one future for each receiver.
    /// A post ends within [`NOTIFY_TIMEOUT`].
    pub(super) fn posts(
        &self,
        work: &Work,
        header: &Header,
    ) -> Vec<impl Future<Output = ()> + use<>> {
        if self.urls.is_empty() {
            return Vec::new();
        }
        let body = if self.sends_header {
            header_json(header).to_string()
        } else {
            work.json()
        };
        let post = |NotifyUrl(uri): &NotifyUrl| {
            let address = uri.authority().map(ToString::to_string);
            let post = self.client.post(uri).content_type("application/json");
            let answer = post.send_body(body.clone());
            async move {
                match answer.await {
                    Ok(answer) if answer.status().is_redirection() => {
                        let status = answer.status();
                        warn!(address, %status, "failed to notify remote miner: redirects are not followed");
                    }
                    Ok(answer) => {
                        debug!(address, status = %answer.status(), "notified remote miner")
                    }
                    Err(error) => warn!(address, %error, "failed to notify remote miner"),
                }
            }
        };
        self.urls.iter().map(post).collect()
    }
}

/// Returns a header in the JSON encoding of geth's `types.Header`. The fields of a fork from
/// Shanghai on are present where they are set.
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
    let fork_fields = [
        (
            "withdrawalsRoot",
            header.withdrawals_root.map(|root| json!(root)),
        ),
        ("blobGasUsed", header.blob_gas_used.map(quantity)),
        ("excessBlobGas", header.excess_blob_gas.map(quantity)),
        (
            "parentBeaconBlockRoot",
            header.parent_beacon_block_root.map(|root| json!(root)),
        ),
        ("requestsHash", header.requests_hash.map(|hash| json!(hash))),
    ];
    for (name, value) in fork_fields {
        if let Some(value) = value {
            object[name] = value;
        }
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
    use actoreum_primitives::B256;

    use super::*;

    #[test]
    fn a_posted_header_has_the_fields_of_its_fork() {
        let header = Header {
            number: 17,
            ..Header::default()
        };
        let object = header_json(&header);
        assert_eq!(object["number"], "0x11");
        assert_eq!(object["hash"], json!(header.hash()));
        assert!(object["baseFeePerGas"].is_null());
        assert!(object.get("blobGasUsed").is_none());

        let object = header_json(&Header {
            base_fee_per_gas: Some(7),
            withdrawals_root: Some(B256::ZERO),
            blob_gas_used: Some(1),
            excess_blob_gas: Some(2),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(B256::ZERO),
            ..header
        });
        let zero = json!(B256::ZERO);
        assert_eq!(object["baseFeePerGas"], "0x7");
        assert_eq!(object["withdrawalsRoot"], zero);
        assert_eq!(object["blobGasUsed"], "0x1");
        assert_eq!(object["excessBlobGas"], "0x2");
        assert_eq!(object["parentBeaconBlockRoot"], zero);
        assert_eq!(object["requestsHash"], zero);
    }

    #[test]
    fn valid_addresses_are_parsed_and_invalid_ones_refused() {
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
