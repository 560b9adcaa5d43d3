//! A simulated Ledger with real packets: exchanges recorded with devices, refusals, locks, and
//! packets of a broken or foreign device.
//!
//! The recorded exchanges are data of public test suites: LedgerHQ's ledgerjs (hw-app-eth) and
//! Frame's.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::VecDeque;

use actoreum_primitives::{
    Address, B256, Bytes, DynamicFeeTx, Signature, TxPayload, U256, address, keccak256,
};
use actoreum_wallet::{
    DerivationPath,
    hardware::{PACKET_BYTES, Packet},
    ledger::{
        Command, Exchange, LedgerError, Step, Version, read_address, read_signature, read_version,
    },
    signing,
};
use proptest::prelude::*;

/// A device with a script: the APDUs that it expects, and its answers.
struct Device {
    script: VecDeque<(Vec<u8>, Vec<u8>)>,
    received: Vec<u8>,
}

impl Device {
    fn new(script: &[(&str, &str)]) -> Self {
        let bytes = |text: &str| hex::decode(text).unwrap();
        Self {
            script: script
                .iter()
                .map(|(asked, answer)| (bytes(asked), bytes(answer)))
                .collect(),
            received: Vec::new(),
        }
    }

    /// Takes a packet; returns the packets of the answer once the APDU is complete.
    fn write(&mut self, packet: &Packet) -> Vec<Packet> {
        assert_eq!(packet[..3], [1, 1, 5]);
        let number = usize::from(u16::from_be_bytes([packet[3], packet[4]]));
        assert_eq!(number * 59, self.received.len(), "in order");
        self.received.extend(&packet[5..]);
        let length = usize::from(u16::from_be_bytes([self.received[0], self.received[1]]));
        if self.received.len() < length + 2 {
            return Vec::new();
        }
        let (asked, answer) = self.script.pop_front().expect("nothing more is asked");
        assert_eq!(
            hex::encode(&self.received[2..length + 2]),
            hex::encode(asked)
        );
        self.received.clear();
        packets(&answer)
    }

    fn run(&mut self, command: Command) -> Result<Vec<u8>, LedgerError> {
        let (mut exchange, mut outgoing) = Exchange::begin(command);
        loop {
            let mut incoming = Vec::new();
            for packet in &outgoing {
                incoming.extend(self.write(packet));
            }
            outgoing.clear();
            for packet in &incoming {
                match exchange.receive(packet)? {
                    Step::Wait => {}
                    Step::Send(packets) => outgoing = packets,
                    Step::Done(answer) => return Ok(answer),
                }
            }
            assert!(!outgoing.is_empty(), "neither an answer nor more to send");
        }
    }
}

fn packets(answer: &[u8]) -> Vec<Packet> {
    let content = [&(answer.len() as u16).to_be_bytes()[..], answer].concat();
    let chunks = content.chunks(PACKET_BYTES - 5).enumerate();
    chunks
        .map(|(number, chunk)| {
            let mut packet = [0; PACKET_BYTES];
            packet[..5].copy_from_slice(&[1, 1, 5, (number >> 8) as u8, number as u8]);
            packet[5..5 + chunk.len()].copy_from_slice(chunk);
            packet
        })
        .collect()
}

fn path(text: &str) -> DerivationPath {
    text.parse().unwrap()
}

#[test]
fn vectors_an_address() {
    let public_key = "b884d0c53b60fb8aafba20ca84870f20428082863f1d39a402c36c2de356cb0c\
        6c0a582f54ee29911ca6f1823d34405623f4a7418db8ebb0203bc3acba08ba64";
    let answer = format!(
        "4104{public_key}28{}9000",
        hex::encode("c6D5a3c98EC9073B54FA0969957Bd582e8D874bf")
    );
    let asked = "e002000015058000002c8000003c800000000000000000000000";
    let mut device = Device::new(&[(asked, &answer)]);
    let answer = device
        .run(Command::address(&DerivationPath::account(0)))
        .unwrap();
    let want = address!("c6D5a3c98EC9073B54FA0969957Bd582e8D874bf");
    assert_eq!(read_address(&answer), Ok(want));
    let hash = keccak256(hex::decode(public_key).unwrap());
    assert_eq!(Address::from_slice(&hash[12..]), want, "the key's own");
}

