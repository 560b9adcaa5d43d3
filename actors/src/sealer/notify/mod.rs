//! `--miner.notify`: new work is posted to these addresses.

mod url;

use std::{io, sync::Arc, time::Duration};

use actoreum_messages::sealer::Work;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};
use tracing::{debug, warn};

pub use url::NotifyUrl;

/// How long a receiver may take, as in geth.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes of an answer that are looked at: its first line.
const STATUS_BYTES: usize = 64;

/// Who is told of new work.
#[derive(Clone, Default)]
pub struct Notifier {
    urls: Vec<NotifyUrl>,
    /// There where an address is one of https.
    tls: Option<TlsConnector>,
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
    /// are read: those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, where either is set.
    ///
    /// # Errors
    /// Where https is among them and no authority is trusted.
    pub fn new(urls: Vec<NotifyUrl>) -> Result<Self, NotifyError> {
        let is_needed = urls.iter().any(|url| url.is_https);
        let tls = is_needed.then(connector).transpose()?;
        Ok(Self { urls, tls })
    }

    /// Posts the work, beside everything else.
    pub(super) fn tell(&self, work: &Work) {
        for url in &self.urls {
            let (url, tls, body) = (url.clone(), self.tls.clone(), work.json());
            tokio::spawn(async move {
                let address = &url.authority;
                let post = post(&url, tls.filter(|_| url.is_https), &body);
                match tokio::time::timeout(PATIENCE, post).await {
                    Ok(Ok(status)) => debug!(address, status, "told of new work"),
                    Ok(Err(error)) => warn!(address, %error, "not told of new work"),
                    Err(_) => warn!(address, "not told of new work: no answer"),
                }
            });
        }
    }
}

fn connector() -> Result<TlsConnector, NotifyError> {
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
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The first line of the answer.
async fn post(url: &NotifyUrl, tls: Option<TlsConnector>, body: &str) -> io::Result<String> {
    let stream = TcpStream::connect((&*url.host, url.port)).await?;
    match tls {
        None => post_over(stream, url, body).await,
        Some(tls) => {
            let name = ServerName::try_from(url.host.clone()).map_err(io::Error::other)?;
            post_over(tls.connect(name, stream).await?, url, body).await
        }
    }
}

async fn post_over(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    url: &NotifyUrl,
    body: &str,
) -> io::Result<String> {
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        url.path,
        url.authority,
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = [0; STATUS_BYTES];
    let length = stream.read(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer[..length]);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
