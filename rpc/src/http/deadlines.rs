//! The deadlines of a connection over HTTP, kept where its bytes pass.
//!
//! actix-web has a deadline for the first request's head and one for idle connections, and none for
//! later heads, for bodies and for clients that do not read. [`TimedStream`] stands between it and the
//! socket: a read or a write that is overdue fails there, which ends the connection.
//!
//! ```text
//! first byte of a request ----- read timeout -----> last byte of its body
//!        ^                                              |  Serving: no deadline
//!        '--- idle timeout ---- answer written <--------'
//!                                    the client reads too slowly: write timeout
//! ```

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpRequest;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::limits::{BUSY_READ_TIMEOUT, IDLE_TIMEOUT, READ_TIMEOUT, WRITE_TIMEOUT};
use crate::quota::{ClientQuota, ConnectionPermit};

/// How long a client may take, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a request to the last of its body.
    pub read: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// For an answer that it does not read as fast as it comes.
    pub write: Duration,
    /// In place of `read` and `idle` while more than half of the connections are taken.
    pub busy: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            read: READ_TIMEOUT,
            idle: IDLE_TIMEOUT,
            write: WRITE_TIMEOUT,
            busy: BUSY_READ_TIMEOUT,
        }
    }
}

/// The connections of a server, counted.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    open: Arc<AtomicUsize>,
    /// The most that are open at a time.
    limit: usize,
    /// Counts them among those of other servers.
    quota: Option<ClientQuota>,
}

impl Connections {
    pub(super) fn new(limit: usize, quota: Option<ClientQuota>) -> Self {
        Self {
            open: Arc::default(),
            limit,
            quota,
        }
    }

    fn is_busy(&self) -> bool {
        let are_all_busy = || self.quota.as_ref().is_some_and(ClientQuota::is_busy);
        self.open.load(Relaxed) > self.limit / 2 || are_all_busy()
    }

    /// A place among the connections of all servers.
    fn permit(&self) -> io::Result<Option<ConnectionPermit>> {
        let permit = self.quota.as_ref().map(ClientQuota::connect);
        match permit {
            Some(None) => Err(io::ErrorKind::QuotaExceeded.into()),
            Some(permit) => Ok(permit),
            None => Ok(None),
        }
    }
}

/// What a connection does, as its reads, its writes and its handlers see it.
#[derive(Debug)]
pub(super) struct Activity {
    /// The first byte of the request that is arriving.
    begun: Cell<Option<Instant>>,
    /// The last answer, or the connection's start.
    idle_since: Cell<Instant>,
    /// Requests that are being answered.
    serving: Cell<usize>,
    /// The client has closed its side.
    has_ended: Cell<bool>,
    ended: Notify,
}

impl Activity {
    fn new() -> Rc<Self> {
        Rc::new(Self {
            begun: Cell::new(None),
            idle_since: Cell::new(Instant::now()),
            serving: Cell::new(0),
            has_ended: Cell::new(false),
            ended: Notify::new(),
        })
    }

    fn has_read(&self, bytes: usize) {
        if bytes == 0 {
            self.has_ended.set(true);
            self.ended.notify_waiters();
        } else if self.serving.get() == 0 && self.begun.get().is_none() {
            self.begun.set(Some(Instant::now()));
        }
    }

    /// An answer, or a part of one, was written.
    fn has_written(&self) {
        self.begun.set(None);
        self.idle_since.set(Instant::now());
    }

    /// When the next byte is to be there.
    fn read_due(&self, timeouts: &Timeouts, is_busy: bool) -> Option<Instant> {
        if self.serving.get() > 0 {
            return None;
        }
        let (since, timeout) = match self.begun.get() {
            Some(begun) => (begun, timeouts.read + ANSWER_GRACE),
            None => (self.idle_since.get(), timeouts.idle),
        };
        let timeout = match is_busy {
            true => timeout.min(timeouts.busy),
            false => timeout,
        };
        Some(since + timeout)
    }
}

/// How long after the deadline of a body the connection ends: until then its handler may say why.
const ANSWER_GRACE: Duration = Duration::from_secs(1);