/// The transaction of a recorded exchange: 0.01 ether and an ERC-20 approval.
fn recorded_transaction() -> TxPayload {
    let token = address!("e41d2489571d322189246dafa5ebde1f4699f498");
    let mut input = hex::decode("095ea7b3").unwrap();
    input.extend([0; 12]);
    input.extend(hex::decode("221657776846890989a759ba2973e427dff5c9bb").unwrap());
    input.extend(U256::from(5_000_000_000_000_000_000_u64).to_be_bytes::<32>());
    TxPayload::DynamicFee(DynamicFeeTx {
        chain_id: 1,
        nonce: 6,
        max_priority_fee_per_gas: U256::from(0x3b9a_ca00_u64),
        max_fee_per_gas: U256::from(20_000_000_000_u64),
        gas_limit: 0x5208,
        to: Some(token),
        value: U256::from(10_000_000_000_000_000_u64),
        input: Bytes::from(input),
        ..DynamicFeeTx::default()
    })
}

#[test]
fn vectors_a_transaction_of_type_2() {
    let asked = "e00400008c058000002c8000003c80000000000000000000000002f8740106843b9aca008504a817c8\
        0082520894e41d2489571d322189246dafa5ebde1f4699f498872386f26fc10000b844095ea7b30000000000000\
        00000000000221657776846890989a759ba2973e427dff5c9bb0000000000000000000000000000000000000000\
        000000004563918244f40000c0";
    let answer = "00d6814aa5db69de910824b14462af006fde864224c616ab93e30f646e7309a93f0312ac6e580e918c\
        e6e39e5f910cb95ba7b68167f4d71e581dec2495a198ecc09000";
    let payload = recorded_transaction();
    let hash = payload.signing_hash();
    let unsigned = hex::decode(&asked[52..]).unwrap();
    assert_eq!(keccak256(&unsigned), hash, "it is that transaction");
    let command = Command::sign_transaction(&DerivationPath::account(0), &unsigned);
    let answer = Device::new(&[(asked, answer)]).run(command).unwrap();
    // The device returned an even parity.
    let mut bytes = [0; 65];
    bytes[..64].copy_from_slice(&answer[1..]);
    let signer = Signature::from_bytes(&bytes)
        .unwrap()
        .recover_address(hash)
        .unwrap();
    let signature = read_signature(&answer, hash, signer).unwrap();
    assert_eq!(signature.to_bytes(), bytes);
    let other = read_signature(&answer, hash, Address::repeat_byte(1));
    assert_eq!(other, Err(LedgerError::WrongSigner));
    for broken in [&answer[..64], &[&answer[..], &[0]].concat(), &[]] {
        let lacking = Err(LedgerError::Malformed("reply lacks signature"));
        assert_eq!(read_signature(broken, hash, signer), lacking);
    }
}

#[test]
fn vectors_a_personal_message() {
    let message = b"hello, Frame!";
    let asked =
        "e008000026058000002c8000003c8000000000000000000000020000000d68656c6c6f2c204672616d6521";
    let answer = "1b5dfbee187e688cddacd854f3ed514c5a0a84ae972fe9ddeafb06436c92d7b1421ad9b725c7270d2c\
        5b32ef824e0700ae354471a644d9cd06cb9f3422feba21319000";
    let command = Command::sign_message(&DerivationPath::account(2), message).unwrap();
    let answer = Device::new(&[(asked, answer)]).run(command).unwrap();
    let hash = signing::personal_message_hash(message);
    let mut bytes = [0; 65];
    bytes[..64].copy_from_slice(&answer[1..]);
    let signature = Signature::from_bytes(&bytes).unwrap();
    let signer = signature.recover_address(hash).unwrap();
    assert_eq!(read_signature(&answer, hash, signer), Ok(signature));
}

#[test]
fn version_and_typed_data() {
    let mut device = Device::new(&[("e006000000", "010109009000")]);
    let answer = device.run(Command::version()).unwrap();
    assert_eq!(read_version(&answer), Ok(Version([1, 9, 0])));
    assert!(read_version(&[1, 2, 3]).is_err());

    let (domain, message) = (B256::repeat_byte(0xd0), B256::repeat_byte(0x3e));
    let asked = format!(
        "e00c000051048000002c8000003c8000000000000003{}{}",
        "d0".repeat(32),
        "3e".repeat(32)
    );
    let answer = format!("1b{}9000", "11".repeat(64));
    let command = Command::sign_typed_data(&path("m/44'/60'/0'/3"), domain, message);
    let answer = Device::new(&[(&asked, &answer)]).run(command).unwrap();
    assert_eq!(answer.len(), 65);
}

