//! An RLPx session on its socket: reading, writing, deadlines, and the disconnect message.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use actoreum_messages::peer::DisconnectCause;
use actoreum_wire::p2p::{DisconnectReason, Event, Session};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{self, timeout};

use crate::net::limits::{CLOSE_TIMEOUT, READ_BUFFER, WRITE_TIMEOUT};
use crate::net::record::Traffic;
use crate::net::transport::ByteStream;

/// Reads tokio's clock, which tests can pause.
pub(super) fn now() -> Instant {
    time::Instant::now().into_std()
}

/// A connection that a PeerActor and its own streams use, all of them on one thread. It is borrowed
/// for single polls only.
pub(super) type SharedConnection = Rc<RefCell<Connection>>;

/// An RLPx session with its socket.
pub(super) struct Connection {
    pub(super) session: Session,
    stream: Box<dyn ByteStream>,
    /// Encrypted bytes; the first `written` of them were accepted by the socket.
    output: Vec<u8>,
    written: usize,
    input: Box<[u8]>,
    is_shut_down: bool,
    is_over: bool,
}

impl Connection {
    pub(super) fn new(session: Session, stream: Box<dyn ByteStream>) -> Self {
        Self {
            session,
            stream,
            output: Vec::new(),
            written: 0,
            input: vec![0; READ_BUFFER].into_boxed_slice(),
            is_shut_down: false,
            is_over: false,
        }
    }

    /// Returns whether nothing waits to be written.
    pub(super) fn is_flushed(&self) -> bool {
        self.output.is_empty() && self.session.output_len() == 0
    }

    /// Returns the next event of the handshakes; reads and writes until there is one, at most until
    /// the session's deadline.
    pub(super) async fn event(&mut self, traffic: &Traffic) -> Result<Event, DisconnectCause> {
        loop {
            if let Some(event) = self.session.poll(now())? {
                return Ok(event);
            }
            let due = self.session.next_timeout().map(time::Instant::from_std);
            let is_due = async {
                match due {
                    Some(due) => time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = is_due => self.session.handle_timeout(now())?,
                moved = poll_fn(|cx| self.poll_both(cx, traffic)) => moved?,
            }
        }
    }

    /// Writes what there is, and reads some bytes.
    fn poll_both(
        &mut self,
        cx: &mut Context<'_>,
        traffic: &Traffic,
    ) -> Poll<Result<(), DisconnectCause>> {
        while !self.is_flushed() {
            match self.poll_flush(cx, traffic) {
                Poll::Ready(written) => written?,
                Poll::Pending => break,
            }
        }
        self.poll_read(cx, traffic)
    }

    /// Reads some bytes into the session.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        traffic: &Traffic,
    ) -> Poll<Result<(), DisconnectCause>> {
        let mut buffer = ReadBuf::new(&mut self.input);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        let bytes = buffer.filled();
        if bytes.is_empty() {
            return Poll::Ready(Err(DisconnectCause::Closed));
        }
        traffic.bytes_in.fetch_add(bytes.len() as u64, Relaxed);
        self.session.receive(bytes);
        Poll::Ready(Ok(()))
    }

    /// Writes until the socket has accepted the whole batch. Messages that are encrypted meanwhile
    /// belong to the next one.
    pub(super) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        traffic: &Traffic,
    ) -> Poll<Result<(), DisconnectCause>> {
        if self.output.is_empty() {
            self.output = self.session.take_output();
            self.written = 0;
        }
        while let Some(rest) = self.output.get(self.written..).filter(|it| !it.is_empty()) {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            if count == 0 {
                return Poll::Ready(Err(DisconnectCause::Closed));
            }
            self.written += count;
            traffic.bytes_out.fetch_add(count as u64, Relaxed);
        }
        self.output.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Writes what is left, shuts the socket down, and reads until the peer has closed it: closing
    /// a socket with unread bytes would reset the connection, so that the peer could lose the
    /// disconnect message.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), DisconnectCause>> {
        if !self.is_shut_down {
            ready!(self.poll_flush(cx, &Traffic::default()))?;
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.is_shut_down = true;
        }
        loop {
            let mut buffer = ReadBuf::new(&mut self.input);
            let read: io::Result<()> =
                ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            read?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Appends the disconnect message to what is left to write.
    fn append_disconnect(&mut self, reason: DisconnectReason) {
        self.session.disconnect(reason);
        let rest = self.session.take_output();
        self.output.extend(rest);
    }
}

/// Sends the disconnect reason, waits at most [`CLOSE_TIMEOUT`] for the peer to close, and closes.
/// Without a reason the socket is just closed.
pub(super) async fn close(connection: SharedConnection, reason: Option<DisconnectReason>) {
    connection.borrow_mut().is_over = true;
    let Some(reason) = reason else { return };
    connection.borrow_mut().append_disconnect(reason);
    let closing = poll_fn(|cx| connection.borrow_mut().poll_close(cx));
    // Where the message does not get through, the peer sees a closed socket.
    let _ = timeout(CLOSE_TIMEOUT, closing).await;
}

/// Writes the batch that was encrypted last, within [`WRITE_TIMEOUT`].
pub(super) async fn flush(
    connection: SharedConnection,
    traffic: &Traffic,
) -> Result<(), DisconnectCause> {
    let flushed = poll_fn(|cx| connection.borrow_mut().poll_flush(cx, traffic));
    timeout(WRITE_TIMEOUT, flushed)
        .await
        .unwrap_or(Err(DisconnectCause::WriteTimeout))
}

/// A connection that is dropped without [`close`] belongs to an actor that was stopped: it sends
/// `Quitting`, if the socket accepts the message at once.
impl Drop for Connection {
    fn drop(&mut self) {
        if self.is_over || std::thread::panicking() {
            return;
        }
        self.append_disconnect(DisconnectReason::Quitting);
        let mut cx = Context::from_waker(Waker::noop());
        let _ = self.poll_flush(&mut cx, &Traffic::default());
    }
}
