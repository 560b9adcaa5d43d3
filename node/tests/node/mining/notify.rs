//! `--miner.notify`: new work comes over HTTP and over HTTPS, there only to who has a certificate
//! that is trusted.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use serde_json::{Value, json};
use tokio_rustls::rustls::{
    ServerConfig, ServerConnection, StreamOwned, crypto::ring, pki_types::PrivateKeyDer,
};

use super::{PATIENCE, REMOTE, command, end};
use crate::{
    chains::{init, pow_genesis},
    http,
    process::Running,
};

/// What was posted: the request's line and the body, or why nothing could be read.
type Posted = Result<(String, Value), String>;

/// A miner's server, with a certificate for `localhost` where it speaks TLS.
struct Receiving {
    address: SocketAddr,
    posts: Receiver<Posted>,
    /// Of its certificate.
    pem: String,
}

impl Receiving {
    fn start(with_tls: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let pem = made.cert.pem();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let config = with_tls.then(|| Arc::new(config));
        let (sender, posts) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), config.clone(), &sender);
            }
        });
        Self {
            address,
            posts,
            pem,
        }
    }

    fn next(&self) -> Posted {
        self.posts.recv_timeout(PATIENCE).expect("a connection")
    }
}

fn serve(stream: TcpStream, tls: Option<Arc<ServerConfig>>, posts: &Sender<Posted>) {
    let posted = match tls {
        None => read_post(stream),
        Some(config) => {
            let connection = ServerConnection::new(config).unwrap();
            read_post(StreamOwned::new(connection, stream))
        }
    };
    // A test that is over hears no more.
    let _ = posts.send(posted.map_err(|error| error.to_string()));
}

fn read_post(stream: impl Read + Write) -> std::io::Result<(String, Value)> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    Ok((first.trim().to_owned(), serde_json::from_slice(&body)?))
}

/// A node that has remote miners search, and trusts the certificates of a file.
fn mine(datadir: &str, notify: &str, trusted: &Path) -> Running {
    let mut command = command(
        datadir,
        &[&REMOTE[..], &["--miner.notify", notify]].concat(),
    );
    command
        .env("SSL_CERT_FILE", trusted)
        .env_remove("SSL_CERT_DIR");
    Running::start_command(command)
}

#[test]
fn work_is_posted_to_who_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = init(folder.path(), &pow_genesis());
    let (plain, secret) = (Receiving::start(false), Receiving::start(true));
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, &secret.pem).unwrap();
    let urls = format!(
        "http://{}/plain,https://localhost:{}/secret?x=1",
        plain.address,
        secret.address.port()
    );
    let mut node = mine(&datadir, &urls, &trusted);
    let address = node.wait_for_http();
    let (line, over_http) = plain.next().unwrap();
    assert_eq!(line, "POST /plain HTTP/1.1");
    let (line, over_https) = secret.next().unwrap();
    assert_eq!(line, "POST /secret?x=1 HTTP/1.1");
    let parts = over_http.as_array().unwrap();
    assert_eq!(parts.len(), 4);
    // The block's number; what a later block is made of differs.
    assert_eq!((&parts[3], &over_https[3]), (&json!("0x1"), &json!("0x1")));
    let work = http::call(address, "eth_getWork", json!([])).unwrap();
    assert_eq!(work[2], parts[2], "the target");
    end(node);
}

#[test]
fn the_pending_header_is_posted_where_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = init(folder.path(), &pow_genesis());
    let receiver = Receiving::start(false);
    let url = format!("http://{}/", receiver.address);
    let flags = [
        &REMOTE[..],
        &["--miner.notify", &url, "--miner.notify.full"],
    ]
    .concat();
    let mut node = Running::start_command(command(&datadir, &flags));
    let address = node.wait_for_http();
    let (_, header) = receiver.next().unwrap();
    let genesis = http::call(address, "eth_getBlockByNumber", json!(["0x0", false])).unwrap();
    assert_eq!(header["parentHash"], genesis["hash"]);
    assert_eq!(header["number"], "0x1");
    assert_eq!(header["nonce"], "0x0000000000000000");
    assert_eq!(header["baseFeePerGas"], Value::Null);
    for name in [
        "miner",
        "stateRoot",
        "logsBloom",
        "difficulty",
        "extraData",
        "hash",
    ] {
        assert!(header[name].is_string(), "{name}");
    }
    end(node);
}

#[test]
fn work_is_not_posted_to_strangers() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = init(folder.path(), &pow_genesis());
    let (known, stranger) = (Receiving::start(true), Receiving::start(true));
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, &known.pem).unwrap();
    for (host, reason, receiver) in [
        ("localhost", "invalid peer certificate", &stranger),
        // Its certificate is for a name.
        ("127.0.0.1", "certificate not valid for name", &known),
    ] {
        let url = format!("https://{host}:{}/", receiver.address.port());
        let mut node = mine(&datadir, &url, &trusted);
        let line = node.wait_for("not told of new work");
        assert!(line.contains(reason), "{line}");
        assert!(receiver.next().is_err(), "nothing came over");
        end(node);
    }
    let nowhere = folder.path().join("nowhere.pem");
    mine(&datadir, "https://localhost/", &nowhere)
        .wait()
        .fatal(&["--miner.notify", "SSL_CERT_FILE", "nowhere.pem"]);
}

/// A server that answers each connection so, and says when it has been left.
fn answering(answer: fn(TcpStream)) -> (SocketAddr, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, left) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap());
            // A test that is over hears no more.
            let _ = sender.send(());
        }
    });
    (address, left)
}

#[test]
fn a_receiver_that_never_answers_or_never_ends_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = init(folder.path(), &pow_genesis());
    let (silent, left_silent) = answering(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let (endless, left_endless) =
        answering(|mut stream| while stream.write(&[b'x'; 4_096]).is_ok() {});
    let plain = Receiving::start(false);
    let urls = format!(
        "http://{silent}/,http://{endless}/,http://{}/",
        plain.address
    );
    let mut node = mine(&datadir, &urls, Path::new("/dev/null"));
    let address = node.wait_for_http();
    plain.next().unwrap();
    let line = node.wait_for("Timeout while waiting for response");
    assert!(line.contains(&silent.to_string()), "{line}");
    for left in [left_silent, left_endless] {
        left.recv_timeout(PATIENCE).expect("the node hangs up");
    }
    assert!(
        http::call(address, "eth_getWork", json!([]))
            .unwrap()
            .is_array()
    );
    end(node);
}

#[test]
fn a_redirect_to_another_host_is_told_and_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = init(folder.path(), &pow_genesis());
    let elsewhere = Receiving::start(false);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, target) = (listener.local_addr().unwrap(), elsewhere.address);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4_096]);
            let _ = write!(
                stream,
                "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{target}/inside\r\n\
                 content-length: 0\r\n\r\n"
            );
        }
    });
    let mut node = mine(
        &datadir,
        &format!("http://{address}/"),
        Path::new("/dev/null"),
    );
    let line = node.wait_for("redirects are not followed");
    assert!(
        line.contains(&address.to_string()) && line.contains("307"),
        "{line}"
    );
    assert!(elsewhere.posts.try_recv().is_err(), "it was followed");
    end(node);
}
