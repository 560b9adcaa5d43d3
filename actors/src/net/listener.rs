//! ListenerActor: accepts inbound connections and limits their concurrent handshakes.
//!
//! A connection needs a handshake slot before it costs more than a socket. While all slots are in
//! use it waits, in the order that `HandshakeSlots` gives. The slot is held by the connection and
//! returned when its handshakes are over, however they end.
//!
//! The actor takes no messages. Its work is one loop; the actor fails when the loop ends.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use actoreum_messages::discovery::LocalNodeChanged;
use actoreum_messages::peer::Direction;
use actoreum_wire::discv4::is_lan;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, info, warn};

use super::handshake_slots::{AddressRange, HandshakeSlot, HandshakeSlots, Waiting};
use super::limits::{ACCEPT_PAUSE, INBOUND_THROTTLE, MAX_THROTTLED_ADDRESSES};
use super::peer::{ConnectionArgs, Connections};
use super::shared::Shared;
use super::transport::{Listen, Wire};
use crate::log_limit::LogLimit;
use actoreum_supervision::{Actor, Ctx, Failure, Recipient};

/// The actor that accepts inbound connections; see the module.
pub struct ListenerActor {
    connections: Connections,
    discovery: Recipient<LocalNodeChanged>,
    listener: Option<Box<dyn Listen>>,
}

impl ListenerActor {
    /// Creates an actor that listens at the configured address.
    ///
    /// # Errors
    /// Where the port is in use.
    pub(super) fn open(
        connections: Connections,
        discovery: Recipient<LocalNodeChanged>,
    ) -> Result<Self, Failure> {
        let shared = &connections.shared;
        let listener = shared.transport.listen(shared.listen_address())?;
        let address = listener.address();
        shared.local.set_tcp(address.port());
        // Discovery binds its port next: the URL in the log contains that port. Where the port is
        // any free one, discovery logs the URL instead.
        match (shared.settings.is_discovering, shared.settings.udp_port()) {
            (true, 0) => info!(%address, "listening for peers"),
            (is_discovering, port) => {
                if is_discovering {
                    shared.local.set_udp(port);
                }
                info!(%address, enode = %shared.local.info().enode, "listening for peers");
            }
        }
        Ok(Self {
            connections,
            discovery,
            listener: Some(listener),
        })
    }
}

impl Actor for ListenerActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let listener = self.listener.take().ok_or("a listener listens once")?;
        // Where discovery is off, no other actor needs the port.
        let _ = self.discovery.tell(LocalNodeChanged);
        let accepting = accept(self.connections.clone(), listener);
        ctx.spawn_then(accepting, |_, (), ctx| {
            ctx.fail("the accept loop ended");
        });
        Ok(())
    }
}

async fn accept(connections: Connections, mut listener: Box<dyn Listen>) {
    let shared = &connections.shared;
    let (mut slots, mut released) = HandshakeSlots::new(shared.settings.max_pending);
    let mut waiting = Waiting::default();
    let mut throttle = Throttle::default();
    let mut look_again: Option<Instant> = None;
    loop {
        let is_due = async {
            match look_again {
                Some(then) => sleep_until(then).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(id) = released.recv() => slots.release(id),
            () = is_due => {}
            accepted = listener.accept() => match accepted {
                Ok(wire) => {
                    if is_welcome(shared, &mut throttle, &wire) {
                        waiting.push(AddressRange::of(wire.remote.ip()), wire);
                    }
                }
                Err(error) => {
                    if let Some(suppressed) = NOT_ACCEPTED.admit() {
                        warn!(%error, suppressed, "connection not accepted");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
        release_all(&mut slots, &mut released);
        look_again = None;
        while let Some((index, range)) = waiting.next(&slots) {
            match slots.take(range, Instant::now()) {
                Ok(slot) => begin(&connections, waiting.remove(index), slot).await,
                Err(then) => {
                    look_again = Some(then);
                    break;
                }
            }
        }
    }
}

/// The limit on the listener's log lines that remote hosts can cause.
static NOT_ACCEPTED: LogLimit = LogLimit::new();

fn release_all(slots: &mut HandshakeSlots, released: &mut mpsc::UnboundedReceiver<u64>) {
    while let Ok(id) = released.try_recv() {
        slots.release(id);
    }
}

fn is_welcome(shared: &Shared, throttle: &mut Throttle, wire: &Wire) -> bool {
    let (remote, ip) = (wire.remote, wire.remote.ip());
    if !shared.settings.allows(ip) {
        debug!(%remote, "refused: not contained in netrestrict");
        return false;
    }
    if !throttle.admits(ip, Instant::now()) {
        debug!(%remote, "refused: too many attempts");
        return false;
    }
    true
}

async fn begin(connections: &Connections, wire: Wire, slot: HandshakeSlot) {
    let remote = wire.remote;
    let args = ConnectionArgs {
        wire,
        direction: Direction::Inbound,
        expected: None,
        slot: Some(slot),
        set_up: None,
    };
    if let Err(error) = connections.start(args).await
        && let Some(suppressed) = NOT_ACCEPTED.admit()
    {
        warn!(%remote, %error, suppressed, "connection not taken");
    }
}

/// The addresses that connected lately. Addresses of local networks are not limited.
#[derive(Debug, Default)]
struct Throttle {
    until: HashMap<IpAddr, Instant>,
    /// The same entries, in the order in which they end.
    order: VecDeque<(Instant, IpAddr)>,
}

impl Throttle {
    fn admits(&mut self, address: IpAddr, now: Instant) -> bool {
        let address = address.to_canonical();
        if is_lan(address) {
            return true;
        }
        while let Some((until, first)) = self.order.front().copied() {
            let is_over = until <= now || self.order.len() >= MAX_THROTTLED_ADDRESSES;
            if !is_over {
                break;
            }
            self.order.pop_front();
            self.until.remove(&first);
        }
        if self.until.contains_key(&address) {
            return false;
        }
        let until = now + INBOUND_THROTTLE;
        self.until.insert(address, until);
        self.order.push_back((until, address));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_outside_local_networks_are_throttled() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let outside = IpAddr::from([8, 8, 8, 8]);
        assert!(throttle.admits(outside, now));
        assert!(!throttle.admits(outside, now + INBOUND_THROTTLE / 2));
        assert!(!throttle.admits("::ffff:8.8.8.8".parse().unwrap(), now));
        assert!(throttle.admits(outside, now + INBOUND_THROTTLE));
        for _ in 0..10 {
            assert!(throttle.admits(IpAddr::from([127, 0, 0, 1]), now));
        }
    }

    #[test]
    fn the_throttle_is_bounded_in_memory() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..10_000_u32 {
            let address = IpAddr::from((0x0800_0000 + number).to_be_bytes());
            assert!(throttle.admits(address, now));
        }
        assert!(throttle.until.len() <= MAX_THROTTLED_ADDRESSES);
        assert_eq!(throttle.until.len(), throttle.order.len());
    }
}