/// When the whole of a request that is arriving is to be there.
pub(super) fn body_due(request: &HttpRequest, timeout: Duration) -> Instant {
    let activity = request.conn_data::<Rc<Activity>>();
    let begun = activity.and_then(|activity| activity.begun.get());
    begun.unwrap_or_else(Instant::now) + timeout
}

/// A request whose body is there and that is being answered, for however long that takes: no
/// deadline runs for its client, until this is dropped.
pub(super) struct Serving(Option<Rc<Activity>>);

impl Serving {
    pub(super) fn begin(request: &HttpRequest) -> Self {
        let activity = request.conn_data::<Rc<Activity>>().cloned();
        if let Some(activity) = &activity {
            activity.serving.set(activity.serving.get() + 1);
        }
        Self(activity)
    }

    /// Resolves when the client has closed its side of the connection.
    pub(super) async fn client_ended(&self) {
        let Some(activity) = &self.0 else {
            return std::future::pending().await;
        };
        while !activity.has_ended.get() {
            activity.ended.notified().await;
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(activity) = &self.0 {
            activity.serving.set(activity.serving.get() - 1);
            activity.has_written();
        }
    }
}

/// Wakes a task at a moment that moves.
#[derive(Default)]
struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Whether `due` is over; otherwise the task is woken then, or earlier.
    fn is_over(&mut self, due: Instant, context: &mut Context<'_>) -> bool {
        loop {
            if Instant::now() >= due {
                return true;
            }
            let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(due)));
            // One that ends earlier is moved when it does: deadlines mostly move away.
            if sleep.deadline() > due {
                sleep.as_mut().reset(due);
            }
            if sleep.as_mut().poll(context).is_pending() {
                return false;
            }
            sleep.as_mut().reset(due);
        }
    }
}

/// A connection whose client has deadlines.
pub(super) struct TimedStream<T> {
    io: T,
    pub(super) activity: Rc<Activity>,
    connections: Connections,
    _permit: Option<ConnectionPermit>,
    timeouts: Timeouts,
    reads: Alarm,
    writes: Alarm,
    /// Since when the client has not taken all that there is for it.
    blocked: Option<Instant>,
}

impl<T> TimedStream<T> {
    /// An error where all servers together have too many connections.
    pub(super) fn new(io: T, connections: Connections, timeouts: Timeouts) -> io::Result<Self> {
        let permit = connections.permit()?;
        connections.open.fetch_add(1, Relaxed);
        Ok(Self {
            io,
            activity: Activity::new(),
            connections,
            _permit: permit,
            timeouts,
            reads: Alarm::default(),
            writes: Alarm::default(),
            blocked: None,
        })
    }

    /// Whether the next byte is overdue. Where it `is_awaited`, the task is woken when it is.
    fn is_read_overdue(&mut self, is_awaited: bool, context: &mut Context<'_>) -> bool {
        let is_busy = self.connections.is_busy();
        let Some(due) = self.activity.read_due(&self.timeouts, is_busy) else {
            return false;
        };
        let now = Instant::now();
        // The server may become busy meanwhile.
        let look = due.min(now + self.timeouts.busy);
        now >= due || (is_awaited && self.reads.is_over(look, context))
    }

    fn is_write_overdue(&self) -> bool {
        self.blocked
            .is_some_and(|since| Instant::now() >= since + self.timeouts.write)
    }
}

impl<T> Drop for TimedStream<T> {
    fn drop(&mut self) {
        self.connections.open.fetch_sub(1, Relaxed);
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for TimedStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = read {
            self.activity.has_read(buffer.filled().len() - before);
        }
        // Bytes that trickle in do not move the deadline.
        match self.is_read_overdue(read.is_pending(), context) {
            true => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            false => read,
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for TimedStream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_write_overdue() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        if written.is_pending() {
            let since = *self.blocked.get_or_insert_with(Instant::now);
            let due = since + self.timeouts.write;
            if self.writes.is_over(due, context) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        } else {
            self.activity.has_written();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The socket has taken all that there was.
        self.blocked = None;
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
