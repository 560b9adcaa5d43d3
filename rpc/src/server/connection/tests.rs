use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use actoreum_chain::SealedHeader;
use actoreum_messages::filter::{Event, Subscriber};
use actoreum_primitives::Header;
use futures_util::stream;
use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::caller::LOST;
use super::*;
use crate::error::LIMIT_EXCEEDED;
use crate::server::dispatch::DispatchLimits;
use crate::server::limits::{MAX_QUEUED_ANSWER_BYTES, MAX_QUEUED_EVENT_BYTES, MAX_SUBSCRIPTIONS};
use crate::server::method::Method;
use crate::server::pool::HeavyPool;
use crate::server::quota::SharedQuota;

fn quota() -> ClientQuota {
    SharedQuota::default().for_network()
}

/// The state that the handlers of these tests share.
#[derive(Default)]
struct Source {
    subscribers: Mutex<Vec<(FilterId, Arc<dyn Subscriber>)>>,
    ended: AtomicUsize,
    /// The number of slow calls that were answered.
    slow: AtomicUsize,
}

fn head(number: u64) -> Arc<Event> {
    let header = Header {
        number,
        ..Header::default()
    };
    Arc::new(Event {
        change: Change::Head(SealedHeader::new(header)),
        rendered: Default::default(),
    })
}

/// Creates a dispatcher whose `eth_subscribe` delivers an event at the moment that it starts.
fn dispatcher(source: &Arc<Source>) -> Dispatcher<Arc<Source>> {
    let subscribe = |source: &Arc<Source>, caller: &Caller, (): ()| {
        let id = FilterId(7);
        let (begun, ended) = (Arc::clone(source), Arc::clone(source));
        caller.subscribe(
            id,
            move |subscriber| {
                subscriber.deliver(id, &head(1));
                begun.subscribers.lock().push((id, subscriber));
                true
            },
            move || {
                ended.ended.fetch_add(1, SeqCst);
            },
        )?;
        Ok(id.to_string())
    };
    let methods = [
        Method::connection("eth_subscribe", &[], subscribe),
        Method::connection("eth_unsubscribe", &[], |_: &Arc<Source>, caller, ()| {
            Ok(caller.unsubscribe(FilterId(7)))
        }),
        Method::heavy("eth_slow", &[], |source: &Arc<Source>, ()| {
            std::thread::sleep(Duration::from_millis(100));
            source.slow.fetch_add(1, SeqCst);
            Ok("slow".to_owned())
        }),
    ];
    let methods: Vec<_> = methods.into_iter().map(Arc::new).collect();
    let context = Arc::new(Arc::clone(source));
    let namespaces = ["eth".to_owned()];
    let limits = DispatchLimits::default();
    Dispatcher::new(
        context,
        &methods,
        &namespaces,
        HeavyPool::alone(2, 99).unwrap(),
        limits,
    )
}

/// A writer into a channel. A stuck one never finishes a write, like a client that does not read.
struct Pipe {
    written: UnboundedSender<String>,
    is_stuck: bool,
    reason: oneshot::Sender<Option<Reason>>,
}

impl Writer for Pipe {
    async fn write(&mut self, message: Vec<u8>) -> Result<(), ClientGone> {
        if self.is_stuck {
            pending::<()>().await;
        }
        let message = String::from_utf8(message).unwrap();
        self.written.send(message).map_err(|_| ClientGone)
    }

    async fn close(self, reason: Option<Reason>) {
        let _ = self.reason.send(reason);
    }
}

type Ends = (UnboundedReceiver<String>, oneshot::Receiver<Option<Reason>>);

fn figures() -> Arc<Figures> {
    Figures::new(1, None)
}

fn pipe(is_stuck: bool) -> (Pipe, Ends) {
    let (written, read) = unbounded_channel();
    let (reason, closed) = oneshot::channel();
    let pipe = Pipe {
        written,
        is_stuck,
        reason,
    };
    (pipe, (read, closed))
}

