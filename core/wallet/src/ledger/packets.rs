//! Commands and answers in packets of 64 bytes.

use std::collections::VecDeque;

use super::{Command, LedgerError};
use crate::hardware::{PACKET_BYTES, Packet};

/// Channel 0x0101, tag 5 (APDU). Another channel means that the device is in use by a browser.
const CHANNEL_AND_TAG: [u8; 3] = [0x01, 0x01, 0x05];
/// Length of the header: channel, tag, and the number of the packet, big-endian.
const HEADER_BYTES: usize = 5;
/// Length of an APDU's length prefix, big-endian.
const LENGTH_BYTES: usize = 2;
/// Length of the status word at the end of an answer.
const STATUS_BYTES: usize = 2;

/// The next step of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Wait for another packet.
    Wait,
    /// Send these packets, then wait.
    Send(Vec<Packet>),
    /// The command is complete, with this answer.
    Done(Vec<u8>),
}

/// One command and its answer. A device handles one exchange at a time.
#[derive(Debug)]
pub struct Exchange {
    parts: VecDeque<Vec<u8>>,
    answer: Answer,
}

/// An answer that is being received.
#[derive(Debug, Default)]
struct Answer {
    packets: u16,
    length: usize,
    content: Vec<u8>,
}

impl Exchange {
    /// Starts an exchange; returns the packets to send.
    pub fn begin(command: Command) -> (Self, Vec<Packet>) {
        let mut exchange = Self {
            parts: command.parts.into(),
            answer: Answer::default(),
        };
        let packets = exchange.next_part().unwrap_or_default();
        (exchange, packets)
    }

    /// Handles a packet from the device.
    ///
    /// # Errors
    /// If the device refuses, or its packet is malformed. The exchange has ended then.
    pub fn receive(&mut self, packet: &Packet) -> Result<Step, LedgerError> {
        let Some(mut content) = self.answer.push(packet)? else {
            return Ok(Step::Wait);
        };
        let status = content.split_off(content.len() - STATUS_BYTES);
        let status = status
            .iter()
            .fold(0, |word: u16, byte| word << 8 | u16::from(*byte));
        LedgerError::check(status)?;
        Ok(match self.next_part() {
            Some(packets) => Step::Send(packets),
            None => Step::Done(content),
        })
    }

    fn next_part(&mut self) -> Option<Vec<Packet>> {
        self.answer = Answer::default();
        self.parts.pop_front().map(|apdu| packets_of(&apdu))
    }
}

fn packets_of(apdu: &[u8]) -> Vec<Packet> {
    let length =
        u16::try_from(apdu.len()).expect("because an APDU has 5 bytes and at most 255 of data");
    let content = [&length.to_be_bytes()[..], apdu].concat();
    let chunks = content.chunks(PACKET_BYTES - HEADER_BYTES);
    (0_u16..)
        .zip(chunks)
        .map(|(number, chunk)| {
            let mut packet = [0; PACKET_BYTES];
            packet[..3].copy_from_slice(&CHANNEL_AND_TAG);
            packet[3..HEADER_BYTES].copy_from_slice(&number.to_be_bytes());
            packet[HEADER_BYTES..HEADER_BYTES + chunk.len()].copy_from_slice(chunk);
            packet
        })
        .collect()
}

impl Answer {
    /// Adds a packet; returns the whole answer with its status word once it is complete.
    fn push(&mut self, packet: &Packet) -> Result<Option<Vec<u8>>, LedgerError> {
        let (header, mut content) = packet.split_at(HEADER_BYTES);
        let (channel, number) = header.split_at(CHANNEL_AND_TAG.len());
        if channel != CHANNEL_AND_TAG {
            return Err(LedgerError::InvalidHeader);
        }
        if number != self.packets.to_be_bytes() {
            return Err(LedgerError::Framing("packets out of order"));
        }
        if self.packets == 0 {
            let (length, rest) = content.split_at(LENGTH_BYTES);
            self.length = length
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte));
            if self.length < STATUS_BYTES {
                return Err(LedgerError::Framing("no status word"));
            }
            content = rest;
        }
        // The counter can't overflow: the maximum length of 65,535 bytes takes 1,111 packets.
        self.packets += 1;
        let missing = self.length - self.content.len();
        self.content
            .extend_from_slice(&content[..missing.min(content.len())]);
        let is_complete = self.content.len() == self.length;
        Ok(is_complete.then(|| std::mem::take(&mut self.content)))
    }
}
