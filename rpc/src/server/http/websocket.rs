//! JSON-RPC over WebSocket: upgrades an HTTP request to a connection.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::{Method as Verb, StatusCode, header};
use actix_web::web::{Bytes, BytesMut, Payload};
use actix_web::{HttpRequest, HttpResponse};
use actix_ws::{CloseCode, CloseReason, Item, Message, MessageStream, ProtocolError, Session};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use super::Origins;
use super::deadlines::RequestInProgress;
use super::response::{refusal, text};
use crate::server::connection::figures::{Figures, OpenConnections, Reported, Reporter};
use crate::server::connection::{self, ClientGone, Incoming, Reason, Writer};
use crate::server::dispatch::Dispatcher;
use crate::server::limits::{MAX_MISSED_PINGS, PING_PERIOD, READ_TIMEOUT};
use crate::server::quota::ClientQuota;

/// The WebSocket endpoint of a server.
pub struct WsEndpoint<C> {
    /// The dispatcher of its requests.
    pub dispatcher: Arc<Dispatcher<C>>,
    /// The origins whose pages may connect. A client without an origin is not a page. A rule
    /// without a port matches every port.
    pub origins: Origins,
}

impl<C> Clone for WsEndpoint<C> {
    fn clone(&self) -> Self {
        Self {
            dispatcher: Arc::clone(&self.dispatcher),
            origins: self.origins.clone(),
        }
    }
}

/// Returns whether a request asks for a WebSocket.
pub(super) fn is_upgrade(request: &HttpRequest) -> bool {
    *request.method() == Verb::GET
        && text(request.headers(), &header::UPGRADE)
            .is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

/// The means to upgrade requests to connections, which the workers of a server share.
pub(super) struct Upgrades {
    message_bytes: usize,
    /// The quota that counts the bytes of the connections.
    quota: ClientQuota,
    /// True when the server is about to end.
    closing: watch::Receiver<bool>,
    connections: OpenConnections,
    reporter: Option<Reporter>,
}

impl Upgrades {
    /// Creates the means for messages of at most `message_bytes`.
    pub(super) fn new(
        message_bytes: usize,
        quota: ClientQuota,
        closing: watch::Receiver<bool>,
        connections: &OpenConnections,
        reporter: Option<Reporter>,
    ) -> Self {
        Self {
            message_bytes,
            quota,
            closing,
            reporter,
            connections: connections.clone(),
        }
    }

    /// Upgrades a request to a connection if its origin is allowed.
    pub(super) fn upgrade<C: Send + Sync + 'static>(
        &self,
        request: &HttpRequest,
        payload: Payload,
        endpoint: &WsEndpoint<C>,
    ) -> HttpResponse {
        let serving = RequestInProgress::begin(request);
        if let Some(origin) = text(request.headers(), &header::ORIGIN)
            && !accepts(&endpoint.origins, origin)
        {
            let shown = crate::error::truncate(origin, crate::server::limits::MAX_ECHOED_NAME);
            return refusal(
                StatusCode::FORBIDDEN,
                &format!("origin {shown} not allowed"),
            );
        }
        let (response, session, stream) = match actix_ws::handle(request, payload) {
            Ok(taken) => taken,
            Err(error) => return error.error_response(),
        };
        let id = self.connections.next_id();
        let figures = Figures::new(id, request.peer_addr());
        let reported = Reported::open(figures, self.reporter.clone());
        let close_code = Rc::new(Cell::new(None));
        let reader = Reader::new(
            stream.max_frame_size(self.message_bytes),
            session.clone(),
            self.message_bytes,
            self.closing.clone(),
            Rc::clone(&close_code),
        );
        let writer = WsWriter {
            session,
            close_code,
        };
        let (dispatcher, quota) = (Arc::clone(&endpoint.dispatcher), self.quota.clone());
        actix_web::rt::spawn(async move {
            let _serving = serving;
            let figures = Arc::clone(&reported.figures);
            let messages = Box::pin(messages(reader));
            connection::serve(&dispatcher, messages, writer, &quota, figures).await;
        });
        response
    }
}

/// Returns whether a page of `origin` may connect.
fn accepts(origins: &Origins, origin: &str) -> bool {
    origins.accepts(origin) || origins.accepts(without_port(origin))
}

fn without_port(origin: &str) -> &str {
    match origin.rsplit_once(':') {
        Some((rest, port))
            if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            rest
        }
        _ => origin,
    }
}

/// The code with which a connection is closed because of its client.
type CloseCodeCell = Rc<Cell<Option<CloseCode>>>;

/// The reading half of a connection.
struct Reader {
    stream: MessageStream,
    session: Session,
    pings: Interval,
    /// The number of pings since the last frame of the client.
    unanswered: u32,
    /// The received frames of a message that arrives in several frames.
    partial: BytesMut,
    /// The deadline of that message.
    due: Option<Instant>,
    limit: usize,
    closing: watch::Receiver<bool>,
    is_closing: bool,
    close_code: CloseCodeCell,
}

/// Returns the client's messages, until the client closes, breaks the protocol, goes silent, or is
/// too slow with a message. Answers and sends pings meanwhile. When the server stops, it accepts no
/// more messages.
fn messages(reader: Reader) -> impl Stream<Item = Incoming> {
    unfold(reader, |mut reader| async move {
        let incoming = reader.next().await?;
        Some((incoming, reader))
    })
}

