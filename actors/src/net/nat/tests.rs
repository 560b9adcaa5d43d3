use std::net::Ipv4Addr;

use tokio::net::UdpSocket;

use super::router::gateway_in;
use super::*;

#[test]
fn geths_forms_are_read_and_written() {
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

/// A router on the loopback that speaks NAT-PMP (RFC 6886): it notes the ports that it opens and
/// closes. `None` where its port is taken.
async fn pmp_router(heard: tokio::sync::mpsc::UnboundedSender<String>) -> Option<()> {
    let socket = UdpSocket::bind("127.0.0.1:5351").await.ok()?;
    actix::spawn(async move {
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
                heard
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
async fn a_nat_pmp_router_tells_the_address_and_opens_and_closes_ports() {
    let (heard, mut log) = tokio::sync::mpsc::unbounded_channel();
    if pmp_router(heard).await.is_none() {
        println!("skipped: port 5351 is taken");
        return;
    }
    let ports = vec![Port::Tcp(30303), Port::Udp(30304)];
    let nat = Nat::Pmp(Some(Ipv4Addr::LOCALHOST));
    let asked = beside(move || refresh(nat, None, ports));
    let refreshed = asked.await.unwrap();
    assert_eq!(refreshed.address, Some(IpAddr::from([8, 8, 4, 4])));
    assert_eq!(refreshed.open, [Port::Tcp(30303), Port::Udp(30304)]);
    assert_eq!(log.recv().await.unwrap(), "tcp 30303 for 1200");
    assert_eq!(log.recv().await.unwrap(), "udp 30304 for 1200");
    let router = refreshed.router.unwrap();
    let closed = beside(move || router.close(Port::Tcp(30303)));
    closed.await.unwrap().unwrap();
    assert_eq!(log.recv().await.unwrap(), "tcp 30303 for 0");
}
