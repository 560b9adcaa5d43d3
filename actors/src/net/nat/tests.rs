mod igd;

use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::mpsc;
use std::time::Duration;

use actoreum_primitives::SecretKey;
use actoreum_wire::p2p::{Capability, Protocol};
use igd_next::SearchOptions;
use tokio::net::UdpSocket;

use super::router::gateway_in;
use super::*;
use crate::net::limits::MAPPING_LIFETIME;
use crate::net::protocol::{Link, ProtocolHandler, SessionExit};
use crate::net::settings::NetworkSettings;
use crate::net::tcp::OsTransport;
use crate::net::transport::ListenAddress;
use actoreum_supervision::{Strategy, SupervisorSpec, TreeOptions};

#[test]
fn geths_nat_forms_are_parsed_and_displayed() {
    for text in [
        "any",
        "none",
        "upnp",
        "pmp",
        "pmp:192.168.0.1",
        "extip:8.8.8.8",
    ] {
        assert_eq!(text.parse::<Nat>().unwrap().to_string(), text);
    }
    for text in ["magic", "extip", "extip:here", "none:1.2.3.4", "pmp:x"] {
        assert!(text.parse::<Nat>().is_err(), "{text}");
    }
}

#[test]
fn the_default_route_names_the_gateway() {
    let routes = "Iface\tDestination\tGateway\tFlags\n\
        eth0\t0000A8C0\t00000000\t0001\n\
        eth0\t00000000\t0100A8C0\t0003\n";
    let expected = Ipv4Addr::from(0x0100_A8C0_u32.to_ne_bytes());
    assert_eq!(gateway_in(routes), Some(expected));
    assert_eq!(gateway_in("Iface\n"), None);
    assert_eq!(gateway_in("x\nlo zz"), None);
}

/// Starts a NAT-PMP router (RFC 6886) on the loopback that reports the ports that it maps and
/// unmaps. Returns `None` where its port is in use.
async fn pmp_router(requests: tokio::sync::mpsc::UnboundedSender<String>) -> Option<()> {
    let socket = UdpSocket::bind("127.0.0.1:5351").await.ok()?;
    actix_rt::spawn(async move {
        let mut packet = [0; 64];
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            let (code, request) = (packet[1], &packet[..length]);
            let mut answer = vec![0, 128 + code, 0, 0, 0, 0, 0, 9];
            if code == 0 {
                answer.extend([8, 8, 4, 4]);
            } else {
                let lifetime = u32::from_be_bytes(request[8..12].try_into().unwrap());
                let inside = u16::from_be_bytes([request[4], request[5]]);
                let name = if code == 1 { "udp" } else { "tcp" };
                requests
                    .send(format!("{name} {inside} for {lifetime}"))
                    .unwrap();
                answer.extend(&request[4..6]);
                let outside = if lifetime == 0 { 0 } else { inside + 1 };
                answer.extend(outside.to_be_bytes());
                answer.extend(lifetime.to_be_bytes());
            }
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    Some(())
}

#[actix_rt::test]
async fn a_nat_pmp_router_gives_the_address_and_maps_ports() {
    let (requests, mut log) = tokio::sync::mpsc::unbounded_channel();
    if pmp_router(requests).await.is_none() {
        println!("skipped: port 5351 is in use");
        return;
    }
    let mut settings = NetworkSettings::new(SecretKey::random(), "test".to_owned());
    settings.discovery_v4 = false;
    settings.nat = Nat::Pmp(Some(Ipv4Addr::LOCALHOST));
    settings.listen = ListenAddress {
        ip: Some(Ipv4Addr::LOCALHOST.into()),
        port: 0,
    };
    let (spec, network) =
        crate::net::assemble(settings, Arc::new(OsTransport::default()), Arc::new(Silent));
    let spec = SupervisorSpec::new("node", Strategy::OneForOne).child(spec);
    let tree = TreeOptions::default().single_thread().start(spec).await;
    let tree = tree.unwrap();
    let port = network.local().endpoint.tcp;
    let opened = format!("tcp {port} for {}", MAPPING_LIFETIME.as_secs());
    assert_eq!(log.recv().await.unwrap(), opened);
    let external = IpAddr::from([8, 8, 4, 4]);
    while network.local().endpoint.address != external {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for _ in 0..2 {
        tokio::time::pause();
        tokio::time::advance(MAPPING_REFRESH).await;
        tokio::time::resume();
        assert_eq!(log.recv().await.unwrap(), opened, "it is mapped again");
        // The actor gets the answer after the router has reported it.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(tree.shutdown().await.is_clean());
    assert_eq!(log.recv().await.unwrap(), format!("tcp {port} for 0"));
}

/// The handler of a protocol that no peer shares.
struct Silent;

impl ProtocolHandler for Silent {
    fn offered(&self) -> Vec<Protocol> {
        let capability = Capability::new("silent", 1);
        vec![Protocol {
            capability,
            length: 1,
        }]
    }

    fn run_session(&self, _: Link) -> Pin<Box<dyn Future<Output = SessionExit>>> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn a_upnp_router_gives_the_address_and_maps_ports() {
    let (requests, log) = mpsc::channel();
    let mut options = SearchOptions::default();
    options.broadcast_address = igd::start(requests);
    // The search accepts a router on the loopback only where its address is allowed explicitly.
    options.allowed_gateway_ips = vec![Ipv4Addr::LOCALHOST.into()];
    let router = Router::find_upnp(options).expect("it answers");
    let ports = vec![Port::Tcp(30303), Port::Udp(30304)];
    let refreshed = refresh(Nat::Upnp, Some(Arc::new(router)), ports.clone());
    assert_eq!(refreshed.address, Some(IpAddr::from([8, 8, 4, 4])));
    assert_eq!(refreshed.open, ports);
    let router = refreshed.router.unwrap();
    router.close(Port::Udp(30304)).unwrap();
    let requests: Vec<String> = log.try_iter().collect();
    let expected = [
        "GetExternalIPAddress",
        "AddPortMapping TCP 30303 127.0.0.1 1200",
        "AddPortMapping UDP 30304 127.0.0.1 1200",
        "DeletePortMapping UDP 30304",
    ];
    assert_eq!(requests, expected);
}
