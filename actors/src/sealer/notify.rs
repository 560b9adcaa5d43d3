//! `--miner.notify`: new work is posted to these addresses.

use std::{str::FromStr, time::Duration};

use actoreum_messages::sealer::Work;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tracing::{debug, warn};

/// How long a receiver may take, as in geth.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes of an answer that are looked at: its first line.
const STATUS_BYTES: usize = 64;

/// Where new work is posted: `http://host[:port][/path]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyUrl {
    host: String,
    /// With its port.
    address: String,
    path: String,
}

impl FromStr for NotifyUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let wrong = || format!("{url:?} is no address; use one like http://10.0.0.7:3333/work");
        let rest = url.strip_prefix("http://").ok_or_else(wrong)?;
        let (host, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if host.is_empty() || !is_plain(host) || !is_plain(path) {
            return Err(wrong());
        }
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        Ok(Self {
            host: host.to_owned(),
            address: match has_port {
                true => host.to_owned(),
                false => format!("{host}:80"),
            },
            path: path.to_owned(),
        })
    }
}

impl NotifyUrl {
    /// Posts the work, beside everything else.
    pub(super) fn tell(&self, work: &Work) {
        let (url, body) = (self.clone(), work.json());
        tokio::spawn(async move {
            let told = tokio::time::timeout(PATIENCE, url.post(&body)).await;
            match told {
                Ok(Ok(status)) => debug!(address = url.address, status, "told of new work"),
                Ok(Err(error)) => warn!(address = url.address, %error, "not told of new work"),
                Err(_) => warn!(address = url.address, "not told of new work: no answer"),
            }
        });
    }

    /// The first line of the answer.
    async fn post(&self, body: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(&self.address).await?;
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            self.path,
            self.host,
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        let mut answer = [0; STATUS_BYTES];
        let length = stream.read(&mut answer).await?;
        let text = String::from_utf8_lossy(&answer[..length]);
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_nonsense_is_refused() {
        let read = |url: &str| url.parse::<NotifyUrl>();
        let url = read("http://10.0.0.7:3333/work?a=b").unwrap();
        assert_eq!((&*url.address, &*url.path), ("10.0.0.7:3333", "/work?a=b"));
        let url = read("http://miner.example").unwrap();
        assert_eq!((&*url.address, &*url.path), ("miner.example:80", "/"));
        for url in [
            "",
            "http://",
            "https://x",
            "http://a b/",
            "http://a/\r\nX: y",
        ] {
            assert!(read(url).is_err(), "{url:?}");
        }
    }
}