fn body(id: u64, method: &str) -> Bytes {
    Bytes::from(format!("{{\"id\":{id},\"method\":\"{method}\"}}"))
}

fn call(id: u64, method: &str) -> Incoming {
    Incoming::Message(body(id, method))
}

#[tokio::test]
async fn no_notification_precedes_its_subscription_id() {
    let source = Arc::new(Source::default());
    let dispatcher = dispatcher(&source);
    let (writer, (mut read, closed)) = pipe(false);
    let messages = stream::iter([call(1, "eth_subscribe")]).chain(stream::pending());
    let quota = quota();
    let serving = serve(&dispatcher, Box::pin(messages), writer, &quota, figures());
    let reading = async {
        let answer = read.recv().await.unwrap();
        assert!(answer.contains("\"id\":1,\"result\":\"0x7\""), "{answer}");
        let first = read.recv().await.unwrap();
        assert!(first.starts_with(
            "{\"jsonrpc\":\"2.0\",\"method\":\"eth_subscription\",\"params\":{\"subscription\":\"0x7\",\"result\":{\"hash\""
        ), "{first}");
        let subscribers = source.subscribers.lock().clone();
        let [(id, subscriber)] = subscribers.as_slice() else {
            panic!("one subscription");
        };
        assert!(subscriber.deliver(*id, &head(0x22)));
        let second = read.recv().await.unwrap();
        assert!(second.contains("\"number\":\"0x22\""), "{second}");
        subscriber.lost();
        assert_eq!(closed.await.unwrap(), Some(LOST));
    };
    tokio::join!(serving, reading);
    assert_eq!(
        source.ended.load(SeqCst),
        1,
        "the subscription was ended at its source"
    );
}

#[tokio::test]
async fn a_slow_subscriber_is_disconnected_with_a_reason() {
    let source = Arc::new(Source::default());
    let dispatcher = dispatcher(&source);
    let (writer, (_read, closed)) = pipe(true);
    let messages = stream::iter([call(1, "eth_subscribe")]).chain(stream::pending());
    let quota = quota();
    let serving = serve(&dispatcher, Box::pin(messages), writer, &quota, figures());
    let flooding = async {
        while source.subscribers.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        let (id, subscriber) = source.subscribers.lock()[0].clone();
        let taken = (0..100_000)
            .take_while(|number| subscriber.deliver(id, &head(*number)))
            .count();
        assert!(
            (10_000..MAX_QUEUED_EVENT_BYTES / 2_560).contains(&taken),
            "{taken}"
        );
        assert_eq!(closed.await.unwrap(), Some(SLOW));
    };
    tokio::join!(serving, flooding);
    assert_eq!(source.ended.load(SeqCst), 1);
    let (id, subscriber) = source.subscribers.lock()[0].clone();
    assert!(
        !subscriber.deliver(id, &head(1)),
        "a closed connection accepts nothing"
    );
}

#[tokio::test]
async fn a_connection_that_is_dropped_ends_its_subscriptions() {
    let source = Arc::new(Source::default());
    let dispatcher = dispatcher(&source);
    let (writer, (mut read, _closed)) = pipe(false);
    let messages = stream::iter([call(1, "eth_subscribe")]).chain(stream::pending());
    let quota = quota();
    let serving = serve(&dispatcher, Box::pin(messages), writer, &quota, figures());
    tokio::select! {
        () = serving => panic!("the client has not left"),
        answer = read.recv() => assert!(answer.is_some()),
    }
    assert_eq!(source.ended.load(SeqCst), 1);
    let (id, subscriber) = source.subscribers.lock()[0].clone();
    assert!(!subscriber.deliver(id, &head(2)), "nobody would write it");
}

