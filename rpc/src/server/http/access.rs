//! Access control by host names and origins.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The host names by which clients may address the server.
///
/// A page of an attacker can make its own host name resolve to 127.0.0.1 and then send requests
/// that the browser takes for requests to the page's own origin (DNS rebinding). The `Host` header
/// still shows the attacker's name, so the request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    any: bool,
    names: HashSet<String>,
}

impl Hosts {
    /// Creates a list of host names, whose case is ignored; `*` matches all.
    pub fn new(names: &[String]) -> Self {
        Self {
            any: names.iter().any(|name| name == "*"),
            names: names.iter().map(|name| name.to_lowercase()).collect(),
        }
    }

    /// Returns whether a `Host` header (with or without a port) is accepted. An empty header is
    /// accepted, because browsers always send one, and so is an IP address, because it needs no
    /// name service.
    pub fn accepts(&self, header: &str) -> bool {
        if self.any || header.is_empty() {
            return true;
        }
        match host_of(header) {
            Some(Host::Address) => true,
            Some(Host::Name(name)) => self.names.contains(&name.to_lowercase()),
            None => false,
        }
    }
}

/// The content of a `Host` header.
enum Host<'a> {
    /// An IP address.
    Address,
    /// A host name.
    Name(&'a str),
}

/// Parses `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address (which geth accepts).
/// Returns `None` for anything else.
///
/// A browser sends the authority of the URL, in which only a port may follow the brackets and
/// nothing may precede them. A parser that accepts less than the whole header would take
/// `[127.0.0.1]evil.com` for the address in it.
fn host_of(header: &str) -> Option<Host<'_>> {
    if let Some(rest) = header.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        let is_port = after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
        let is_address = address.parse::<Ipv6Addr>().is_ok();
        return (is_port && is_address).then_some(Host::Address);
    }
    if header.parse::<Ipv6Addr>().is_ok() {
        return Some(Host::Address);
    }
    let host = match header.split_once(':') {
        Some((host, port)) => is_port(port).then_some(host)?,
        None => header,
    };
    Some(match host.parse::<Ipv4Addr>() {
        Ok(_) => Host::Address,
        Err(_) => Host::Name(host),
    })
}

/// Returns whether the text may follow the colon: a port, or nothing.
fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= MAX_PORT_DIGITS
}

/// The number of digits of the highest port, 65,535.
const MAX_PORT_DIGITS: usize = 5;

/// Origins (`scheme://host[:port]`) of web pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins {
    any: bool,
    /// The parts of each origin before and after a `*`, or a whole origin and `None`.
    patterns: Vec<(String, Option<String>)>,
}

impl Origins {
    /// Creates a list of origins, whose case is ignored. `*` alone matches all; one `*` inside an
    /// origin matches any part of it.
    pub fn new(origins: &[String]) -> Self {
        let pattern = |origin: &String| {
            let origin = origin.to_lowercase();
            match origin.split_once('*') {
                Some((before, after)) => (before.to_owned(), Some(after.to_owned())),
                None => (origin, None),
            }
        };
        Self {
            any: origins.iter().any(|origin| origin == "*"),
            patterns: origins
                .iter()
                .filter(|origin| *origin != "*")
                .map(pattern)
                .collect(),
        }
    }

    /// Returns whether no origin is accepted.
    pub fn is_empty(&self) -> bool {
        !self.any && self.patterns.is_empty()
    }

    /// Returns whether every origin is accepted.
    pub fn accepts_any(&self) -> bool {
        self.any
    }

    /// Returns whether an `Origin` header is accepted.
    pub fn accepts(&self, header: &str) -> bool {
        if self.any {
            return true;
        }
        let origin = header.to_lowercase();
        self.patterns.iter().any(|(before, after)| match after {
            None => *before == origin,
            Some(after) => {
                origin.len() >= before.len() + after.len()
                    && origin.starts_with(before)
                    && origin.ends_with(after)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn only_known_names_and_addresses_are_accepted() {
        let hosts = Hosts::new(&names(&["localhost", "Node.Example"]));
        for accepted in [
            "",
            "localhost",
            "localhost:8545",
            "LOCALHOST:1",
            "node.example:80",
            "127.0.0.1",
            "127.0.0.1:8545",
            "[::1]:8545",
            "[::1]",
            "::1",
            "localhost:",
        ] {
            assert!(hosts.accepts(accepted), "{accepted}");
        }
        for refused in [
            "evil.example",
            "evil.example:8545",
            "localhost.evil.example",
            "[evil]",
            ":",
            "[127.0.0.1]evil.com",
            "[127.0.0.1]",
            "[::1]evil.com",
            "[::1]evil.com:80",
            "[::1]:80.evil.com",
            "[::1",
            "evil.com[::1]",
            "127.0.0.1.evil.com",
            "127.0.0.1:80evil.com",
            "127.0.0.1:80:evil.com",
            "localhost:8545evil.com",
            "localhost@evil.com",
            "evil.com@localhost",
            "evil.com#localhost",
            "evil.com/localhost",
            "0177.0.0.1",
            // No page of this machine has this host name, and geth refuses it.
            "localhost.",
            "localhost.:8545",
            " localhost",
            "localhost:123456",
        ] {
            assert!(!hosts.accepts(refused), "{refused}");
        }
        assert!(Hosts::new(&names(&["*"])).accepts("evil.example"));
        assert!(!Hosts::new(&[]).accepts("localhost"));
    }

    #[test]
    fn an_origin_matches_exactly_or_by_one_wildcard() {
        let origins = Origins::new(&names(&["http://App.example", "https://*.example"]));
        for accepted in [
            "http://app.example",
            "HTTP://APP.EXAMPLE",
            "https://a.b.example",
        ] {
            assert!(origins.accepts(accepted), "{accepted}");
        }
        for refused in [
            "",
            "null",
            "https://app.example.evil",
            "http://app.example:1",
        ] {
            assert!(!origins.accepts(refused), "{refused}");
        }
        assert!(Origins::new(&[]).is_empty());
        assert!(Origins::new(&names(&["*"])).accepts("anything"));
    }
}
