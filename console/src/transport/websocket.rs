//! WebSocket: a message for each request and answer.

use std::net::TcpStream;

use rustix::system::uname;
use tungstenite::{
    ClientRequestBuilder, Error, Message, WebSocket,
    client::connect_with_config,
    http::{StatusCode, Uri},
    protocol::WebSocketConfig,
    stream::MaybeTlsStream,
};

use super::{Connection, TransportError};

/// Connection to a WebSocket server.
pub struct WebSocketConnection {
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    max_bytes: usize,
}

impl WebSocketConnection {
    /// Connects to the server at `url`, and follows no redirect. A server that refuses a connection
    /// without an origin is asked again with this machine's.
    ///
    /// # Errors
    /// No server listens there, or it refuses the connection.
    pub fn open(url: &str, max_bytes: usize) -> Result<Self, TransportError> {
        if url.to_ascii_lowercase().starts_with("wss:") {
            // An error means that the process has chosen a provider before.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let socket = match connect(url, None, max_bytes) {
            Err(Error::Http(response)) if response.status() == StatusCode::FORBIDDEN => {
                connect(url, Some(origin_of_this_machine(url)), max_bytes)
            }
            other => other,
        };
        let socket = socket.map_err(|error| failed(error, max_bytes))?;
        Ok(Self { socket, max_bytes })
    }
}

/// Connects with an origin, or without one.
fn connect(
    url: &str,
    origin: Option<String>,
    max_bytes: usize,
) -> Result<WebSocket<MaybeTlsStream<TcpStream>>, Error> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(max_bytes))
        .max_frame_size(Some(max_bytes));
    let uri: Uri = url.parse()?;
    let mut request = ClientRequestBuilder::new(uri);
    if let Some(origin) = origin {
        request = request.with_header("Origin", origin);
    }
    let (socket, _) = connect_with_config(request, Some(config), 0)?;
    Ok(socket)
}

/// Returns the origin that geth's console sends: the name of this machine. Servers of geth 1.8 refuse a
/// connection without an origin, others one with an origin that they do not know.
fn origin_of_this_machine(url: &str) -> String {
    let scheme = if url.to_ascii_lowercase().starts_with("wss:") {
        "https"
    } else {
        "http"
    };
    let name = uname().nodename().to_string_lossy().to_ascii_lowercase();
    format!("{scheme}://{name}")
}

fn failed(error: Error, max_bytes: usize) -> TransportError {
    match error {
        Error::Io(error) => TransportError::Io(error),
        Error::Capacity(_) => TransportError::TooLarge(max_bytes),
        Error::ConnectionClosed | Error::AlreadyClosed => TransportError::Closed,
        other => TransportError::WebSocket(other.to_string()),
    }
}

impl Connection for WebSocketConnection {
    fn exchange(&mut self, request: &str) -> Result<String, TransportError> {
        self.socket
            .send(Message::text(request))
            .map_err(|error| failed(error, self.max_bytes))?;
        self.next()
    }

    fn next(&mut self) -> Result<String, TransportError> {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return Ok(text.as_str().to_owned()),
                Ok(Message::Binary(bytes)) => {
                    return String::from_utf8(bytes.to_vec())
                        .map_err(|error| TransportError::Invalid(error.to_string()));
                }
                Ok(Message::Close(_)) => return Err(TransportError::Closed),
                // Pings are answered by the library.
                Ok(_) => {}
                Err(error) => return Err(failed(error, self.max_bytes)),
            }
        }
    }
}
