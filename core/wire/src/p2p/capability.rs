//! Capabilities: what each side offers, what both share, and where its message codes begin.

use std::collections::BTreeMap;
use std::fmt;

use super::BASE_PROTOCOL_LENGTH;

/// A protocol above the base protocol, in one version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability {
    /// Name, such as `eth`.
    pub name: String,
    /// Version, such as 68.
    pub version: u64,
}

impl Capability {
    /// Creates a capability.
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

/// A capability that this node offers, with the number of its message codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    /// Name and version.
    pub capability: Capability,
    /// Number of its message codes, which begin at 0.
    pub length: u64,
}

/// A capability that both sides offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedCapability {
    /// Name and version.
    pub capability: Capability,
    /// Code of its message 0.
    pub offset: u64,
    /// Number of its message codes.
    pub length: u64,
}

/// Returns the shared capabilities: of each name the highest version that both sides have, sorted
/// by name, their codes one after another behind the base protocol's.
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
    fn no_common_capability_gives_an_empty_result() {
        assert!(match_capabilities(&[protocol("eth", 63, 17)], &[]).is_empty());
        assert!(match_capabilities(&[], &[Capability::new("eth", 63)]).is_empty());
    }

    #[test]
    fn a_duplicate_capability_counts_once() {
        let ours = [protocol("eth", 63, 17)];
        let theirs = [Capability::new("eth", 63), Capability::new("eth", 63)];
        assert_eq!(match_capabilities(&ours, &theirs).len(), 1);
    }
}
