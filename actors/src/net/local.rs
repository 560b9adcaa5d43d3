//! What the node says of itself: its URL and its record.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use actoreum_primitives::SecretKey;
use actoreum_wire::nodes::{Enode, EnodeEndpoint, Enr, EnrBuilder, NodeId};
use arc_swap::ArcSwap;
use parking_lot::Mutex;

/// The node's own key, address and ports, and the signed record of them. Those who learn a part
/// set it; everybody reads the whole without waiting.
pub struct LocalNode {
    key: SecretKey,
    /// Pairs of the record beside address and ports.
    entries: Vec<(String, Vec<u8>)>,
    parts: Mutex<Parts>,
    shown: ArcSwap<LocalInfo>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Parts {
    /// Told by the operator or by the router.
    external: Option<IpAddr>,
    /// Told by enough peers.
    predicted: Option<IpAddr>,
    tcp: u16,
    udp: u16,
    seq: u64,
}

/// One state of the node's statements about itself.
#[derive(Debug, Clone)]
pub struct LocalInfo {
    /// The node's id.
    pub id: NodeId,
    /// Its URL. Without a known address it names the loopback, as geth's does.
    pub enode: Enode,
    /// Where it is, with that address.
    pub endpoint: EnodeEndpoint,
    /// The signed record.
    pub record: Enr,
}

impl LocalNode {
    /// A node without ports. `entries` are further pairs of its record, RLP-encoded.
    ///
    /// The record's sequence number begins with the time, so that it grows over restarts
    /// without being kept anywhere.
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

    /// The statements as they are now.
    pub fn info(&self) -> Arc<LocalInfo> {
        self.shown.load_full()
    }

    /// The node's key.
    pub fn key(&self) -> &SecretKey {
        &self.key
    }

    /// Sets the port of the listener.
    pub fn set_tcp(&self, port: u16) {
        self.change(|parts| parts.tcp = port);
    }

    /// Sets the port of discovery.
    pub fn set_udp(&self, port: u16) {
        self.change(|parts| parts.udp = port);
    }

    /// Sets the address that the operator or the router told; it outweighs what peers say.
    pub fn set_external(&self, address: Option<IpAddr>) {
        self.change(|parts| parts.external = address);
    }

    /// Sets the address that peers agree on. True where that changed anything.
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
        id: NodeId::of(&public_key),
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
    fn a_told_address_outweighs_a_predicted_one_and_each_change_is_a_new_record() {
        let fork_id = ("eth".to_owned(), vec![0xc0]);
        let local = LocalNode::new(SecretKey::random(), vec![fork_id]);
        let seq = local.info().record.seq();
        local.set_tcp(30303);
        assert_eq!(local.info().record.seq(), seq + 1);
        local.set_tcp(30303);
        assert_eq!(local.info().record.seq(), seq + 1);

        let (seen, told) = (IpAddr::from([9, 9, 9, 9]), IpAddr::from([8, 8, 8, 8]));
        assert!(local.set_predicted(Some(seen)));
        assert_eq!(local.info().endpoint.address, seen);
        local.set_external(Some(told));
        assert!(!local.set_predicted(None));
        let info = local.info();
        assert_eq!(info.endpoint.address, told);
        assert_eq!(
            info.record.endpoint(),
            Some(EnodeEndpoint::new(told, 30303, 0))
        );
        assert_eq!(info.record.raw("eth"), Some([0xc0].as_slice()));
    }
}
