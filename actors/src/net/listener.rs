//! ListenerActor: accepts inbound connections and limits their concurrent handshakes.
//!
//! | message | effect |
//! |---|---|
//! | `Accepted` | a connection is refused, or waits for a handshake slot |
//! | `SlotReleased` | the handshakes of a connection are over; the next one begins |
//! | `SlotDue` | a handshake may have taken too long for those that wait |
//!
//! A connection needs a handshake slot before it costs more than a socket. While all slots are in
//! use it waits, in the order that `HandshakeSlots` gives. The slot is held by the connection and
//! returned when its handshakes are over, however they end.
//!
//! All messages come from the actor's own streams and timer; other actors send it none.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use actoreum_messages::discovery::LocalNodeChanged;
use actoreum_messages::peer::Direction;
use actoreum_wire::discv4::is_lan;
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use super::handshake_slots::{AddressRange, HandshakeSlot, HandshakeSlots, Waiting};
use super::limits::{ACCEPT_PAUSE, INBOUND_THROTTLE, MAX_THROTTLED_ADDRESSES};
use super::peer::{ConnectionArgs, Connections};
use super::shared::Shared;
use super::transport::{Listen, Wire};
use crate::log_limit::LogLimit;
use actoreum_supervision::{Actor, Ctx, Failure, Handles, Message, Recipient, TaskHandle};

/// An accepted connection. Sent by the socket's stream.
#[derive(Message)]
struct Accepted(Wire);

/// The handshakes of a connection are over, and its slot is free. Sent by the slots' stream.
#[derive(Debug, Message)]
struct SlotReleased(u64);

/// A connection that waits may get a slot now. Sent by the actor's own timer.
#[derive(Debug, Message)]
struct SlotDue;

/// The actor that accepts inbound connections; see the module.
pub struct ListenerActor {
    connections: Connections,
    discovery: Recipient<LocalNodeChanged>,
    listener: Option<Box<dyn Listen>>,
    slots: HandshakeSlots,
    released: Option<mpsc::UnboundedReceiver<u64>>,
    waiting: Waiting<Wire>,
    throttle: Throttle,
    /// The timer for the next look at the slots.
    look_again: Option<TaskHandle>,
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
        match (shared.settings.is_discovering(), shared.settings.udp_port()) {
            (true, 0) => info!(%address, "listening for peers"),
            (is_discovering, port) => {
                if is_discovering {
                    shared.local.set_udp(port);
                }
                info!(%address, enode = %shared.local.info().enode, "listening for peers");
            }
        }
        let (slots, released) = HandshakeSlots::new(shared.settings.max_pending);
        Ok(Self {
            connections,
            discovery,
            listener: Some(listener),
            slots,
            released: Some(released),
            waiting: Waiting::default(),
            throttle: Throttle::default(),
            look_again: None,
        })
    }

    /// Begins the handshakes of the connections that wait, for as long as there are slots.
    fn begin_handshakes(&mut self, ctx: &mut Ctx<Self>) {
        if let Some(timer) = self.look_again.take() {
            timer.cancel();
        }
        let now = Instant::now();
        while let Some((index, range)) = self.waiting.next(&self.slots) {
            match self.slots.take(range, now) {
                Ok(slot) => {
                    let wire = self.waiting.remove(index);
                    ctx.spawn(begin(self.connections.clone(), wire, slot));
                }
                Err(then) => {
                    let pause = then.saturating_duration_since(now);
                    self.look_again = Some(ctx.notify_after(pause, SlotDue));
                    return;
                }
            }
        }
    }
}

impl Actor for ListenerActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let listener = self.listener.take().ok_or("a listener listens once")?;
        let released = self.released.take().ok_or("a listener listens once")?;
        // Where discovery is off, no other actor needs the port.
        let _ = self.discovery.tell(LocalNodeChanged);
        ctx.attach(stream::unfold(released, |mut released| async move {
            let id = released.recv().await?;
            Some((SlotReleased(id), released))
        }));
        ctx.attach(stream::unfold(listener, |mut listener| async move {
            let wire = accept(listener.as_mut()).await;
            Some((Accepted(wire), listener))
        }));
        Ok(())
    }
}

impl Handles<Accepted> for ListenerActor {
    type Answer = ();

    fn handle(&mut self, Accepted(wire): Accepted, ctx: &mut Ctx<Self>) {
        if is_welcome(&self.connections.shared, &mut self.throttle, &wire) {
            self.waiting.push(AddressRange::of(wire.remote.ip()), wire);
            self.begin_handshakes(ctx);
        }
    }
}

impl Handles<SlotReleased> for ListenerActor {
    type Answer = ();

    fn handle(&mut self, SlotReleased(id): SlotReleased, ctx: &mut Ctx<Self>) {
        self.slots.release(id);
        self.begin_handshakes(ctx);
    }
}

impl Handles<SlotDue> for ListenerActor {
    type Answer = ();

    fn handle(&mut self, _: SlotDue, ctx: &mut Ctx<Self>) {
        self.begin_handshakes(ctx);
    }
}

/// Waits for the next connection, however often that fails.
async fn accept(listener: &mut dyn Listen) -> Wire {
    loop {
        match listener.accept().await {
            Ok(wire) => return wire,
            Err(error) => {
                if let Some(suppressed) = NOT_ACCEPTED.admit() {
                    warn!(%error, suppressed, "connection not accepted");
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The limit on the listener's log lines that remote hosts can cause.
static NOT_ACCEPTED: LogLimit = LogLimit::new();

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

async fn begin(connections: Connections, wire: Wire, slot: HandshakeSlot) {
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
