//! ListenerActor: takes connections, a few at a time.
//!
//! A connection needs a place among the handshakes before it costs more than a socket. With all in
//! use it waits, in the order that `places` gives. The place goes with the connection and comes
//! back when its handshakes are over, however they end.
//!
//! It takes no messages; its work is one loop, whose end is its failure.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use actoreum_messages::discovery::LocalNodeChanged;
use actoreum_wire::discv4::is_lan;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, info, warn};

use super::Shared;
use super::limits::{ACCEPT_PAUSE, INBOUND_THROTTLE, THROTTLED_ADDRESSES};
use super::peer::{self, Beginning, Direction};
use super::places::{AddressRange, Place, Places, Waiting};
use super::transport::{Listen, Wire};
use crate::log_limit::LogLimit;
use crate::supervision::{Actor, Ctx, Failure};

/// See the module.
pub struct ListenerActor {
    shared: Arc<Shared>,
    listener: Option<Box<dyn Listen>>,
}

impl ListenerActor {
    /// An actor that listens where the settings say.
    ///
    /// # Errors
    /// Where the port is taken.
    pub(super) fn open(shared: Arc<Shared>) -> Result<Self, Failure> {
        let listener = shared.transport.listen(shared.listen_address())?;
        let address = listener.address();
        shared.local.set_tcp(address.port());
        // Discovery binds its port next: the URL in the log has that one, or where any free port
        // will do, discovery tells the URL.
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
            shared,
            listener: Some(listener),
        })
    }
}

impl Actor for ListenerActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let listener = self.listener.take().ok_or("a listener listens once")?;
        // Where discovery is off nobody else needs to know.
        let _ = self.shared.discovery.tell(LocalNodeChanged);
        let accepting = accept(Arc::clone(&self.shared), listener);
        ctx.spawn_then(accepting, |_, (), ctx| {
            ctx.fail("nobody accepts connections any more");
        });
        Ok(())
    }
}

async fn accept(shared: Arc<Shared>, mut listener: Box<dyn Listen>) {
    let (mut places, mut released) = Places::new(shared.settings.max_pending);
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
            Some(id) = released.recv() => places.release(id),
            () = is_due => {}
            accepted = listener.accept() => match accepted {
                Ok(wire) => {
                    if is_welcome(&shared, &mut throttle, &wire) {
                        waiting.push(AddressRange::of(wire.remote.ip()), wire);
                    }
                }
                Err(error) => {
                    if let Some(left_out) = NOT_ACCEPTED.admit() {
                        warn!(%error, left_out, "connection not accepted");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
        release_all(&mut places, &mut released);
        look_again = None;
        while let Some((index, range)) = waiting.next(&places) {
            match places.take(range, Instant::now()) {
                Ok(place) => begin(&shared, waiting.remove(index), place).await,
                Err(then) => {
                    look_again = Some(then);
                    break;
                }
            }
        }
    }
}

/// The listener's lines in the log that others can cause.
static NOT_ACCEPTED: LogLimit = LogLimit::new();

fn release_all(places: &mut Places, released: &mut mpsc::UnboundedReceiver<u64>) {
    while let Ok(id) = released.try_recv() {
        places.release(id);
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

async fn begin(shared: &Arc<Shared>, wire: Wire, place: Place) {
    let remote = wire.remote;
    let beginning = Beginning {
        wire,
        direction: Direction::Inbound,
        expected: None,
        place: Some(place),
        set_up: None,
    };
    let started = shared.connections.start(peer::child(shared, beginning));
    if let Err(error) = started.await
        && let Some(left_out) = NOT_ACCEPTED.admit()
    {
        warn!(%remote, %error, left_out, "connection not taken");
    }
}

/// Which addresses connected a short while ago. Local networks are not limited.
#[derive(Debug, Default)]
struct Throttle {
    until: HashMap<IpAddr, Instant>,
    /// The same, first to end first.
    order: VecDeque<(Instant, IpAddr)>,
}

impl Throttle {
    fn admits(&mut self, address: IpAddr, now: Instant) -> bool {
        let address = address.to_canonical();
        if is_lan(address) {
            return true;
        }
        while let Some((until, first)) = self.order.front().copied() {
            let is_over = until <= now || self.order.len() >= THROTTLED_ADDRESSES;
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
    fn an_address_outside_connects_once_in_its_time_and_one_inside_as_it_likes() {
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
    fn its_memory_is_bounded() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..10_000_u32 {
            let address = IpAddr::from((0x0800_0000 + number).to_be_bytes());
            assert!(throttle.admits(address, now));
        }
        assert!(throttle.until.len() <= THROTTLED_ADDRESSES);
        assert_eq!(throttle.until.len(), throttle.order.len());
    }
}