#[tokio::test]
async fn messages_are_counted_in_both_directions() {
    let source = Arc::new(Source::default());
    let dispatcher = dispatcher(&source);
    let (writer, (mut read, _closed)) = pipe(false);
    let calls = [call(1, "eth_slow"), call(2, "eth_unsubscribe")];
    let figures = figures();
    let counted = Arc::clone(&figures);
    serve(
        &dispatcher,
        Box::pin(stream::iter(calls)),
        writer,
        &quota(),
        counted,
    )
    .await;
    let (mut messages, mut bytes) = (0, 0);
    while let Some(message) = read.recv().await {
        messages += 1;
        bytes += message.len() as u64;
    }
    let read = figures.read();
    let sent = body(1, "eth_slow").len() + body(2, "eth_unsubscribe").len();
    assert_eq!((read.messages_in, read.bytes_in), (2, sent as u64));
    assert_eq!((read.messages_out, read.bytes_out), (messages, bytes));
}

#[tokio::test]
async fn slow_answers_are_overtaken_but_still_written() {
    let source = Arc::new(Source::default());
    let dispatcher = dispatcher(&source);
    let (writer, (mut read, closed)) = pipe(false);
    let calls = [
        call(1, "eth_slow"),
        call(2, "eth_unsubscribe"),
        Incoming::Message(Bytes::from_static(b"no json")),
    ];
    let messages = stream::iter(calls).chain(stream::pending());
    serve(&dispatcher, Box::pin(messages), writer, &quota(), figures()).await;
    let mut answers = Vec::new();
    while let Some(answer) = read.recv().await {
        answers.push(answer);
    }
    let [first, second, third] = answers.as_slice() else {
        panic!("{answers:?}");
    };
    assert!(first.contains("\"id\":2,\"result\":false"), "{first}");
    assert!(second.contains("\"code\":-32700"), "{second}");
    assert!(third.contains("\"id\":1,\"result\":\"slow\""), "{third}");
    assert_eq!(closed.await.unwrap(), None);
}

#[tokio::test]
async fn ended_subscriptions_are_silent_and_their_number_is_limited() {
    let source = Arc::new(Source::default());
    let dispatcher = dispatcher(&source);
    let (writer, (mut read, _closed)) = pipe(false);
    let calls = [call(1, "eth_subscribe"), call(2, "eth_unsubscribe")];
    serve(
        &dispatcher,
        Box::pin(stream::iter(calls)),
        writer,
        &quota(),
        figures(),
    )
    .await;
    let mut names = 0;
    while let Some(message) = read.recv().await {
        names += usize::from(message.contains("\"id\":"));
        // The head that the start of the subscription delivers is written before its end or not at
        // all.
        assert!(
            names < 2 || !message.contains("eth_subscription"),
            "{message}"
        );
    }
    assert_eq!((names, source.ended.load(SeqCst)), (2, 1));

    let connection = Connection::new(&quota());
    let caller = Caller::new(&connection);
    for id in 0..MAX_SUBSCRIPTIONS as u128 {
        caller.subscribe(FilterId(id), |_| true, || {}).unwrap();
    }
    let refused = caller.subscribe(FilterId(u128::MAX), |_| true, || {});
    assert_eq!(refused.unwrap_err().code, LIMIT_EXCEEDED);
}

#[tokio::test]
async fn notifications_are_not_supported_over_http() {
    let source = Arc::new(Source::default());
    let answer = dispatcher(&source).answer(&body(1, "eth_subscribe")).await;
    let text = String::from_utf8(answer.body).unwrap();
    assert!(
        text.contains("\"code\":-32000,\"message\":\"notifications not supported\""),
        "{text}"
    );
    assert!(!answer.close);
}

