//! JSON-RPC over WebSocket: an HTTP request that asks for it becomes a connection.

use std::sync::Arc;

use actix_web::http::{Method as Verb, StatusCode, header};
use actix_web::web::{Bytes, BytesMut, Payload};
use actix_web::{HttpRequest, HttpResponse};
use actix_ws::{CloseCode, CloseReason, Item, Message, MessageStream, Session};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::Origins;
use super::handler::{refusal, text};
use crate::connection::{self, Gone, Reason, Writer};
use crate::dispatch::Dispatcher;
use crate::limits::{MAX_MISSED_PINGS, PING_PERIOD};

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
) -> HttpResponse {
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
        let messages = Box::pin(messages(stream, session.clone(), message_bytes, closing));
        connection::serve(&dispatcher, messages, WsWriter(session)).await;
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

/// What the reading half keeps.
struct Reader {
    stream: MessageStream,
    session: Session,
    pings: Interval,
    /// Pings since the client was last heard.
    unanswered: u32,
    /// A message that arrives in several frames.
    partial: BytesMut,
    limit: usize,
    closing: watch::Receiver<bool>,
}

/// The client's messages, until it closes, breaks the protocol or goes silent, or the server
/// ends. Pings are
/// answered and sent on the way.
fn messages(
    stream: MessageStream,
    session: Session,
    message_bytes: usize,
    closing: watch::Receiver<bool>,
) -> impl Stream<Item = Bytes> {
    let mut pings = interval(PING_PERIOD);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings.reset();
    let reader = Reader {
        stream,
        session,
        pings,
        unanswered: 0,
        partial: BytesMut::new(),
        limit: message_bytes,
        closing,
    };
    unfold(reader, |mut reader| async move {
        loop {
            let message = tokio::select! {
                message = reader.stream.recv() => message?,
                // An error: whoever held the other end is gone, and the server with it.
                _ = reader.closing.wait_for(|is_closing| *is_closing) => return None,
                _ = reader.pings.tick() => {
                    reader.unanswered += 1;
                    let is_silent = reader.unanswered > MAX_MISSED_PINGS;
                    if is_silent || reader.session.ping(b"").await.is_err() {
                        return None;
                    }
                    continue;
                }
            };
            reader.unanswered = 0;
            match message {
                Ok(Message::Text(text)) => return Some((text.into_bytes(), reader)),
                Ok(Message::Binary(bytes)) => return Some((bytes, reader)),
                Ok(Message::Continuation(item)) => {
                    if let Some(whole) = reader.join(item)? {
                        return Some((whole, reader));
                    }
                }
                Ok(Message::Ping(payload)) => reader.session.pong(&payload).await.ok()?,
                Ok(Message::Pong(_) | Message::Nop) => {}
                Ok(Message::Close(_)) => return None,
                Err(error) => {
                    tracing::debug!(%error, "websocket protocol broken");
                    return None;
                }
            }
        }
    })
}

impl Reader {
    /// Adds a frame of a message that comes in several: the message where it was the last.
    /// `None` ends the connection.
    fn join(&mut self, item: Item) -> Option<Option<Bytes>> {
        let (frame, is_last) = match item {
            Item::FirstText(frame) | Item::FirstBinary(frame) => {
                self.partial.clear();
                (frame, false)
            }
            Item::Continue(frame) => (frame, false),
            Item::Last(frame) => (frame, true),
        };
        if self.partial.len() + frame.len() > self.limit {
            return None;
        }
        self.partial.extend_from_slice(&frame);
        Some(is_last.then(|| self.partial.split().freeze()))
    }
}

struct WsWriter(Session);

impl Writer for WsWriter {
    async fn write(&mut self, mut message: Vec<u8>) -> Result<(), Gone> {
        // A frame needs no line feed.
        message.pop_if(|last| *last == b'\n');
        let text = String::from_utf8(message).map_err(|_| Gone)?;
        self.0.text(text).await.map_err(|_| Gone)
    }

    async fn close(self, reason: Option<Reason>) {
        let reason = reason.map(|reason| CloseReason {
            code: CloseCode::Again,
            description: Some(reason.to_owned()),
        });
        // It may be gone already.
        let _ = self.0.close(reason).await;
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
