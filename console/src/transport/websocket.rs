//! WebSocket: a message for each request and answer.

use std::net::TcpStream;

use tungstenite::{
    Error, Message, WebSocket, client::connect_with_config, protocol::WebSocketConfig,
    stream::MaybeTlsStream,
};

use super::{Connection, TransportError};

/// Connection to a WebSocket server, without an origin.
pub struct WebSocketConnection {
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    max_bytes: usize,
}

impl WebSocketConnection {
    /// Connects to the server at `url`, and follows no redirect.
    ///
    /// # Errors
    /// No server listens there, or it refuses the connection.
    pub fn open(url: &str, max_bytes: usize) -> Result<Self, TransportError> {
        if url.to_ascii_lowercase().starts_with("wss:") {
            // An error means that the process has chosen a provider before.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(max_bytes))
            .max_frame_size(Some(max_bytes));
        let (socket, _) =
            connect_with_config(url, Some(config), 0).map_err(|error| failed(error, max_bytes))?;
        Ok(Self { socket, max_bytes })
    }
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