#[test]
fn long_data_is_sent_in_parts_that_are_each_answered() {
    let message = vec![7; 700];
    let mut data = hex::decode("058000002c8000003c800000000000000000000000000002bc").unwrap();
    data.extend(&message);
    let parts: Vec<String> = data
        .chunks(255)
        .enumerate()
        .map(|(index, chunk)| {
            let order = if index == 0 { "00" } else { "80" };
            format!("e008{order}00{:02x}{}", chunk.len(), hex::encode(chunk))
        })
        .collect();
    let signature = format!("1c{}9000", "22".repeat(64));
    let script = [
        (parts[0].as_str(), "9000"),
        (&parts[1], "9000"),
        (&parts[2], &signature),
    ];
    let mut device = Device::new(&script);
    let command = Command::sign_message(&DerivationPath::account(0), &message).unwrap();
    assert_eq!(device.run(command).unwrap().len(), 65);

    // The user refuses in the middle: nothing more is sent.
    let mut device = Device::new(&[(&parts[0], "9000"), (&parts[1], "6985")]);
    let command = Command::sign_message(&DerivationPath::account(0), &message).unwrap();
    assert_eq!(device.run(command), Err(LedgerError::Refused));
}

#[test]
fn the_end_of_a_legacy_transaction_is_never_sent_alone() {
    let account = DerivationPath::account(0);
    for length in 0..600 {
        let unsigned = vec![1; 20 + length];
        let (_, mut packets) = Exchange::begin(Command::sign_transaction(&account, &unsigned));
        let (mut exchange, _) = Exchange::begin(Command::sign_transaction(&account, &unsigned));
        let mut sent = 0;
        loop {
            let first = &packets[0];
            let data = usize::from(first[11]);
            sent += data;
            let ok = packets_of_status(0x9000);
            match exchange.receive(&ok).unwrap() {
                Step::Send(more) => packets = more,
                Step::Done(_) => {
                    assert!(data > 3, "{length}: {data}");
                    break;
                }
                Step::Wait => panic!("the status is there"),
            }
        }
        assert_eq!(sent, unsigned.len() + 21);
    }
}

fn packets_of_status(status: u16) -> Packet {
    packets(&status.to_be_bytes())[0]
}

#[test]
fn status_words_become_errors() {
    for (status, want) in [
        (0x6985, LedgerError::Refused),
        (0x5515, LedgerError::Locked),
        (0x6d00, LedgerError::OtherApplication),
        (0x6e00, LedgerError::OtherApplication),
        (0x6a80, LedgerError::InvalidData),
        (0x6982, LedgerError::NotAllowed),
        (0x6501, LedgerError::TransactionType),
        (0x1234, LedgerError::Status(0x1234)),
    ] {
        let (mut exchange, _) = Exchange::begin(Command::version());
        assert_eq!(exchange.receive(&packets_of_status(status)), Err(want));
    }
    let (mut exchange, _) = Exchange::begin(Command::version());
    let mut browser = packets_of_status(0x9000);
    browser[0] = 0x02;
    assert_eq!(exchange.receive(&browser), Err(LedgerError::InvalidHeader));
    let (mut exchange, _) = Exchange::begin(Command::version());
    let mut late = packets_of_status(0x9000);
    late[4] = 1;
    assert!(matches!(
        exchange.receive(&late),
        Err(LedgerError::Framing(_))
    ));
}

proptest! {
    #[test]
    fn prop_no_device_causes_a_panic(
        mut stream in proptest::collection::vec(any::<[u8; 32]>(), 0..40),
        length: u16,
        ordered: bool,
    ) {
        let (mut exchange, _) = Exchange::begin(Command::version());
        for (number, noise) in stream.drain(..).enumerate() {
            let mut packet = [0; PACKET_BYTES];
            packet[..32].copy_from_slice(&noise);
            if ordered {
                packet[..5].copy_from_slice(&[1, 1, 5, 0, number as u8]);
                if number == 0 {
                    packet[5..7].copy_from_slice(&length.to_be_bytes());
                }
            }
            match exchange.receive(&packet) {
                Ok(Step::Done(answer)) => {
                    let _ = (read_address(&answer), read_version(&answer));
                    break;
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }

    #[test]
    fn prop_no_answer_causes_a_panic(answer in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_address(&answer);
        let _ = read_version(&answer);
        let _ = read_signature(&answer, B256::ZERO, Address::ZERO);
    }
}
