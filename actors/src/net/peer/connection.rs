//! An RLPx session on its socket: reading, writing, deadlines, and the disconnect message.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use actoreum_messages::peer::DisconnectCause;
use actoreum_wire::p2p::{DisconnectReason, Event, Session};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{self, timeout};

use crate::net::limits::{CLOSE_TIMEOUT, READ_BUFFER, WRITE_TIMEOUT};
use crate::net::record::Traffic;
use crate::net::transport::ByteStream;

/// Reads tokio's clock, which tests can pause.
pub(super) fn now() -> Instant {
    time::Instant::now().into_std()
}

/// An RLPx session with its socket.
pub(super) struct Connection {
    pub(super) session: Session,
    stream: Box<dyn ByteStream>,
    /// Encrypted bytes; the first `written` of them were accepted by the socket.
    output: Vec<u8>,
    written: usize,
    input: Box<[u8]>,
    /// The deadline for writing the output; `None` while there is none.
    write_by: Option<Instant>,
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
            write_by: None,
            is_over: false,
        }
    }

    /// Returns whether nothing waits to be written.
    pub(super) fn is_flushed(&self) -> bool {
        self.output.is_empty() && self.session.output_len() == 0
    }

    /// Returns the next event; reads and writes until there is one.
    pub(super) async fn event(&mut self, traffic: &Traffic) -> Result<Event, DisconnectCause> {
        loop {
            if let Some(event) = self.session.poll(now())? {
                return Ok(event);
            }
            self.turn(true, traffic).await?;
        }
    }

    /// Reads or writes some bytes, or waits until a timer is due. Dropping the future loses
    /// nothing.
    pub(super) async fn turn(
        &mut self,
        reads: bool,
        traffic: &Traffic,
    ) -> Result<(), DisconnectCause> {
        self.fetch_output();
        let due = self.session.next_timeout().into_iter().chain(self.write_by);
        let due = due.min();
        // Checked first, so that a peer that sends without end does not delay the timers.
        if due.is_some_and(|due| now() >= due) {
            return self.on_timer();
        }
        let due = due.map(time::Instant::from_std);
        let is_due = async {
            match due {
                Some(due) => time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            moved = poll_fn(|cx| self.poll_move(cx, reads, traffic)) => moved?,
            () = is_due => self.on_timer()?,
        }
        Ok(())
    }

    fn on_timer(&mut self) -> Result<(), DisconnectCause> {
        let now = now();
        if self.write_by.is_some_and(|by| now >= by) {
            return Err(DisconnectCause::WriteTimeout);
        }
        self.session.handle_timeout(now)?;
        Ok(())
    }

    fn fetch_output(&mut self) {
        if self.output.is_empty() {
            self.output = self.session.take_output();
            self.written = 0;
            let has_output = !self.output.is_empty();
            self.write_by = has_output.then(|| now() + WRITE_TIMEOUT);
        }
    }

    fn poll_move(
        &mut self,
        cx: &mut Context<'_>,
        reads: bool,
        traffic: &Traffic,
    ) -> Poll<Result<(), DisconnectCause>> {
        let has_written = self.poll_write(cx, traffic)?;
        if reads {
            let mut buffer = ReadBuf::new(&mut self.input);
            if let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                read?;
                let bytes = buffer.filled();
                if bytes.is_empty() {
                    return Poll::Ready(Err(DisconnectCause::Closed));
                }
                traffic.bytes_in.fetch_add(bytes.len() as u64, Relaxed);
                self.session.receive(bytes);
                return Poll::Ready(Ok(()));
            }
        }
        if has_written {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    /// Writes the bytes that the socket accepts. Returns whether it accepted any.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        traffic: &Traffic,
    ) -> Result<bool, DisconnectCause> {
        let before = self.written;
        let mut has_written = false;
        while let Some(rest) = self.output.get(self.written..).filter(|it| !it.is_empty()) {
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Err(DisconnectCause::Closed),
                Poll::Ready(Ok(count)) => self.written += count,
                Poll::Ready(Err(error)) => return Err(error.into()),
                Poll::Pending => break,
            }
            has_written = true;
        }
        let count = self.written - before;
        traffic.bytes_out.fetch_add(count as u64, Relaxed);
        if self.written == self.output.len() {
            self.output.clear();
            self.written = 0;
            self.write_by = None;
        }
        Ok(has_written)
    }

    /// Sends the disconnect reason, waits at most [`CLOSE_TIMEOUT`] for the peer to close, and
    /// closes.
    pub(super) async fn close(mut self, reason: Option<DisconnectReason>) {
        self.is_over = true;
        let Some(reason) = reason else { return };
        self.fetch_output();
        self.session.disconnect(reason);
        self.output.extend(self.session.take_output());
        let closing = async {
            let rest = self.output.get(self.written..).unwrap_or_default();
            self.stream.write_all(rest).await?;
            self.stream.shutdown().await?;
            // Closing a socket with unread bytes would reset the connection, so that the peer could
            // lose the disconnect message.
            while self.stream.read(&mut self.input).await? > 0 {}
            io::Result::Ok(())
        };
        // Where the message does not get through, the peer sees a closed socket.
        let _ = timeout(CLOSE_TIMEOUT, closing).await;
    }
}

/// A connection that is dropped without [`Connection::close`] belongs to an actor that was stopped:
/// it sends `Quitting`, if the socket accepts the message at once.
impl Drop for Connection {
    fn drop(&mut self) {
        if self.is_over || std::thread::panicking() {
            return;
        }
        self.fetch_output();
        self.session.disconnect(DisconnectReason::Quitting);
        self.output.extend(self.session.take_output());
        let mut cx = Context::from_waker(Waker::noop());
        let _ = self.poll_write(&mut cx, &Traffic::default());
    }
}
