//! A UPnP router for tests: SSDP over UDP, and SOAP over HTTP.
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::Sender;
use std::thread;

const DEVICE: &str = r#"<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>
<device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType>
<serviceList><service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>
<serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId><controlURL>/control</controlURL>
<eventSubURL>/events</eventSubURL><SCPDURL>/actions.xml</SCPDURL></service></serviceList>
</device></deviceList></device></deviceList></device></root>"#;

/// The service's actions with their arguments.
const ACTIONS: [(&str, &[&str]); 3] = [
    ("GetExternalIPAddress", &[]),
    (
        "AddPortMapping",
        &[
            "NewRemoteHost",
            "NewExternalPort",
            "NewProtocol",
            "NewInternalPort",
            "NewInternalClient",
            "NewEnabled",
            "NewPortMappingDescription",
            "NewLeaseDuration",
        ],
    ),
    (
        "DeletePortMapping",
        &["NewRemoteHost", "NewExternalPort", "NewProtocol"],
    ),
];

fn actions() -> String {
    let mut list = String::new();
    for (name, arguments) in ACTIONS {
        list += &format!("<action><name>{name}</name><argumentList>");
        for argument in arguments {
            list +=
                &format!("<argument><name>{argument}</name><direction>in</direction></argument>");
        }
        list += "</argumentList></action>";
    }
    format!(
        "<?xml version=\"1.0\"?><scpd xmlns=\"urn:schemas-upnp-org:service-1-0\">\
         <actionList>{list}</actionList></scpd>"
    )
}

/// Returns the text between the tags of an element.
fn element<'a>(text: &'a str, name: &str) -> &'a str {
    let behind = text.split_once(&format!("<{name}>"));
    let value = behind.and_then(|(_, rest)| rest.split_once("</"));
    value.map_or("", |(value, _)| value)
}

/// Starts a router with the external address 8.8.4.4 that sends the requests it gets to `requests`.
/// Returns the address at which it answers searches.
pub(super) fn start(requests: Sender<String>) -> SocketAddr {
    let http = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = http.local_addr().unwrap().port();
    let search = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = search.local_addr().unwrap();
    thread::spawn(move || {
        let mut packet = [0; 2048];
        while let Ok((length, from)) = search.recv_from(&mut packet) {
            let request = String::from_utf8_lossy(&packet[..length]);
            if !request.starts_with("M-SEARCH") {
                continue;
            }
            let answer = format!(
                "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nEXT:\r\n\
                 ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\
                 USN: uuid:0::urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\
                 LOCATION: http://127.0.0.1:{port}/root.xml\r\n\r\n"
            );
            search.send_to(answer.as_bytes(), from).unwrap();
        }
    });
    thread::spawn(move || {
        for stream in http.incoming() {
            serve(stream.unwrap(), &requests);
        }
    });
    address
}

/// Answers one request and closes.
fn serve(stream: TcpStream, requests: &Sender<String>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut line, mut length, mut action) = (String::new(), 0, String::new());
    reader.read_line(&mut line).unwrap();
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).unwrap() == 0 || header == "\r\n" {
            break;
        }
        let (name, value) = header.split_once(':').unwrap_or((&header, ""));
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "soapaction" => {
                let name = value.trim().trim_matches('"').rsplit('#').next();
                action = name.unwrap_or_default().to_owned();
            }
            _ => {}
        }
    }
    let mut request = vec![0; length];
    reader.read_exact(&mut request).unwrap();
    let request = String::from_utf8(request).unwrap();
    let body = match target.as_str() {
        "/root.xml" => DEVICE.to_owned(),
        "/actions.xml" => actions(),
        "/control" => {
            let arguments = [
                "NewProtocol",
                "NewExternalPort",
                "NewInternalClient",
                "NewLeaseDuration",
            ]
            .map(|name| element(&request, name))
            .join(" ");
            let _ = requests.send(format!("{action} {arguments}").trim_end().to_owned());
            format!(
                "<?xml version=\"1.0\"?>\
                 <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
                 <u:{action}Response xmlns:u=\"urn:schemas-upnp-org:service:WANIPConnection:1\">\
                 <NewExternalIPAddress>8.8.4.4</NewExternalIPAddress>\
                 </u:{action}Response></s:Body></s:Envelope>"
            )
        }
        other => panic!("unexpected request target {other}"),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = stream;
    stream.write_all((head + &body).as_bytes()).unwrap();
}
