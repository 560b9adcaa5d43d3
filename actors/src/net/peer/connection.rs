//! A session on its socket: bytes both ways, deadlines, and the farewell.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use actoreum_wire::p2p::{DisconnectReason, Event, Session, SessionError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{self, timeout};

use super::record::Traffic;
use crate::net::limits::{FAREWELL, READ_BUFFER, WRITE_TIMEOUT};
use crate::net::transport::ByteStream;

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum End {
    /// The other side said so.
    #[error("{0}")]
    Remote(DisconnectReason),
    /// We said so.
    #[error("{0}")]
    Local(DisconnectReason),
    /// The other side broke the protocol, or was silent.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The socket was closed.
    #[error("EOF")]
    Closed,
    /// The socket failed.
    #[error("{0}")]
    Socket(String),
    /// The other side does not read.
    #[error("write timeout")]
    WriteTimeout,
    /// A conversation found something wrong.
    #[error("{0}")]
    Conversation(String),
    /// Its handshake took long while others waited for its place.
    #[error("handshake took long while others waited")]
    Evicted,
    /// ServerActor is not there.
    #[error("server stopped")]
    ServerStopped,
}

impl End {
    /// Whether the other side did something wrong, or nothing where it had to: it was sent away.
    pub fn blames_peer(&self) -> bool {
        match self {
            Self::Local(reason) => matches!(
                reason,
                DisconnectReason::ProtocolBreach
                    | DisconnectReason::UselessPeer
                    | DisconnectReason::ReadTimeout
                    | DisconnectReason::SubprotocolError
            ),
            Self::Session(_) | Self::WriteTimeout | Self::Conversation(_) => true,
            Self::Remote(_)
            | Self::Closed
            | Self::Socket(_)
            | Self::Evicted
            | Self::ServerStopped => false,
        }
    }

    /// What to tell the other side, where it can still hear.
    pub fn reason(&self) -> Option<DisconnectReason> {
        match self {
            Self::Local(reason) => Some(*reason),
            Self::Session(error) => error.disconnect_reason(),
            Self::Conversation(_) => Some(DisconnectReason::SubprotocolError),
            Self::ServerStopped => Some(DisconnectReason::Quitting),
            // Nothing is said to one that was evicted: a farewell would take a second.
            Self::Remote(_)
            | Self::Closed
            | Self::Socket(_)
            | Self::WriteTimeout
            | Self::Evicted => None,
        }
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Socket(error.to_string())
    }
}

/// The clock that tests can pause.
pub(super) fn now() -> Instant {
    time::Instant::now().into_std()
}

/// A session with its socket.
pub(super) struct Connection {
    pub(super) session: Session,
    stream: Box<dyn ByteStream>,
    /// Encrypted bytes, and how many of them the socket has.
    output: Vec<u8>,
    written: usize,
    input: Box<[u8]>,
    /// When the output must be written; `None` while there is none.
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

    /// Whether nothing waits to be written.
    pub(super) fn is_flushed(&self) -> bool {
        self.output.is_empty() && self.session.output_len() == 0
    }

    /// The next event; reads and writes until there is one.
    pub(super) async fn event(&mut self, traffic: &Traffic) -> Result<Event, End> {
        loop {
            if let Some(event) = self.session.poll(now())? {
                return Ok(event);
            }
            self.turn(true, traffic).await?;
        }
    }

    /// Moves some bytes, or waits until a timer is due. Dropping the future loses nothing.
    pub(super) async fn turn(&mut self, reads: bool, traffic: &Traffic) -> Result<(), End> {
        self.fetch_output();
        let due = self.session.next_timeout().into_iter().chain(self.write_by);
        let due = due.min();
        // A peer that always has something to read must not keep the timers from being seen.
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

    fn on_timer(&mut self) -> Result<(), End> {
        let now = now();
        if self.write_by.is_some_and(|by| now >= by) {
            return Err(End::WriteTimeout);
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
    ) -> Poll<Result<(), End>> {
        let has_written = self.poll_write(cx, traffic)?;
        if reads {
            let mut buffer = ReadBuf::new(&mut self.input);
            if let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                read?;
                let bytes = buffer.filled();
                if bytes.is_empty() {
                    return Poll::Ready(Err(End::Closed));
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

    /// Writes what the socket takes. True where it took anything.
    fn poll_write(&mut self, cx: &mut Context<'_>, traffic: &Traffic) -> Result<bool, End> {
        let before = self.written;
        let mut has_written = false;
        while let Some(rest) = self.output.get(self.written..).filter(|it| !it.is_empty()) {
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Err(End::Closed),
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

    /// Says why, waits a moment for the other side to have read it, and closes.
    pub(super) async fn close(mut self, reason: Option<DisconnectReason>) {
        self.is_over = true;
        let Some(reason) = reason else { return };
        self.fetch_output();
        self.session.disconnect(reason);
        self.output.extend(self.session.take_output());
        let farewell = async {
            let rest = self.output.get(self.written..).unwrap_or_default();
            self.stream.write_all(rest).await?;
            self.stream.shutdown().await?;
            // Closing on bytes that were not read would reset the connection, and take back
            // what the other side has not read yet.
            while self.stream.read(&mut self.input).await? > 0 {}
            io::Result::Ok(())
        };
        // Where it does not get through, the other side sees a closed socket.
        let _ = timeout(FAREWELL, farewell).await;
    }
}

/// A connection that is dropped unclosed belongs to an actor that was stopped: it says so if the
/// socket takes it at once.
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
