//! `--maxpendpeers`: connections from many addresses that begin a handshake and stall.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use actoreum_primitives::SecretKey;
use actoreum_wire::nodes::Enode;
use actoreum_wire::rlpx::{Handshake, HandshakeFormat};
use socket2::{Domain, Socket, Type};

use super::crash::PEERS;
use super::{Node, until};
use crate::http;

const PLACES: usize = 4;
const HALF_OPEN: u8 = 14;

/// Connects from the loopback address `127.0.0.last`.
fn connect_from(last: u8, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let own = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0));
    socket.bind(&own.into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.into()
}

/// Returns whether the other side has closed a connection.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 64]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

#[test]
fn half_open_handshakes_are_limited_by_maxpendpeers() {
    let places = PLACES.to_string();
    let more = ["--maxpendpeers", &places, "--admin", "--admin.port", "0"];
    let mut node = Node::start(&more);
    let admin = node.process.wait_for_admin();
    let url = node.enode();
    let public_key = url.parse::<Enode>().unwrap().public_key;
    let (_, auth) = Handshake::initiate(
        SecretKey::random(),
        public_key,
        HandshakeFormat::Eip8,
        [7; 32],
    );
    let mut half_open: Vec<TcpStream> = (0..HALF_OPEN)
        .map(|number| {
            let mut stream = connect_from(100 + number, node.address());
            stream.write_all(&auth[..auth.len() / 2]).unwrap();
            stream
        })
        .collect();
    let at_once = || {
        let peers = http::actor(admin, PEERS).unwrap();
        let connections = peers["children"].as_array().map_or(0, Vec::len);
        connections.saturating_sub(node.peers().len())
    };
    until("the limit is reached", || at_once() == PLACES);
    let honest = Node::start(&[]);
    honest.add(&url);
    until("every half-open connection is closed in turn", || {
        assert!(at_once() <= PLACES, "{} at once", at_once());
        half_open.retain_mut(|stream| !is_closed(stream));
        half_open.is_empty()
    });
    until("an honest node is connected", || {
        node.peer(&honest.id()).is_some()
    });
    assert_eq!(at_once(), 0);
}
