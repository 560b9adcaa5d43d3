use std::net::Ipv4Addr;

use igd_next::SearchOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

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

/// What a UPnP router says of itself, cut to what a client reads.
const DEVICE: &str = r#"<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device>
<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><deviceList><device>
<deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType><deviceList><device>
<deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType><serviceList><service>
<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>
<SCPDURL>/scpd.xml</SCPDURL><controlURL>/control</controlURL></service></serviceList></device>
</deviceList></device></deviceList></device></root>"#;

/// The actions of its service.
const ACTIONS: &str = r#"<?xml version="1.0"?><scpd xmlns="urn:schemas-upnp-org:service-1-0"><actionList>
<action><name>AddPortMapping</name><argumentList>
<argument><name>NewRemoteHost</name><direction>in</direction></argument>
<argument><name>NewExternalPort</name><direction>in</direction></argument>
<argument><name>NewProtocol</name><direction>in</direction></argument>
<argument><name>NewInternalPort</name><direction>in</direction></argument>
<argument><name>NewInternalClient</name><direction>in</direction></argument>
<argument><name>NewEnabled</name><direction>in</direction></argument>
<argument><name>NewPortMappingDescription</name><direction>in</direction></argument>
<argument><name>NewLeaseDuration</name><direction>in</direction></argument></argumentList></action>
<action><name>DeletePortMapping</name><argumentList>
<argument><name>NewRemoteHost</name><direction>in</direction></argument>
<argument><name>NewExternalPort</name><direction>in</direction></argument>
<argument><name>NewProtocol</name><direction>in</direction></argument></argumentList></action>
</actionList></scpd>"#;

/// A router on the loopback that speaks UPnP: it notes the requests that it gets.
async fn upnp_router(heard: tokio::sync::mpsc::UnboundedSender<String>) -> std::net::SocketAddr {
    let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = http.local_addr().unwrap().port();
    let search = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = search.local_addr().unwrap();
    actix::spawn(async move {
        let mut packet = [0; 2048];
        while let Ok((_, from)) = search.recv_from(&mut packet).await {
            let answer = format!(
                "HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\
                 LOCATION: http://127.0.0.1:{port}/root.xml\r\n\r\n"
            );
            search.send_to(answer.as_bytes(), from).await.unwrap();
        }
    });
    actix::spawn(async move {
        while let Ok((mut stream, _)) = http.accept().await {
            let (mut request, mut buffer) = (String::new(), [0; 4096]);
            // The body ends the request; requests without one end with an empty line.
            loop {
                let count = stream.read(&mut buffer).await.unwrap_or(0);
                request.push_str(&String::from_utf8_lossy(&buffer[..count]));
                let is_whole = request.contains("Envelope>")
                    || request.starts_with("GET") && request.ends_with("\r\n\r\n");
                if count == 0 || is_whole {
                    break;
                }
            }
            let action = |name: &str| {
                format!(
                    "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
                     <u:{name}Response xmlns:u=\"urn:schemas-upnp-org:service:WANIPConnection:1\">\
                     <NewExternalIPAddress>8.8.4.4</NewExternalIPAddress>\
                     </u:{name}Response></s:Body></s:Envelope>"
                )
            };
            let names = [
                "GetExternalIPAddress",
                "AddPortMapping",
                "DeletePortMapping",
            ];
            let named = names
                .into_iter()
                .find(|name| request.contains(&format!("#{name}")));
            let body = match named {
                Some(name) => {
                    heard.send(name.to_owned()).unwrap();
                    action(name)
                }
                None if request.contains("/scpd.xml") => ACTIONS.to_owned(),
                None => DEVICE.to_owned(),
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(body.as_bytes()).await;
        }
    });
    address
}

#[actix_rt::test]
async fn a_upnp_router_tells_the_address_and_opens_and_closes_ports() {
    let (heard, mut log) = tokio::sync::mpsc::unbounded_channel();
    let mut options = SearchOptions::default();
    options.broadcast_address = upnp_router(heard).await;
    let asked = beside(|| {
        let router = Router::find_upnp(options).expect("it answers");
        refresh(Nat::Upnp, Some(Arc::new(router)), vec![Port::Udp(30303)])
    });
    let refreshed = asked.await.unwrap();
    assert_eq!(refreshed.address, Some(IpAddr::from([8, 8, 4, 4])));
    assert_eq!(refreshed.open, [Port::Udp(30303)]);
    let router = refreshed.router.unwrap();
    let closed = beside(move || router.close(Port::Udp(30303)));
    closed.await.unwrap().unwrap();
    for expected in [
        "GetExternalIPAddress",
        "AddPortMapping",
        "DeletePortMapping",
    ] {
        assert_eq!(log.recv().await.unwrap(), expected);
    }
}
