//! Addresses that work is posted to.

use std::str::FromStr;

/// Where new work is posted: `http://host[:port][/path]`, or the same with `https`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyUrl {
    pub(super) is_https: bool,
    /// Without brackets, where it is an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: String,
    /// Host and port as they were given.
    pub(super) authority: String,
}

impl FromStr for NotifyUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let wrong = || format!("{url:?} is no address; use one like http://10.0.0.7:3333/work");
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let (is_https, usual_port) = match scheme {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return Err(wrong()),
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        // What stands before an @ would be a password, which nobody reads here.
        if !is_plain(authority) || !is_plain(path) || authority.contains('@') {
            return Err(wrong());
        }
        let (host, port) = split(authority, usual_port).ok_or_else(wrong)?;
        Ok(Self {
            is_https,
            host: host.to_owned(),
            port,
            path: path.to_owned(),
            authority: authority.to_owned(),
        })
    }
}

fn split(authority: &str, usual_port: u16) -> Option<(&str, u16)> {
    let (host, after) = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => match authority.find(':') {
            Some(at) => authority.split_at(at),
            None => (authority, ""),
        },
    };
    let port = match after {
        "" => usual_port,
        after => after.strip_prefix(':')?.parse().ok()?,
    };
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_nonsense_is_refused() {
        for (text, is_https, host, port, path) in [
            (
                "http://10.0.0.7:3333/work?a=b",
                false,
                "10.0.0.7",
                3333,
                "/work?a=b",
            ),
            ("http://miner.example", false, "miner.example", 80, "/"),
            ("https://miner.example", true, "miner.example", 443, "/"),
            ("https://[::1]:8443/x", true, "::1", 8443, "/x"),
            ("http://[::1]", false, "::1", 80, "/"),
        ] {
            let url: NotifyUrl = text.parse().unwrap();
            let read = (url.is_https, &*url.host, url.port, &*url.path);
            assert_eq!(read, (is_https, host, port, path));
        }
        for url in [
            "",
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
