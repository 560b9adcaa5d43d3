//! Repeated crashes of `NatActor` while the node is busy: the ports stay open at the router, and no
//! connection is lost.

use std::fs;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use parking_lot::Mutex;

use super::crash::{descriptors, disturb, generation};
use super::{Node, until};
use crate::browser::Page;
use crate::http;

const NAT: &str = "node/network/nat";
/// A loopback address that the router of no other test uses.
const ROUTER: &str = "127.0.0.77";
/// The external address that the router reports.
const OUTSIDE: &str = "8.8.4.4";
const CRASHES: usize = 4;

/// A request for a port mapping: protocol, port, and lifetime in seconds; 0 closes the port.
type Mapping = (&'static str, u16, u32);

/// A router that speaks NAT-PMP (RFC 6886).
#[derive(Clone, Default)]
struct Router {
    mappings: Arc<Mutex<Vec<Mapping>>>,
    is_silent: Arc<AtomicBool>,
    has_ignored_request: Arc<AtomicBool>,
}

impl Router {
    /// Starts the router; `None` if its port is taken.
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
                self.has_ignored_request.store(true, Relaxed);
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
                self.mappings.lock().push((protocol, port, seconds));
                let outside = if seconds == 0 { 0 } else { port };
                answer.extend(&request[4..6]);
                answer.extend(outside.to_be_bytes());
                answer.extend(seconds.to_be_bytes());
            }
            let _ = socket.send_to(&answer, from);
        }
    }

    /// Returns how often a port was opened.
    fn opened(&self, protocol: &str, port: u16) -> usize {
        let mappings = self.mappings.lock();
        let is_opening = |it: &&Mapping| it.0 == protocol && it.1 == port && it.2 > 0;
        mappings.iter().filter(is_opening).count()
    }

    /// Returns whether the last request for a port closed it.
    fn is_closed(&self, protocol: &str, port: u16) -> bool {
        let mappings = self.mappings.lock();
        let mut about = mappings
            .iter()
            .filter(|it| it.0 == protocol && it.1 == port);
        about.next_back().is_some_and(|it| it.2 == 0)
    }
}

/// Returns the number of threads of a node that wait for the router.
fn asking(node: &Node) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", node.process.id())).unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "router").count()
}

#[test]
fn a_nat_actor_that_crashes_under_load_reopens_the_ports() {
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
    until("all peers are connected", || {
        hub.peers().len() == others.len()
    });
    let sockets = || -> Vec<_> {
        let of = |other: &Node| {
            hub.peer(&other.id())
                .map(|it| it["network"]["localAddress"].clone())
        };
        others.iter().map(of).collect()
    };
    let connections = sockets();
    until("no request to the router is pending", || asking(&hub) == 0);
    let before = descriptors(&hub);

    let is_over = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&is_over);
    let disturbing = thread::spawn(move || disturb(to, discovery, &stop));
    let crash = || {
        until("the actor is running", || generation(admin, NAT).is_some());
        let generation_before = generation(admin, NAT);
        until("the actor is crashed", || http::crash(admin, NAT).unwrap());
        until("the actor is restarted", || {
            generation(admin, NAT) > generation_before
        });
    };
    for _ in 0..CRASHES {
        let opened_before = opened();
        crash();
        until("the ports are opened again", || opened() > opened_before);
        assert_eq!(hub.info()["ip"], OUTSIDE);
    }
    // The actor also crashes while it waits for an answer.
    router.is_silent.store(true, Relaxed);
    for _ in 0..CRASHES {
        router.has_ignored_request.store(false, Relaxed);
        crash();
        until("the router is asked", || {
            router.has_ignored_request.load(Relaxed)
        });
    }
    router.is_silent.store(false, Relaxed);
    let opened_before = opened();
    crash();
    until("the ports are open again", || opened() > opened_before);
    is_over.store(true, Relaxed);
    disturbing.join().unwrap();

    assert_eq!(sockets(), connections, "no connection was lost");
    until("no thread and no descriptor is left", || {
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
