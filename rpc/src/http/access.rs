//! Who may speak to the server: host names and origins.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Host names under which the server may be addressed.
///
/// A page that an attacker serves can make its own name resolve to 127.0.0.1 and
/// then send requests that the browser takes for its own origin's. The `Host`
/// header still shows the attacker's name, and is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    any: bool,
    names: HashSet<String>,
}

impl Hosts {
    /// These names, in any case; `*` stands for all.
    pub fn new(names: &[String]) -> Self {
        Self {
            any: names.iter().any(|name| name == "*"),
            names: names.iter().map(|name| name.to_lowercase()).collect(),
        }
    }

    /// Whether a `Host` header (with or without port) is accepted. An empty one is:
    /// browsers always send it. So is an IP address: it needs no name service.
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

/// What a `Host` header names.
enum Host<'a> {
    /// An IP address.
    Address,
    /// A host.
    Name(&'a str),
}

/// Reads `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address (which geth takes); `None`
/// where it is none of these.
///
/// A browser sends the authority of the URL, in which nothing stands before or after the brackets
/// but a port. A reader that is content with a part of it would take `[127.0.0.1]evil.com` for the
/// address in it.
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

/// Whether this may stand behind the colon: a port, or nothing.
fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= MAX_PORT_DIGITS
}

/// Digits of the highest port, 65,535.
const MAX_PORT_DIGITS: usize = 5;

/// Origins (`scheme://host[:port]`) of pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins {
    any: bool,
    /// What stands before and after a `*`, or a whole origin and nothing.
    patterns: Vec<(String, Option<String>)>,
}

impl Origins {
    /// These origins, in any case; `*` stands for all, and once inside an origin for
    /// any part of it.
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

    /// Whether nobody is accepted.
    pub fn is_empty(&self) -> bool {
        !self.any && self.patterns.is_empty()
    }

    /// Whether everybody is accepted.
    pub fn accepts_any(&self) -> bool {
        self.any
    }

    /// Whether an `Origin` header is accepted.
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
    fn a_rebound_name_is_refused_and_addresses_are_not() {
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
            // No page of this machine is called so, and geth refuses it.
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
    fn origins_match_whole_or_with_one_star() {
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
