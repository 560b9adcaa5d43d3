//! The local node: its enode URL and its node record (ENR).

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use actoreum_primitives::{PeerId, SecretKey};
use actoreum_wire::nodes::{Enode, EnodeEndpoint, Enr, EnrBuilder};
use arc_swap::ArcSwap;
use parking_lot::Mutex;

/// The node's own key, address and ports, and the signed record of them. Actors set the parts that
/// they learn; readers get the published whole without a lock.
pub struct LocalNode {
    key: SecretKey,
    /// Further pairs of the record, besides address and ports.
    entries: Vec<(String, Vec<u8>)>,
    parts: Mutex<Parts>,
    shown: ArcSwap<LocalInfo>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Parts {
    /// The external address, from the operator or from the router.
    external: Option<IpAddr>,
    /// The external address that discovery predicts from the answers of other nodes.
    predicted: Option<IpAddr>,
    tcp: u16,
    udp: u16,
    seq: u64,
}

/// A state of the local node.
#[derive(Debug, Clone)]
pub struct LocalInfo {
    /// The node id.
    pub id: PeerId,
    /// The enode URL. Without a known address it contains the loopback address, as geth's does.
    pub enode: Enode,
    /// The endpoint, with the same address.
    pub endpoint: EnodeEndpoint,
    /// The signed record.
    pub record: Enr,
}

impl LocalNode {
    /// Creates a node without ports. `entries` are further pairs of its record, RLP-encoded.
    ///
    /// The record's sequence number starts at the time in milliseconds, so that it grows over
    /// restarts without being stored.
    pub fn new(key: SecretKey, entries: Vec<(String, Vec<u8>)>) -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let parts = Parts {
            seq: u64::try_from(since.as_millis()).unwrap_or_default(),
            ..Parts::default()
        };
        let info = ArcSwap::from_pointee(describe(&key, &entries, &parts));
        Self {
            key,
            entries,
            parts: Mutex::new(parts),
            shown: info,
        }
    }

    /// Returns the current state.
    pub fn info(&self) -> Arc<LocalInfo> {
        self.shown.load_full()
    }

    /// Returns the node's key.
    pub fn key(&self) -> &SecretKey {
        &self.key
    }

    /// Sets the TCP port of the listener.
    pub fn set_tcp(&self, port: u16) {
        self.change(|parts| parts.tcp = port);
    }

    /// Sets the UDP port of discovery.
    pub fn set_udp(&self, port: u16) {
        self.change(|parts| parts.udp = port);
    }

    /// Sets the external address given by the operator or by the router. It takes precedence over
    /// the predicted one.
    pub fn set_external(&self, address: Option<IpAddr>) {
        self.change(|parts| parts.external = address);
    }

    /// Sets the external address that peers agree on. Returns whether the endpoint changed.
    pub fn set_predicted(&self, address: Option<IpAddr>) -> bool {
        let before = self.info().endpoint;
        self.change(|parts| parts.predicted = address);
        self.info().endpoint != before
    }

    fn change(&self, change: impl FnOnce(&mut Parts)) {
        let mut parts = self.parts.lock();
        let before = *parts;
        change(&mut parts);
        let is_same = (before.external, before.predicted) == (parts.external, parts.predicted)
            && (before.tcp, before.udp) == (parts.tcp, parts.udp);
        if !is_same {
            parts.seq += 1;
            self.shown
                .store(Arc::new(describe(&self.key, &self.entries, &parts)));
        }
    }
}

fn describe(key: &SecretKey, entries: &[(String, Vec<u8>)], parts: &Parts) -> LocalInfo {
    let address = parts.external.or(parts.predicted);
    let endpoint = EnodeEndpoint::new(
        address.unwrap_or(Ipv4Addr::LOCALHOST.into()),
        parts.tcp,
        parts.udp,
    );
    let mut builder = EnrBuilder::new().with_endpoint(&endpoint);
    for (name, value) in entries {
        builder = builder.with_encoded(name, value);
    }
    let record = builder
        .sign(parts.seq, key)
        .expect("because a record of an endpoint and a fork identifier is below 300 bytes");
    let public_key = key.public_key();
    LocalInfo {
        id: PeerId::of(&public_key),
        enode: Enode {
            public_key,
            endpoint: Some(endpoint),
        },
        endpoint,
        record,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_address_takes_precedence_over_a_predicted_one() {
        let fork_id = ("eth".to_owned(), vec![0xc0]);
        let local = LocalNode::new(SecretKey::random(), vec![fork_id]);
        let seq = local.info().record.seq();
        local.set_tcp(30303);
        assert_eq!(local.info().record.seq(), seq + 1);
        local.set_tcp(30303);
        assert_eq!(local.info().record.seq(), seq + 1);

        let (predicted, external) = (IpAddr::from([9, 9, 9, 9]), IpAddr::from([8, 8, 8, 8]));
        assert!(local.set_predicted(Some(predicted)));
        assert_eq!(local.info().endpoint.address, predicted);
        local.set_external(Some(external));
        assert!(!local.set_predicted(None));
        let info = local.info();
        assert_eq!(info.endpoint.address, external);
        assert_eq!(
            info.record.endpoint(),
            Some(EnodeEndpoint::new(external, 30303, 0))
        );
        assert_eq!(info.record.raw("eth"), Some([0xc0].as_slice()));
    }
}
