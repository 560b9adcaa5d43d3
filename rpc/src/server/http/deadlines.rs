//! The deadlines of an HTTP connection, enforced where its bytes pass.
//!
//! actix-web has a deadline for the head of the first request and one for idle connections, but
//! none for later heads, for bodies, and for clients that do not read. [`TimedStream`] wraps the
//! socket: a read or a write that is overdue fails there, which ends the connection.
//!
//! ```text
//! first byte of a request ----- read timeout -----> last byte of its body
//!        ^                                              |  RequestInProgress: no deadline
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

use crate::server::limits::{BUSY_READ_TIMEOUT, IDLE_TIMEOUT, READ_TIMEOUT, WRITE_TIMEOUT};
use crate::server::quota::{ClientQuota, ConnectionPermit};

/// The timeouts of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Time from the first byte of a request to the last byte of its body.
    pub read: Duration,
    /// Time between two requests.
    pub idle: Duration,
    /// Time for an answer that the client reads more slowly than the server sends it.
    pub write: Duration,
    /// Replaces longer `read` and `idle` timeouts while more than half of the connections are
    /// taken.
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

/// The number of open connections of a server.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    open: Arc<AtomicUsize>,
    /// Maximum number of open connections.
    limit: usize,
    /// The quota that the servers of all transports share, if the server has one.
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

    /// Returns whether more than half of the connections of the server, or of its quota, are taken.
    fn is_busy(&self) -> bool {
        let is_quota_busy = || self.quota.as_ref().is_some_and(ClientQuota::is_busy);
        self.open.load(Relaxed) > self.limit / 2 || is_quota_busy()
    }

    /// Counts a connection in the quota and returns its permit; `None` if there is no quota.
    ///
    /// # Errors
    /// Fails if the quota is used up.
    fn permit(&self) -> io::Result<Option<ConnectionPermit>> {
        let permit = self.quota.as_ref().map(ClientQuota::connect);
        match permit {
            Some(None) => Err(io::ErrorKind::QuotaExceeded.into()),
            Some(permit) => Ok(permit),
            None => Ok(None),
        }
    }
}

/// The state of a connection, shared by its reads, its writes and its handlers.
#[derive(Debug)]
pub(super) struct Activity {
    /// The time of the first byte of the request that is arriving.
    begun: Cell<Option<Instant>>,
    /// The time of the last answer, or of the start of the connection.
    idle_since: Cell<Instant>,
    /// The number of requests that are being answered.
    serving: Cell<usize>,
    /// Whether the client has closed its side.
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

    /// Records bytes that were read.
    fn on_read(&self, bytes: usize) {
        if bytes == 0 {
            self.has_ended.set(true);
            self.ended.notify_waiters();
        } else if self.serving.get() == 0 && self.begun.get().is_none() {
            self.begun.set(Some(Instant::now()));
        }
    }

    /// Records that an answer, or a part of one, was written.
    fn on_written(&self) {
        self.begun.set(None);
        self.idle_since.set(Instant::now());
    }

    /// Returns the deadline of the next byte.
    fn read_due(&self, timeouts: &Timeouts, is_busy: bool) -> Option<Instant> {
        if self.serving.get() > 0 {
            return None;
        }
        let (since, timeout) = match self.begun.get() {
            Some(begun) => (begun, timeouts.read + ANSWER_GRACE),
            None => (self.idle_since.get(), timeouts.idle),
        };
        let timeout = if is_busy {
            timeout.min(timeouts.busy)
        } else {
            timeout
        };
        Some(since + timeout)
    }
}

/// Time between the deadline of a body and the end of the connection, in which the handler may
/// answer with the reason.
const ANSWER_GRACE: Duration = Duration::from_secs(1);

/// Returns the deadline of the body of a request that is arriving.
pub(super) fn body_due(request: &HttpRequest, timeout: Duration) -> Instant {
    let activity = request.conn_data::<Rc<Activity>>();
    let begun = activity.and_then(|activity| activity.begun.get());
    begun.unwrap_or_else(Instant::now) + timeout
}

/// A request whose body has arrived and that is being answered. While it exists no deadline applies
/// to its client.
pub(super) struct RequestInProgress(Option<Rc<Activity>>);

impl RequestInProgress {
    /// Marks a request as in progress.
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

impl Drop for RequestInProgress {
    fn drop(&mut self) {
        if let Some(activity) = &self.0 {
            activity.serving.set(activity.serving.get() - 1);
            activity.on_written();
        }
    }
}

/// Wakes a task at a deadline that moves.
#[derive(Default)]
struct DeadlineTimer(Option<Pin<Box<Sleep>>>);

impl DeadlineTimer {
    /// Returns whether `due` has passed; otherwise the task is woken at `due` or earlier.
    fn is_over(&mut self, due: Instant, context: &mut Context<'_>) -> bool {
        loop {
            if Instant::now() >= due {
                return true;
            }
            let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(due)));
            // A timer that fires too early is reset when it fires: deadlines usually move away.
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

/// A connection with deadlines for its client.
pub(super) struct TimedStream<T> {
    io: T,
    pub(super) activity: Rc<Activity>,
    connections: Connections,
    _permit: Option<ConnectionPermit>,
    timeouts: Timeouts,
    reads: DeadlineTimer,
    writes: DeadlineTimer,
    /// The time since which the client has not taken all bytes that wait for it.
    blocked: Option<Instant>,
}

impl<T> TimedStream<T> {
    /// Creates the stream of a connection and counts the connection.
    ///
    /// # Errors
    /// Fails if the quota of connections is used up.
    pub(super) fn new(io: T, connections: Connections, timeouts: Timeouts) -> io::Result<Self> {
        let permit = connections.permit()?;
        connections.open.fetch_add(1, Relaxed);
        Ok(Self {
            io,
            activity: Activity::new(),
            connections,
            _permit: permit,
            timeouts,
            reads: DeadlineTimer::default(),
            writes: DeadlineTimer::default(),
            blocked: None,
        })
    }

    /// Returns whether the next byte is overdue. With `is_awaited` the task is woken when it
    /// becomes overdue.
    fn is_read_overdue(&mut self, is_awaited: bool, context: &mut Context<'_>) -> bool {
        let is_busy = self.connections.is_busy();
        let Some(due) = self.activity.read_due(&self.timeouts, is_busy) else {
            return false;
        };
        let now = Instant::now();
        // The server may become busy meanwhile, so the deadline is checked again.
        let look = due.min(now + self.timeouts.busy);
        now >= due || (is_awaited && self.reads.is_over(look, context))
    }

    /// Returns whether the client has taken too long to read.
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
            self.activity.on_read(buffer.filled().len() - before);
        }
        // Bytes that arrive slowly do not move the deadline.
        if self.is_read_overdue(read.is_pending(), context) {
            Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
        } else {
            read
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
            self.activity.on_written();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The socket has taken all bytes.
        self.blocked = None;
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
