//! Two sessions that exchange bytes through vectors, and attacks of a hostile peer.

use std::time::{Duration, Instant};

use actoreum_primitives::SecretKey;
use proptest::prelude::*;

use super::*;
use crate::limits::{HANDSHAKE_TIMEOUT, IDLE_TIMEOUT, MAX_PONG_BACKLOG, PING_INTERVAL};
use crate::rlpx::{FrameError, HandshakeFormat};

fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).unwrap()
}

fn config(byte: u8, version: u64) -> SessionConfig {
    let protocols = vec![
        Protocol {
            capability: Capability::new("eth", 63),
            length: 17,
        },
        Protocol {
            capability: Capability::new("eth", 68),
            length: 17,
        },
        Protocol {
            capability: Capability::new("zzz", u64::from(byte)),
            length: 1,
        },
    ];
    SessionConfig {
        version,
        ..SessionConfig::new(key(byte), "test/v1", protocols)
    }
}

/// Two sessions and the events of each.
struct Pair {
    now: Instant,
    sides: [Session; 2],
    events: [Vec<Event>; 2],
}

impl Pair {
    fn new(format: HandshakeFormat, versions: [u64; 2]) -> Self {
        let now = Instant::now();
        let [ours, theirs] = versions;
        let dialer = Session::initiate(config(1, ours), key(2).public_key(), format, [1; 32], now);
        let listener = Session::accept(config(2, theirs), [2; 32], now);
        Self {
            now,
            sides: [dialer, listener],
            events: [Vec::new(), Vec::new()],
        }
    }

    fn open(format: HandshakeFormat, versions: [u64; 2]) -> Self {
        let mut pair = Self::new(format, versions);
        pair.run(usize::MAX);
        assert!(pair.sides[0].is_open() && pair.sides[1].is_open());
        pair.events = [Vec::new(), Vec::new()];
        pair
    }