#[tokio::test]
async fn the_maximum_of_subscriptions_may_lag_1000_blocks() {
    let connection = Connection::new(&quota());
    let blocks = (0..10_000).take_while(|number| {
        let event = head(*number);
        (0..MAX_SUBSCRIPTIONS as u128).all(|id| connection.outbox.deliver(FilterId(id), &event))
    });
    let blocks = blocks.count();
    assert!((1_000..3_000).contains(&blocks), "{blocks}");
    assert_eq!(*connection.outbox.closed.borrow(), Some(SLOW));
    // Written messages make room again.
    let mut written = 0;
    while connection
        .outbox
        .queue
        .event(FilterId(0), &head(0))
        .is_err()
    {
        connection.outbox.queue.next().await;
        written += 1;
    }
    assert!(written < 1_000, "{written}");
}

#[tokio::test]
async fn unread_answers_are_bounded_in_bytes() {
    let connection = Connection::new(&quota());
    let long = vec![b'x'; MAX_QUEUED_ANSWER_BYTES * 2 / 3];
    assert_eq!(connection.outbox.queue.answer(long.clone()).await, Ok(()));
    let mut second = std::pin::pin!(connection.outbox.queue.answer(long));
    let waited = timeout(Duration::from_millis(20), second.as_mut()).await;
    assert!(waited.is_err(), "there is no room for a second answer");
    // Events have a limit of their own.
    assert!(connection.outbox.deliver(FilterId(1), &head(1)));
    assert!(matches!(
        connection.outbox.queue.next().await,
        Outgoing::Answer(_)
    ));
    assert_eq!(
        second.await,
        Ok(()),
        "the second answer takes the place of the first"
    );
    assert!(matches!(
        connection.outbox.queue.next().await,
        Outgoing::Event(..)
    ));
    connection.outbox.queue.close();
    assert_eq!(
        connection.outbox.queue.answer(vec![0]).await,
        Err(NotQueued::Closed)
    );
    assert!(!connection.outbox.deliver(FilterId(1), &head(2)));
}

