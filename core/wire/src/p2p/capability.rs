//! What each side can speak, and where the messages of what both speak begin.

use std::collections::BTreeMap;
use std::fmt;

use super::BASE_PROTOCOL_LENGTH;

/// A protocol above the base protocol, in one version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability {
    /// Its name, such as `eth`.
    pub name: String,
    /// Its version, such as 68.
    pub version: u64,
}

impl Capability {
    /// A capability.
    pub fn new(name: &str, version: u64) -> Self {
        Self {
            name: name.to_owned(),
            version,
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.name, self.version)
    }
}

/// A capability that we offer, with the number of its message codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    /// Name and version.
    pub capability: Capability,
    /// Its codes are 0 up to this, exclusive.
    pub length: u64,
}

/// A capability that both sides speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedCapability {
    /// Name and version.
    pub capability: Capability,
    /// The code of its message 0.
    pub offset: u64,
    /// The number of its message codes.
    pub length: u64,
}

/// The capabilities in common: of each name the highest version that both have, sorted by
/// name, their codes one after another behind the base protocol's.
pub fn match_capabilities(ours: &[Protocol], theirs: &[Capability]) -> Vec<SharedCapability> {
    let mut highest: BTreeMap<&str, &Protocol> = BTreeMap::new();
    for protocol in ours {
        if !theirs.contains(&protocol.capability) {
            continue;
        }
        let best = highest.entry(&protocol.capability.name).or_insert(protocol);
        if protocol.capability.version > best.capability.version {
            *best = protocol;
        }
    }
    let mut offset = BASE_PROTOCOL_LENGTH;
    let mut shared = Vec::with_capacity(highest.len());
    for protocol in highest.into_values() {
        let (capability, length) = (protocol.capability.clone(), protocol.length);
        shared.push(SharedCapability {
            capability,
            offset,
            length,
        });
        offset += length;
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol(name: &str, version: u64, length: u64) -> Protocol {
        Protocol {
            capability: Capability::new(name, version),
            length,
        }
    }

    #[test]
    fn the_highest_shared_version_counts_and_names_are_sorted() {
        let ours = [
            protocol("snap", 1, 8),
            protocol("eth", 68, 17),
            protocol("eth", 63, 17),
            protocol("eth", 62, 8),
            protocol("aaa", 1, 3),
        ];
        let theirs = [
            Capability::new("eth", 69),
            Capability::new("eth", 62),
            Capability::new("eth", 63),
            Capability::new("snap", 1),
            Capability::new("les", 4),
            Capability::new("aaa", 2),
        ];
        let shared = match_capabilities(&ours, &theirs);
        let expected = [
            SharedCapability {
                capability: Capability::new("eth", 63),
                offset: 16,
                length: 17,
            },
            SharedCapability {
                capability: Capability::new("snap", 1),
                offset: 33,
                length: 8,
            },
        ];
        assert_eq!(shared, expected);
    }

    #[test]
    fn nothing_in_common_is_nothing() {
        assert!(match_capabilities(&[protocol("eth", 63, 17)], &[]).is_empty());
        assert!(match_capabilities(&[], &[Capability::new("eth", 63)]).is_empty());
    }

    #[test]
    fn a_capability_that_stands_twice_counts_once() {
        let ours = [protocol("eth", 63, 17)];
        let theirs = [Capability::new("eth", 63), Capability::new("eth", 63)];
        assert_eq!(match_capabilities(&ours, &theirs).len(), 1);
    }
}