    /// Passes bytes to and fro in chunks until there are none left.
    fn run(&mut self, chunk: usize) {
        loop {
            let mut moved = false;
            for from in 0..2 {
                let output = self.sides[from].take_output();
                for bytes in output.chunks(chunk.min(output.len().max(1))) {
                    moved = true;
                    self.sides[1 - from].receive(bytes);
                    while let Some(event) = self.sides[1 - from].poll(self.now).unwrap() {
                        if matches!(event, Event::Authenticated { .. }) {
                            self.sides[1 - from].send_hello().unwrap();
                        }
                        self.events[1 - from].push(event);
                    }
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// Passes the first side's output to the second; returns the second's event.
    fn deliver(&mut self) -> Result<Option<Event>, SessionError> {
        let output = self.sides[0].take_output();
        self.sides[1].receive(&output);
        self.sides[1].poll(self.now)
    }

    /// Sends a frame with any code and payload, compressed or not, from the first side.
    fn send_raw(&mut self, code: u64, payload: &[u8]) {
        self.sides[0].send_raw_frame(code, payload);
    }
}

fn messages(events: &[Event]) -> Vec<(usize, u64, Vec<u8>)> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Message {
                capability,
                id,
                payload,
            } => {
                let payload = payload.clone().decompress().unwrap();
                Some((*capability, *id, payload.to_vec()))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn a_session_opens_and_both_hellos_arrive() {
    for format in [HandshakeFormat::Plain, HandshakeFormat::Eip8] {
        let mut pair = Pair::new(format, [5, 5]);
        pair.run(usize::MAX);
        for (side, other) in [(0, 2u8), (1, 1)] {
            let [Event::Authenticated { remote }, Event::HelloReceived(hello)] =
                pair.events[side].as_slice()
            else {
                panic!("{:?}", pair.events[side]);
            };
            assert_eq!(*remote, key(other).public_key());
            assert_eq!(hello.public_key, key(other).public_key());
            assert_eq!(hello.client_name, "test/v1");
            let [eth] = pair.sides[side].shared() else {
                panic!("one shared capability")
            };
            assert_eq!(eth.capability, Capability::new("eth", 68));
        }
    }
}

#[test]
fn snappy_needs_version_5_on_both_sides() {
    let payload = vec![7; 10_000];
    for (versions, compressed) in [([5, 5], true), ([4, 5], false), ([5, 4], false)] {
        let mut pair = Pair::open(HandshakeFormat::Eip8, versions);
        pair.sides[0].send(0, 3, &payload).unwrap();
        assert_eq!(pair.sides[0].output_len() < payload.len(), compressed);
        pair.run(usize::MAX);
        assert_eq!(messages(&pair.events[1]), [(0, 3, payload.clone())]);
    }
}

#[test]
fn every_disconnect_reason_arrives_as_sent() {
    for &reason in DisconnectReason::ALL {
        let mut pair = Pair::open(HandshakeFormat::Eip8, [5, 5]);
        pair.sides[0].disconnect(reason);
        pair.run(usize::MAX);
        assert_eq!(pair.events[1], [Event::Disconnected(reason)]);
        assert!(!pair.sides[0].is_open() && !pair.sides[1].is_open());
        assert_eq!(pair.sides[0].send(0, 0, &[]), Err(SessionError::NotOpen));
        assert_eq!(pair.sides[1].next_timeout(), None);
    }
}

#[test]
fn a_disconnect_before_any_hello_is_understood() {
    let mut pair = Pair::new(HandshakeFormat::Eip8, [5, 5]);
    assert!(matches!(
        pair.deliver(),
        Ok(Some(Event::Authenticated { .. }))
    ));
    pair.sides[1].disconnect(DisconnectReason::TooManyPeers);
    let output = pair.sides[1].take_output();
    pair.sides[0].receive(&output);
    assert!(matches!(
        pair.sides[0].poll(pair.now),
        Ok(Some(Event::Authenticated { .. }))
    ));
    let expected = Event::Disconnected(DisconnectReason::TooManyPeers);
    assert_eq!(pair.sides[0].poll(pair.now), Ok(Some(expected)));
}

#[test]
fn an_uncompressed_disconnect_is_understood() {
    let mut pair = Pair::open(HandshakeFormat::Eip8, [5, 5]);
    pair.send_raw(code::DISCONNECT, &[0xc1, 0x08]);
    let expected = Event::Disconnected(DisconnectReason::Quitting);
    assert_eq!(pair.deliver(), Ok(Some(expected)));
}

#[test]
fn pings_are_answered_and_the_answers_stay_bounded() {
    let mut pair = Pair::open(HandshakeFormat::Eip8, [5, 5]);
    pair.sides[0].ping().unwrap();
    pair.run(usize::MAX);
    assert_eq!(pair.events, [vec![Event::Pong], vec![Event::Ping]]);

    for _ in 0..5000 {
        pair.sides[0].ping().unwrap();
        assert_eq!(pair.deliver(), Ok(Some(Event::Ping)));
    }
    assert!(pair.sides[1].output_len() < MAX_PONG_BACKLOG + 100);
}

#[test]
fn undefined_codes_are_skipped_and_out_of_range_ones_refused() {
    let mut pair = Pair::open(HandshakeFormat::Eip8, [5, 5]);
    for code in [0, 4, 15] {
        pair.send_raw(code, &[0xc0]);
    }
    assert_eq!(pair.deliver(), Ok(None));
    for code in [33, 34, u64::MAX] {
        let mut pair = Pair::open(HandshakeFormat::Eip8, [5, 5]);
        pair.send_raw(code, &[0xc0]);
        assert_eq!(pair.deliver(), Err(SessionError::CodeOutOfRange(code)));
        assert_eq!(
            pair.sides[0].send(0, 17, &[]),
            Err(SessionError::CodeOutOfRange(17))
        );
        assert_eq!(
            pair.sides[0].send(1, 0, &[]),
            Err(SessionError::CodeOutOfRange(0))
        );
    }
}

#[test]
fn an_oversized_snappy_claim_is_refused() {
    let mut pair = Pair::open(HandshakeFormat::Eip8, [5, 5]);
    pair.send_raw(16, &[0x80, 0x80, 0x80, 0x08, 0x00]);
    assert_eq!(
        pair.deliver(),
        Err(SessionError::Compression(CompressionError::TooLarge))
    );
    let mut pair = Pair::open(HandshakeFormat::Eip8, [5, 5]);
    pair.send_raw(16, &[0xff, 0xff, 0x3f, 0x00]);
    assert_eq!(
        pair.deliver(),
        Err(SessionError::Compression(CompressionError::Implausible))
    );
}

#[test]
fn an_oversized_hello_is_refused_by_its_header() {
    let mut pair = Pair::new(HandshakeFormat::Eip8, [5, 5]);
    assert!(matches!(
        pair.deliver(),
        Ok(Some(Event::Authenticated { .. }))
    ));
    let output = pair.sides[1].take_output();
    pair.sides[0].receive(&output);
    assert!(matches!(
        pair.sides[0].poll(pair.now),
        Ok(Some(Event::Authenticated { .. }))
    ));
    pair.send_raw(code::HELLO, &[0; 5000]);
    let header = pair.sides[0].take_output()[..32].to_vec();
    pair.sides[1].receive(&header);
    let error = pair.sides[1].poll(pair.now).unwrap_err();
    assert_eq!(
        error,
        SessionError::Frame(FrameError::TooLarge {
            size: 5001,
            limit: 2049
        })
    );
    assert_eq!(
        error.disconnect_reason(),
        Some(DisconnectReason::ProtocolBreach)
    );
}

/// Returns side 1's event for a Hello of side 0 that `change` was applied to.
fn hello_result(change: impl FnOnce(&mut Hello)) -> Result<Option<Event>, SessionError> {
    let mut hello = Hello {
        version: 5,
        client_name: "name".to_owned(),
        capabilities: vec![Capability::new("eth", 63)],
        listen_port: 1,
        public_key: key(1).public_key(),
    };
    change(&mut hello);
    let mut payload = Vec::new();
    hello.encode_payload(&mut payload);
    first_message_result(code::HELLO, &payload)
}

fn first_message_result(code: u64, payload: &[u8]) -> Result<Option<Event>, SessionError> {
    let mut pair = Pair::new(HandshakeFormat::Eip8, [5, 5]);
    assert!(matches!(
        pair.deliver(),
        Ok(Some(Event::Authenticated { .. }))
    ));
    let output = pair.sides[1].take_output();
    pair.sides[0].receive(&output);
    assert!(matches!(
        pair.sides[0].poll(pair.now),
        Ok(Some(Event::Authenticated { .. }))
    ));
    pair.send_raw(code, payload);
    pair.deliver()
}

#[test]
fn a_hello_of_another_key_is_refused() {
    assert!(matches!(
        hello_result(|_| {}),
        Ok(Some(Event::HelloReceived(_)))
    ));
    let error = hello_result(|hello| hello.public_key = key(3).public_key()).unwrap_err();
    assert_eq!(error, SessionError::UnexpectedIdentity);
    assert_eq!(
        error.disconnect_reason(),
        Some(DisconnectReason::UnexpectedIdentity)
    );
}

#[test]
fn a_hello_without_a_valid_key_is_refused() {
    let mut payload = vec![0xf8, 70, 0x05, 0x80, 0xc0, 0x80, 0xb8, 64];
    payload.extend([0; 64]);
    let error = first_message_result(code::HELLO, &payload).unwrap_err();
    assert_eq!(error, SessionError::Hello(HelloError::InvalidIdentity));
    assert_eq!(
        error.disconnect_reason(),
        Some(DisconnectReason::InvalidIdentity)
    );
}

#[test]
fn anything_but_a_hello_first_is_refused() {
    let result = first_message_result(code::PING, &[0xc0]);
    assert_eq!(result, Err(SessionError::ExpectedHello(2)));
    assert_eq!(
        first_message_result(16, &[0xc0]),
        Err(SessionError::ExpectedHello(16))
    );
}

#[test]
fn client_names_are_cut_and_stripped_of_control_characters() {
    let long = "a".repeat(1000);
    let Ok(Some(Event::HelloReceived(hello))) =
        hello_result(|hello| hello.client_name = format!("\u{1b}[31m\n{long}"))
    else {
        panic!("the hello is accepted");
    };
    assert_eq!(
        hello.client_name.chars().count(),
        crate::limits::MAX_CLIENT_NAME
    );
    assert!(hello.client_name.starts_with("[31maaa"));
}

#[test]
fn a_hello_with_hundreds_of_capabilities_is_cut() {
    let Ok(Some(Event::HelloReceived(hello))) = hello_result(|hello| {
        hello.capabilities = (0..300)
            .map(|version| Capability::new("x", version))
            .collect();
    }) else {
        panic!("the hello is accepted");
    };
    assert_eq!(hello.capabilities.len(), crate::limits::MAX_CAPABILITIES);
}

#[test]
fn a_stalled_handshake_times_out() {
    let mut pair = Pair::new(HandshakeFormat::Eip8, [5, 5]);
    assert_eq!(
        pair.sides[1].next_timeout(),
        Some(pair.now + HANDSHAKE_TIMEOUT)
    );
    let early = pair.now + HANDSHAKE_TIMEOUT - Duration::from_millis(1);
    assert_eq!(pair.sides[1].handle_timeout(early), Ok(()));
    let late = pair.now + HANDSHAKE_TIMEOUT;
    assert_eq!(
        pair.sides[1].handle_timeout(late),
        Err(SessionError::HandshakeTimeout)
    );
    assert!(matches!(
        pair.deliver(),
        Ok(Some(Event::Authenticated { .. }))
    ));
    assert_eq!(
        pair.sides[1].handle_timeout(late),
        Err(SessionError::HandshakeTimeout)
    );
}

#[test]
fn pings_go_out_on_time_and_silence_ends_the_session() {
    let mut pair = Pair::open(HandshakeFormat::Eip8, [5, 5]);
    let opened = pair.now;
    assert_eq!(pair.sides[0].next_timeout(), Some(opened + PING_INTERVAL));
    pair.sides[0]
        .handle_timeout(opened + PING_INTERVAL)
        .unwrap();
    assert!(pair.sides[0].output_len() > 0);
    pair.now = opened + PING_INTERVAL;
    pair.run(usize::MAX);
    assert_eq!(pair.events[0], [Event::Pong]);
    let after_pong = pair.now + IDLE_TIMEOUT;
    assert_eq!(pair.sides[0].handle_timeout(opened + IDLE_TIMEOUT), Ok(()));
    assert_eq!(
        pair.sides[0].handle_timeout(after_pong),
        Err(SessionError::ReadTimeout)
    );
}

#[test]
fn a_paused_session_does_not_count_as_silent() {
    let mut pair = Pair::open(HandshakeFormat::Eip8, [5, 5]);
    let opened = pair.now;
    let session = &mut pair.sides[0];
    assert_eq!(session.poll(opened), Ok(None));
    session.pause();
    let resumed = opened + 2 * IDLE_TIMEOUT;
    assert_eq!(session.handle_timeout(resumed), Ok(()));
    assert_eq!(session.poll(resumed), Ok(None));
    let late = resumed + IDLE_TIMEOUT;
    let silent = Err(SessionError::ReadTimeout);
    assert_eq!(session.handle_timeout(late), silent);
}

#[test]
fn bytes_that_trickle_in_do_not_keep_a_session_alive() {
    let mut pair = Pair::open(HandshakeFormat::Eip8, [5, 5]);
    let opened = pair.now;
    pair.sides[0].send(0, 0, &[0xc0; 500]).unwrap();
    let output = pair.sides[0].take_output();
    for (second, byte) in output.iter().enumerate().take(29) {
        let now = opened + Duration::from_secs(second as u64);
        pair.sides[1].receive(&[*byte]);
        assert_eq!(pair.sides[1].poll(now), Ok(None));
        assert_eq!(pair.sides[1].handle_timeout(now), Ok(()));
    }
    let late = opened + IDLE_TIMEOUT;
    assert_eq!(
        pair.sides[1].handle_timeout(late),
        Err(SessionError::ReadTimeout)
    );
}

#[test]
fn a_slow_consumer_is_not_a_silent_peer() {
    let mut pair = Pair::open(HandshakeFormat::Eip8, [5, 5]);
    pair.sides[0].send(0, 0, &[0xc0]).unwrap();
    assert!(matches!(pair.deliver(), Ok(Some(Event::Message { .. }))));
    let much_later = pair.now + 2 * IDLE_TIMEOUT;
    assert_eq!(pair.sides[1].handle_timeout(much_later), Ok(()));
    assert_eq!(pair.sides[1].poll(much_later), Ok(None));
    assert_eq!(pair.sides[1].handle_timeout(much_later), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn messages_arrive_in_order_in_any_chunks(
        sent in proptest::collection::vec(
            (0usize..2, 0u64..17, proptest::collection::vec(any::<u8>(), 0..400)), 0..12),
        chunk in 1usize..300,
        plain: bool,
        versions in prop_oneof![Just([5, 5]), Just([4, 5]), Just([4, 4])],
    ) {
        let format = if plain { HandshakeFormat::Plain } else { HandshakeFormat::Eip8 };
        let mut pair = Pair::new(format, versions);
        pair.run(chunk);
        prop_assert!(pair.sides[0].is_open() && pair.sides[1].is_open());
        for (side, id, payload) in &sent {
            pair.sides[*side].send(0, *id, payload).unwrap();
        }
        pair.run(chunk);
        for side in 0..2 {
            let expected: Vec<(usize, u64, Vec<u8>)> = sent
                .iter()
                .filter(|(from, ..)| *from != side)
                .map(|(_, id, payload)| (0, *id, payload.clone()))
                .collect();
            prop_assert_eq!(messages(&pair.events[side]), expected);
        }
    }

    #[test]
    fn hellos_round_trip(
        version: u64, client_name in "[ -~]{0,100}", listen_port: u64, byte in 1u8..255,
        capabilities in proptest::collection::vec(("[a-z]{1,8}", any::<u64>()), 0..20),
    ) {
        let capabilities =
            capabilities.iter().map(|(name, version)| Capability::new(name, *version)).collect();
        let public_key = key(byte).public_key();
        let hello = Hello { version, client_name, capabilities, listen_port, public_key };
        let mut payload = Vec::new();
        hello.encode_payload(&mut payload);
        prop_assert_eq!(Hello::decode_payload(&payload), Ok(hello.clone()));
        payload.extend([1, 2, 3]);
        prop_assert_eq!(Hello::decode_payload(&payload), Ok(hello));
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        first in proptest::collection::vec(any::<u8>(), 0..700),
        payload in proptest::collection::vec(any::<u8>(), 0..200),
        code in 0u64..40,
    ) {
        let mut session = Session::accept(config(2, 5), [2; 32], Instant::now());
        session.receive(&first);
        let _ = session.poll(Instant::now());
        let _ = Hello::decode_payload(&payload);
        let mut pair = Pair::open(HandshakeFormat::Eip8, [5, 5]);
        pair.send_raw(code, &payload);
        let _ = pair.deliver();
        let _ = first_message_result(code, &payload);
    }
}