#[tokio::test]
async fn a_batch_is_cancelled_when_its_client_disconnects() {
    let source = Arc::new(Source::default());
    let dispatcher = dispatcher(&source);
    let calls = vec![r#"{"id":1,"method":"eth_slow"}"#; 500].join(",");
    let batch = Incoming::Message(Bytes::from(format!(" [{calls}]")));
    let (writer, (mut read, _closed)) = pipe(false);
    // The end of the stream means that the client has gone.
    serve(
        &dispatcher,
        Box::pin(stream::iter([batch])),
        writer,
        &quota(),
        figures(),
    )
    .await;
    assert!(read.recv().await.is_none(), "nothing is answered");
    let answered = source.slow.load(SeqCst);
    assert!(answered < 50, "{answered} of 500");
}

#[tokio::test]
async fn a_client_that_only_stops_sending_is_answered() {
    let source = Arc::new(Source::default());
    let dispatcher = dispatcher(&source);
    let (writer, (mut read, closed)) = pipe(false);
    let messages = stream::iter([call(1, "eth_slow"), Incoming::End]).chain(stream::pending());
    serve(&dispatcher, Box::pin(messages), writer, &quota(), figures()).await;
    let answer = read.recv().await.unwrap();
    assert!(answer.contains("\"id\":1,\"result\":\"slow\""), "{answer}");
    assert_eq!(closed.await.unwrap(), None);
}

#[tokio::test]
async fn pipelined_batches_are_cancelled_when_the_client_leaves() {
    let source = Arc::new(Source::default());
    let dispatcher = dispatcher(&source);
    let calls = vec![r#"{"id":1,"method":"eth_slow"}"#; 500].join(",");
    let batch = Bytes::from(format!("[{calls}]"));
    let more = 2 * MAX_CONNECTION_REQUESTS;
    let messages = std::iter::repeat_n(batch, more).map(Incoming::Message);
    let (writer, (mut read, _closed)) = pipe(false);
    serve(
        &dispatcher,
        Box::pin(stream::iter(messages)),
        writer,
        &quota(),
        figures(),
    )
    .await;
    assert!(read.recv().await.is_none(), "nothing is answered");
    let answered = source.slow.load(SeqCst);
    assert!(answered < 100, "{answered} of {}", 500 * more);
}

#[tokio::test]
async fn requests_sent_before_a_disconnect_are_processed() {
    let source = Arc::new(Source::default());
    let dispatcher = dispatcher(&source);
    let count = 3 * MAX_CONNECTION_REQUESTS as u64;
    let messages: Vec<_> = (0..count).map(|id| call(id, "eth_unsubscribe")).collect();
    let (writer, (mut read, _closed)) = pipe(false);
    serve(
        &dispatcher,
        Box::pin(stream::iter(messages)),
        writer,
        &quota(),
        figures(),
    )
    .await;
    let mut answers = 0;
    while read.recv().await.is_some() {
        answers += 1;
    }
    assert_eq!(answers, count);
}

#[tokio::test]
async fn the_backlog_is_bounded_in_bytes() {
    let source = Arc::new(Source::default());
    let dispatcher = dispatcher(&source);
    let padding = " ".repeat(64 * 1024);
    let long = format!("{{\"id\":1,\"method\":\"eth_slow\"{padding}}}");
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let messages = stream::repeat_with(move || {
        counted.fetch_add(1, SeqCst);
        Incoming::Message(Bytes::from(long.clone()))
    });
    let (writer, (_read, _closed)) = pipe(false);
    let quota = quota();
    let serving = serve(&dispatcher, Box::pin(messages), writer, &quota, figures());
    let _ = timeout(Duration::from_millis(50), serving).await;
    let taken = taken.load(SeqCst);
    assert!((33..100).contains(&taken), "{taken}");
}

#[tokio::test]
async fn all_connections_together_are_bounded_in_bytes() {
    let shared = SharedQuota::new(1, 1024 * 1024);
    let (first, second) = (
        Connection::new(&shared.for_network()),
        Connection::new(&shared.for_network()),
    );
    assert_eq!(first.outbox.queue.answer(vec![0; 150_000]).await, Ok(()));
    let long = vec![0; 200_000];
    assert_eq!(
        second.outbox.queue.answer(long.clone()).await,
        Err(NotQueued::Full)
    );
    assert_eq!(second.outbox.queue.answer(vec![0; 1_000]).await, Ok(()));
    // Notifications are also counted.
    while first.outbox.deliver(FilterId(1), &head(1)) {}
    assert_eq!(*first.outbox.closed.borrow(), Some(SLOW));
    first.outbox.queue.close();
    assert_eq!(second.outbox.queue.answer(long).await, Ok(()));
}

#[tokio::test]
async fn a_message_is_counted_until_it_is_written() {
    let shared = SharedQuota::new(1, 1024 * 1024);
    let (first, second) = (
        Connection::new(&shared.for_network()),
        Connection::new(&shared.for_network()),
    );
    assert_eq!(first.outbox.queue.answer(vec![0; 150_000]).await, Ok(()));
    assert!(matches!(
        first.outbox.queue.next().await,
        Outgoing::Answer(_)
    ));
    let long = vec![0; 200_000];
    assert_eq!(
        second.outbox.queue.answer(long.clone()).await,
        Err(NotQueued::Full)
    );
    // The writer asks for the next message when it has written the last one.
    let next = timeout(Duration::from_millis(20), first.outbox.queue.next()).await;
    assert!(next.is_err());
    assert_eq!(second.outbox.queue.answer(long).await, Ok(()));
}

#[tokio::test]
async fn a_request_beyond_the_quota_ends_the_connection() {
    let source = Arc::new(Source::default());
    let dispatcher = dispatcher(&source);
    let (writer, (_read, closed)) = pipe(false);
    let long = Bytes::from(vec![b' '; 200_000]);
    let messages = stream::iter([Incoming::Message(long)]).chain(stream::pending());
    let quota = SharedQuota::new(1, 100_000).for_network();
    serve(&dispatcher, Box::pin(messages), writer, &quota, figures()).await;
    assert_eq!(closed.await.unwrap(), Some(BUSY));
}
