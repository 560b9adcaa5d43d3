//! `--miner.notify`: new work is posted over HTTP, and over HTTPS to receivers with a trusted
//! certificate.

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

use super::{REMOTE, TIMEOUT, command, end};
use crate::{
    chains::{init, pow_genesis},
    http,
    process::Running,
};

/// Request line and body of a post, or the error that prevented reading it.
type PostResult = Result<(String, Value), String>;

/// A remote miner's HTTP server. With TLS it has a certificate for `localhost`.
struct NotifyServer {
    address: SocketAddr,
    posts: Receiver<PostResult>,
    /// The certificate in PEM.
    pem: String,
}

impl NotifyServer {
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

    fn next(&self) -> PostResult {
        self.posts.recv_timeout(TIMEOUT).expect("a connection")
    }
}

fn serve(stream: TcpStream, tls: Option<Arc<ServerConfig>>, posts: &Sender<PostResult>) {
    let posted = match tls {
        None => read_post(stream),
        Some(config) => {
            let connection = ServerConnection::new(config).unwrap();
            read_post(StreamOwned::new(connection, stream))
        }
    };
    // The test may have ended.
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

/// Starts a node for remote miners that trusts the certificates in the file `trusted`.
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
fn work_is_posted_to_trusted_receivers() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = init(folder.path(), &pow_genesis());
    let (plain, secret) = (NotifyServer::start(false), NotifyServer::start(true));
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
    // The block's number is equal. The other parts may be of different candidate blocks.
    assert_eq!((&parts[3], &over_https[3]), (&json!("0x1"), &json!("0x1")));
    let work = http::call(address, "eth_getWork", json!([])).unwrap();
    assert_eq!(work[2], parts[2], "the target");
    end(node);
}

#[test]
fn miner_notify_full_posts_the_pending_header() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = init(folder.path(), &pow_genesis());
    let receiver = NotifyServer::start(false);
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
fn work_is_not_posted_to_untrusted_receivers() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = init(folder.path(), &pow_genesis());
    let (known, untrusted) = (NotifyServer::start(true), NotifyServer::start(true));
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, &known.pem).unwrap();
    for (host, reason, receiver) in [
        ("localhost", "invalid peer certificate", &untrusted),
        // Its certificate is for the name `localhost`.
        ("127.0.0.1", "certificate not valid for name", &known),
    ] {
        let url = format!("https://{host}:{}/", receiver.address.port());
        let mut node = mine(&datadir, &url, &trusted);
        let line = node.wait_for("failed to notify remote miner");
        assert!(line.contains(reason), "{line}");
        assert!(receiver.next().is_err(), "no request arrived");
        end(node);
    }
    let nowhere = folder.path().join("nowhere.pem");
    mine(&datadir, "https://localhost/", &nowhere)
        .wait()
        .fatal(&["--miner.notify", "SSL_CERT_FILE", "nowhere.pem"]);
}

/// Starts a server that answers each connection with `answer`; the receiver reports each connection
/// that the node closed.
fn answering(answer: fn(TcpStream)) -> (SocketAddr, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, left) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap());
            // The test may have ended.
            let _ = sender.send(());
        }
    });
    (address, left)
}

#[test]
fn silent_and_endless_work_receivers_delay_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = init(folder.path(), &pow_genesis());
    let (silent, closed_silent) = answering(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let (endless, closed_endless) =
        answering(|mut stream| while stream.write(&[b'x'; 4_096]).is_ok() {});
    let plain = NotifyServer::start(false);
    let urls = format!(
        "http://{silent}/,http://{endless}/,http://{}/",
        plain.address
    );
    let mut node = mine(&datadir, &urls, Path::new("/dev/null"));
    let address = node.wait_for_http();
    plain.next().unwrap();
    let line = node.wait_for("Timeout while waiting for response");
    assert!(line.contains(&silent.to_string()), "{line}");
    for left in [closed_silent, closed_endless] {
        left.recv_timeout(TIMEOUT)
            .expect("the node closes the connection");
    }
    assert!(
        http::call(address, "eth_getWork", json!([]))
            .unwrap()
            .is_array()
    );
    end(node);
}

#[test]
fn a_redirect_to_another_host_is_logged_and_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = init(folder.path(), &pow_genesis());
    let elsewhere = NotifyServer::start(false);
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
    assert!(
        elsewhere.posts.try_recv().is_err(),
        "the redirect was followed"
    );
    end(node);
}