impl Reader {
    fn new(
        stream: MessageStream,
        session: Session,
        limit: usize,
        closing: watch::Receiver<bool>,
        close_code: CloseCodeCell,
    ) -> Self {
        let mut pings = interval(PING_PERIOD);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pings.reset();
        Self {
            stream,
            session,
            pings,
            unanswered: 0,
            partial: BytesMut::new(),
            due: None,
            limit,
            closing,
            is_closing: false,
            close_code,
        }
    }

    /// Returns the next message; `None` at the end of the connection.
    async fn next(&mut self) -> Option<Incoming> {
        loop {
            let due = self.due;
            let message = tokio::select! {
                message = self.stream.recv() => message?,
                // An error means that the sender was dropped, and the server with it.
                _ = self.closing.wait_for(|is_closing| *is_closing), if !self.is_closing => {
                    self.is_closing = true;
                    return Some(Incoming::End);
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.close_code.set(Some(CloseCode::Policy));
                    return None;
                }
                _ = self.pings.tick() => {
                    self.unanswered += 1;
                    let is_silent = self.unanswered > MAX_MISSED_PINGS;
                    if is_silent || self.session.ping(b"").await.is_err() {
                        return None;
                    }
                    continue;
                }
            };
            self.unanswered = 0;
            match message {
                Ok(Message::Text(text)) => return Some(Incoming::Message(text.into_bytes())),
                Ok(Message::Binary(bytes)) => return Some(Incoming::Message(bytes)),
                Ok(Message::Continuation(item)) => {
                    if let Some(whole) = self.join(item)? {
                        return Some(Incoming::Message(whole));
                    }
                }
                Ok(Message::Ping(payload)) => self.session.pong(&payload).await.ok()?,
                Ok(Message::Pong(_) | Message::Nop) => {}
                // The code is echoed, as RFC 6455 and geth's library require.
                Ok(Message::Close(reason)) => {
                    self.close_code.set(reason.map(|reason| reason.code));
                    return None;
                }
                Err(error) => {
                    tracing::debug!(%error, "websocket protocol broken");
                    self.close_code.set(Some(match error {
                        ProtocolError::Overflow => CloseCode::Size,
                        _ => CloseCode::Protocol,
                    }));
                    return None;
                }
            }
        }
    }

    /// Adds a frame of a message that arrives in several frames. Returns the message if the frame
    /// was its last; the outer `None` ends the connection.
    fn join(&mut self, item: Item) -> Option<Option<Bytes>> {
        let (frame, is_last) = match item {
            Item::FirstText(frame) | Item::FirstBinary(frame) => {
                self.partial.clear();
                self.due = Some(Instant::now() + READ_TIMEOUT);
                (frame, false)
            }
            Item::Continue(frame) => (frame, false),
            Item::Last(frame) => (frame, true),
        };
        if self.partial.len() + frame.len() > self.limit {
            self.close_code.set(Some(CloseCode::Size));
            return None;
        }
        self.partial.extend_from_slice(&frame);
        if is_last {
            self.due = None;
        }
        Some(is_last.then(|| self.partial.split().freeze()))
    }
}

/// Maximum size of a frame that is sent, in bytes. A longer message is sent in several frames, as by
/// geth.
///
/// The frames that leave the queue of the connection wait in a channel of 32 frames, whose bytes are
/// not counted, until the client reads. Whole messages would take hundreds of megabytes there.
const MAX_FRAME_BYTES: usize = 64 * 1024;

struct WsWriter {
    session: Session,
    close_code: CloseCodeCell,
}

impl Writer for WsWriter {
    async fn write(&mut self, mut message: Vec<u8>) -> Result<(), ClientGone> {
        // A frame needs no line feed.
        message.pop_if(|last| *last == b'\n');
        let text = String::from_utf8(message).map_err(|_| ClientGone)?;
        if text.len() <= MAX_FRAME_BYTES {
            return self.session.text(text).await.map_err(|_| ClientGone);
        }
        // Each frame is a copy, so that none of them holds the memory of the whole message.
        let chunks = text.as_bytes().chunks(MAX_FRAME_BYTES);
        let mut chunks = chunks.map(Bytes::copy_from_slice).peekable();
        let mut is_first = true;
        while let Some(chunk) = chunks.next() {
            let frame = if std::mem::take(&mut is_first) {
                Item::FirstText(chunk)
            } else if chunks.peek().is_some() {
                Item::Continue(chunk)
            } else {
                Item::Last(chunk)
            };
            let sent = self.session.continuation(frame).await;
            sent.map_err(|_| ClientGone)?;
        }
        Ok(())
    }

    async fn close(self, reason: Option<Reason>) {
        let ours = reason.map(|reason| CloseReason {
            code: CloseCode::Again,
            description: Some(reason.to_owned()),
        });
        let reason = ours.or_else(|| self.close_code.take().map(CloseReason::from));
        // The client may have disconnected already.
        let _ = self.session.close(reason).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_without_a_port_matches_every_port() {
        let origins = Origins::new(&["http://localhost".to_owned(), "https://a.b:1".to_owned()]);
        for accepted in ["http://localhost", "http://localhost:3000", "https://a.b:1"] {
            assert!(accepts(&origins, accepted), "{accepted}");
        }
        for refused in [
            "https://localhost",
            "https://a.b",
            "https://a.b:2",
            "http://localhost.evil:80",
            "null",
            "",
        ] {
            assert!(!accepts(&origins, refused), "{refused}");
        }
    }
}
