//! JSON-RPC over WebSocket: an HTTP request that asks for it becomes a connection.

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
use super::deadlines::Serving;
use super::handler::{refusal, text};
use crate::connection::{self, Gone, Incoming, Reason, Writer};
use crate::dispatch::Dispatcher;
use crate::limits::{MAX_MISSED_PINGS, PING_PERIOD, READ_TIMEOUT};
use crate::quota::ClientQuota;

/// Whom a server speaks WebSocket with.
pub struct WsEndpoint<C> {
    /// What it offers.
    pub dispatcher: Arc<Dispatcher<C>>,
    /// Origins whose pages may connect; a client without an origin is no page. A rule without
    /// a port holds for every port.
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

/// Whether a request asks for a WebSocket.
pub(super) fn is_asked(request: &HttpRequest) -> bool {
    *request.method() == Verb::GET
        && text(request.headers(), &header::UPGRADE)
            .is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

/// Takes the request over as a connection, where its page may.
pub(super) fn upgrade<C: Send + Sync + 'static>(
    request: &HttpRequest,
    payload: Payload,
    endpoint: &WsEndpoint<C>,
    message_bytes: usize,
    closing: watch::Receiver<bool>,
    quota: ClientQuota,
) -> HttpResponse {
    let serving = Serving::begin(request);
    if let Some(origin) = text(request.headers(), &header::ORIGIN)
        && !accepts(&endpoint.origins, origin)
    {
        let shown = crate::error::truncate(origin, crate::limits::MAX_ECHOED_NAME);
        return refusal(
            StatusCode::FORBIDDEN,
            &format!("origin {shown} not allowed"),
        );
    }
    let (response, session, stream) = match actix_ws::handle(request, payload) {
        Ok(taken) => taken,
        Err(error) => return error.error_response(),
    };
    let stream = stream.max_frame_size(message_bytes);
    let dispatcher = Arc::clone(&endpoint.dispatcher);
    actix_web::rt::spawn(async move {
        let _serving = serving;
        let ending = Rc::new(Cell::new(None));
        let reader = Reader::new(
            stream,
            session.clone(),
            message_bytes,
            closing,
            Rc::clone(&ending),
        );
        let writer = WsWriter { session, ending };
        connection::serve(&dispatcher, Box::pin(messages(reader)), writer, &quota).await;
    });
    response
}

/// Whether a page of `origin` may connect.
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

/// The code with which a connection is closed for what its client did.
type Ending = Rc<Cell<Option<CloseCode>>>;

/// What the reading half keeps.
struct Reader {
    stream: MessageStream,
    session: Session,
    pings: Interval,
    /// Pings since the client was last heard.
    unanswered: u32,
    /// A message that arrives in several frames.
    partial: BytesMut,
    /// When that message is to be there.
    due: Option<Instant>,
    limit: usize,
    closing: watch::Receiver<bool>,
    is_closing: bool,
    ending: Ending,
}

/// The client's messages, until it closes, breaks the protocol, goes silent or is too slow with one.
/// Pings are answered and sent on the way. Where the server ends, it takes no more.
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
        ending: Ending,
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
            ending,
        }
    }

    async fn next(&mut self) -> Option<Incoming> {
        loop {
            let due = self.due;
            let message = tokio::select! {
                message = self.stream.recv() => message?,
                // An error: whoever held the other end is gone, and the server with it.
                _ = self.closing.wait_for(|is_closing| *is_closing), if !self.is_closing => {
                    self.is_closing = true;
                    return Some(Incoming::End);
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.ending.set(Some(CloseCode::Policy));
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
                // The same code comes back, as RFC 6455 and geth's library have it.
                Ok(Message::Close(reason)) => {
                    self.ending.set(reason.map(|reason| reason.code));
                    return None;
                }
                Err(error) => {
                    tracing::debug!(%error, "websocket protocol broken");
                    self.ending.set(Some(match error {
                        ProtocolError::Overflow => CloseCode::Size,
                        _ => CloseCode::Protocol,
                    }));
                    return None;
                }
            }
        }
    }

    /// Adds a frame of a message that comes in several: the message where it was the last.
    /// `None` ends the connection.
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
            self.ending.set(Some(CloseCode::Size));
            return None;
        }
        self.partial.extend_from_slice(&frame);
        if is_last {
            self.due = None;
        }
        Some(is_last.then(|| self.partial.split().freeze()))
    }
}

struct WsWriter {
    session: Session,
    ending: Ending,
}

impl Writer for WsWriter {
    async fn write(&mut self, mut message: Vec<u8>) -> Result<(), Gone> {
        // A frame needs no line feed.
        message.pop_if(|last| *last == b'\n');
        let text = String::from_utf8(message).map_err(|_| Gone)?;
        self.session.text(text).await.map_err(|_| Gone)
    }

    async fn close(self, reason: Option<Reason>) {
        let ours = reason.map(|reason| CloseReason {
            code: CloseCode::Again,
            description: Some(reason.to_owned()),
        });
        let reason = ours.or_else(|| self.ending.take().map(CloseReason::from));
        // It may be gone already.
        let _ = self.session.close(reason).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_without_a_port_holds_for_every_port() {
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
