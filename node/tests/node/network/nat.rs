//! NatActor crashes, again and again, while the node is busy: the ports are open at the router, and
//! nobody loses a connection.

use std::fs;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use parking_lot::Mutex;

use super::crash::{annoy, descriptors, generation};
use super::{Node, until};
use crate::browser::Page;
use crate::http;

const NAT: &str = "node/network/nat";
/// An address of the loopback that no other test's router has.
const ROUTER: &str = "127.0.0.77";
/// What the router says that the outside address is.
const OUTSIDE: &str = "8.8.4.4";
const CRASHES: usize = 4;

/// Protocol, port, and seconds that it shall stay open; none: it is closed.
type Wish = (&'static str, u16, u32);

/// A router that speaks NAT-PMP (RFC 6886).
#[derive(Clone, Default)]
struct Router {
    heard: Arc<Mutex<Vec<Wish>>>,
    is_silent: Arc<AtomicBool>,
    asked_in_vain: Arc<AtomicBool>,
}

impl Router {
    /// `None` where something else has its port.
    fn start() -> Option<Self> {
        let socket = UdpSocket::bind((ROUTER, 5351)).ok()?;
        let router = Self::default();
        let serving = router.clone();
        thread::spawn(move || serving.serve(&socket));
        Some(router)
    }

    fn serve(&self, socket: &UdpSocket) {
        let mut packet = [0; 64];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            if self.is_silent.load(Relaxed) {
                self.asked_in_vain.store(true, Relaxed);
                continue;
            }
            let (code, request) = (packet[1], &packet[..length]);
            let mut answer = vec![0, 128 + code, 0, 0, 0, 0, 0, 9];
            if code == 0 {
                answer.extend([8, 8, 4, 4]);
            } else {
                let port = u16::from_be_bytes([request[4], request[5]]);
                let seconds = u32::from_be_bytes(request[8..12].try_into().unwrap());
                let protocol = if code == 1 { "udp" } else { "tcp" };
                self.heard.lock().push((protocol, port, seconds));
                let outside = if seconds == 0 { 0 } else { port };
                answer.extend(&request[4..6]);
                answer.extend(outside.to_be_bytes());
                answer.extend(seconds.to_be_bytes());
            }
            let _ = socket.send_to(&answer, from);
        }
    }

    /// How often a port was opened.
    fn opened(&self, protocol: &str, port: u16) -> usize {
        let heard = self.heard.lock();
        let is_meant = |it: &&Wish| it.0 == protocol && it.1 == port && it.2 > 0;
        heard.iter().filter(is_meant).count()
    }

    /// Whether the last that was heard of a port is that it be closed.
    fn is_closed(&self, protocol: &str, port: u16) -> bool {
        let heard = self.heard.lock();
        let mut about = heard.iter().filter(|it| it.0 == protocol && it.1 == port);
        about.next_back().is_some_and(|it| it.2 == 0)
    }
}

/// Threads of a process that ask the router.
fn asking(node: &Node) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", node.process.id())).unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "router").count()
}

#[test]
fn a_nat_actor_that_crashes_under_load_opens_the_ports_again() {
    let Some(router) = Router::start() else {
        println!("skipped: port 5351 of {ROUTER} is taken");
        return;
    };
    let folder = || tempfile::tempdir().unwrap();
    let nat = format!("pmp:{ROUTER}");
    let mut hub = Node::start_in(
        folder(),
        &["--nat", &nat, "--admin.chaos", "--admin.port", "0"],
    );
    let admin = hub.process.wait_for_admin();
    let (to, discovery) = (hub.address(), hub.discovery());
    let opened = || {
        let (tcp, udp) = (to.port(), discovery.port());
        router.opened("tcp", tcp).min(router.opened("udp", udp))
    };
    until("both ports are open", || opened() > 0);
    until("the address is known", || hub.info()["ip"] == OUTSIDE);
    let others: Vec<Node> = (0..3).map(|_| Node::start(&[])).collect();
    for other in &others {
        hub.add(&other.enode());
    }
    until("the network stands", || hub.peers().len() == others.len());
    let sockets = || -> Vec<_> {
        let of = |other: &Node| {
            hub.peer(&other.id())
                .map(|it| it["network"]["localAddress"].clone())
        };
        others.iter().map(of).collect()
    };
    let connections = sockets();
    until("nothing is asked any more", || asking(&hub) == 0);
    let before = descriptors(&hub);

    let is_over = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&is_over);
    let annoying = thread::spawn(move || annoy(to, discovery, &stop));
    let crash = || {
        until("it is up", || generation(admin, NAT).is_some());
        let generation_before = generation(admin, NAT);
        until("it is up to be crashed", || {
            http::crash(admin, NAT).unwrap()
        });
        until("it is up again", || {
            generation(admin, NAT) > generation_before
        });
    };
    for _ in 0..CRASHES {
        let opened_before = opened();
        crash();
        until("the ports are opened anew", || opened() > opened_before);
        assert_eq!(hub.info()["ip"], OUTSIDE);
    }
    // While it waits for an answer, too.
    router.is_silent.store(true, Relaxed);
    for _ in 0..CRASHES {
        router.asked_in_vain.store(false, Relaxed);
        crash();
        until("it asks", || router.asked_in_vain.load(Relaxed));
    }
    router.is_silent.store(false, Relaxed);
    let opened_before = opened();
    crash();
    until("the ports are open again", || opened() > opened_before);
    is_over.store(true, Relaxed);
    annoying.join().unwrap();

    assert_eq!(sockets(), connections, "no connection was lost");
    until("nothing is left over", || {
        asking(&hub) == 0 && descriptors(&hub) <= before
    });
    if let Some(mut page) = Page::open(&format!("http://{admin}")) {
        page.wait_for(&format!(
            "Number([...document.querySelectorAll('[data-path=\"{NAT}\"] .num')]\
             .find((it) => it.firstChild.textContent === 'restarts')?.lastChild.textContent) > {}",
            2 * CRASHES
        ));
    }
    hub.stop();
    assert!(router.is_closed("tcp", to.port()) && router.is_closed("udp", discovery.port()));
}
