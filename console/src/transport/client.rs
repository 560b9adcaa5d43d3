//! Requests that can be interrupted, over any transport.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
};

use super::{
    Connection, Endpoint, RpcError, TransportError,
    answer::{self, Answer},
    http::HttpConnection,
    ipc::IpcConnection,
    websocket::WebSocketConnection,
};
use crate::{
    interrupt::Interrupt,
    limits::{INTERRUPT_POLL, MAX_ANSWER_BYTES},
};

/// Error of a request.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The node answered with an error.
    #[error(transparent)]
    Node(#[from] RpcError),
    /// The connection failed. The next request connects again.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The user interrupted the wait.
    #[error("interrupted")]
    Interrupted,
}

/// Client of a node: one request at a time, each of which blocks until it is answered or interrupted.
pub struct Client {
    endpoint: Endpoint,
    interrupt: Interrupt,
    link: Option<Link>,
    last_id: u64,
}

/// A connection on a thread of its own, which ends with the link.
struct Link {
    requests: Sender<(u64, String)>,
    answers: Receiver<Result<Answer, TransportError>>,
}

impl Client {
    /// Creates a client, which connects with the first request.
    pub fn new(endpoint: Endpoint, interrupt: Interrupt) -> Self {
        Self {
            endpoint,
            interrupt,
            link: None,
            last_id: 0,
        }
    }

    /// Calls a method with parameters in JSON (an array) and returns the result in JSON.
    ///
    /// # Errors
    /// The node is not reachable or refuses the request, or the user has interrupted.
    pub fn call(&mut self, method: &str, params: &str) -> Result<String, CallError> {
        self.last_id += 1;
        let id = self.last_id;
        let name = serde_json::Value::from(method);
        let request = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{name},"params":{params}}}"#);
        let link = match self.link.take() {
            Some(link) => link,
            None => Link::open(self.endpoint.clone())?,
        };
        // A thread that could not connect has ended, and its answer tells why.
        let _ = link.requests.send((id, request));
        loop {
            match link.answers.recv_timeout(INTERRUPT_POLL) {
                Ok(Ok(answer)) => {
                    self.link = Some(link);
                    return Ok(answer?);
                }
                Ok(Err(error)) => return Err(error.into()),
                Err(RecvTimeoutError::Disconnected) => return Err(TransportError::Closed.into()),
                // The link is given up together with the answer that is on its way.
                Err(RecvTimeoutError::Timeout) if self.interrupt.is_set() => {
                    return Err(CallError::Interrupted);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl Link {
    fn open(endpoint: Endpoint) -> Result<Self, TransportError> {
        let (requests, incoming) = channel::<(u64, String)>();
        let (outgoing, answers) = channel();
        let serve = move || {
            let mut connection = match connect(&endpoint) {
                Ok(connection) => connection,
                Err(error) => {
                    let _ = outgoing.send(Err(error));
                    return;
                }
            };
            while let Ok((id, request)) = incoming.recv() {
                let answer = exchange(connection.as_mut(), id, &request);
                let has_failed = answer.is_err();
                if outgoing.send(answer).is_err() || has_failed {
                    return;
                }
            }
        };
        thread::Builder::new()
            .name("json-rpc".into())
            .spawn(serve)
            .map_err(|error: io::Error| TransportError::Io(error))?;
        Ok(Self { requests, answers })
    }
}

fn connect(endpoint: &Endpoint) -> Result<Box<dyn Connection>, TransportError> {
    Ok(match endpoint {
        Endpoint::Ipc(path) => Box::new(IpcConnection::open(path, MAX_ANSWER_BYTES)?),
        Endpoint::Http(url) => Box::new(HttpConnection::open(url, MAX_ANSWER_BYTES)?),
        Endpoint::WebSocket(url) => Box::new(WebSocketConnection::open(url, MAX_ANSWER_BYTES)?),
    })
}

/// Sends a request and returns its answer. Other messages are skipped.
fn exchange(
    connection: &mut dyn Connection,
    id: u64,
    request: &str,
) -> Result<Answer, TransportError> {
    let mut message = connection.exchange(request)?;
    loop {
        if let Some(answer) = answer::parse(&message, id)? {
            return Ok(answer);
        }
        message = connection.next()?;
    }
}
