//! Addresses of nodes, as `attach` takes them.

use std::{fmt, path::PathBuf};

/// Address of a node's JSON-RPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Path of a Unix socket.
    Ipc(PathBuf),
    /// URL that begins with `http://` or `https://`.
    Http(String),
    /// URL that begins with `ws://` or `wss://`.
    WebSocket(String),
}

/// Error of an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The scheme of the URL is none of http, https, ws and wss; the wording is geth's.
    #[error("no known transport for URL scheme {0:?}")]
    UnknownScheme(String),
    /// The address is empty.
    #[error(
        "the endpoint is empty; give the path of a socket, or an address such as http://127.0.0.1:8545"
    )]
    Empty,
}

impl Endpoint {
    /// Parses the path of a socket or a URL. The old prefixes `rpc:` and `ipc:` are cut, as in geth.
    ///
    /// # Errors
    /// The address is empty, or the URL has another scheme.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let address = text
            .strip_prefix("rpc:")
            .or_else(|| text.strip_prefix("ipc:"))
            .unwrap_or(text);
        if address.is_empty() {
            return Err(EndpointError::Empty);
        }
        match scheme(address) {
            None => Ok(Self::Ipc(PathBuf::from(address))),
            Some(scheme) => match scheme.to_ascii_lowercase().as_str() {
                "http" | "https" => Ok(Self::Http(address.to_owned())),
                "ws" | "wss" => Ok(Self::WebSocket(address.to_owned())),
                _ => Err(EndpointError::UnknownScheme(scheme.to_owned())),
            },
        }
    }
}

/// Returns the scheme of a URL: a letter, then letters, digits, `+`, `-` and `.` before a colon.
fn scheme(address: &str) -> Option<&str> {
    let (scheme, _) = address.split_once(':')?;
    let starts_well = scheme.starts_with(|it: char| it.is_ascii_alphabetic());
    let is_valid = |it: char| it.is_ascii_alphanumeric() || matches!(it, '+' | '-' | '.');
    (starts_well && scheme.chars().all(is_valid)).then_some(scheme)
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipc(path) => path.display().fmt(formatter),
            Self::Http(url) | Self::WebSocket(url) => formatter.write_str(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_paths_or_urls() {
        let ipc = |path: &str| Ok(Endpoint::Ipc(PathBuf::from(path)));
        let http = |url: &str| Ok(Endpoint::Http(url.to_owned()));
        let ws = |url: &str| Ok(Endpoint::WebSocket(url.to_owned()));
        let unknown = |it: &str| Err(EndpointError::UnknownScheme(it.to_owned()));
        for (text, expected) in [
            ("/data/geth.ipc", ipc("/data/geth.ipc")),
            ("geth.ipc", ipc("geth.ipc")),
            ("ipc:/data/geth.ipc", ipc("/data/geth.ipc")),
            ("rpc:/a:b", ipc("/a:b")),
            ("http://127.0.0.1:8545", http("http://127.0.0.1:8545")),
            ("rpc:http://h", http("http://h")),
            ("HTTPS://h/x", http("HTTPS://h/x")),
            ("ws://127.0.0.1:8546", ws("ws://127.0.0.1:8546")),
            ("rpc:wss://h", ws("wss://h")),
            ("ftp://h", unknown("ftp")),
            ("localhost:8545", unknown("localhost")),
            ("stdio:", unknown("stdio")),
            ("rpc:", Err(EndpointError::Empty)),
        ] {
            assert_eq!(Endpoint::parse(text), expected, "{text}");
        }
    }
}
