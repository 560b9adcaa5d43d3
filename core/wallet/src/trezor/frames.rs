//! Messages in packets: each packet is a question mark and 63 bytes of a stream of two number
//! signs, the message's type and length, and its content.

use std::fmt;

use zeroize::Zeroizing;

use super::TrezorError;
use crate::{
    hardware::{PACKET_BYTES, Packet},
    limits::MAX_TREZOR_MESSAGE_BYTES,
};

/// The first byte of each packet.
const REPORT_ID: u8 = b'?';
/// The first bytes of a message.
const MAGIC: [u8; 2] = *b"##";
/// Length of the header: magic, type and length of the message, both big-endian.
const HEADER_BYTES: usize = 8;

/// An encoded message. Its memory is zeroed after use and it is never printed, because it may
/// contain a PIN.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The message type.
    pub kind: u16,
    /// The encoded fields.
    pub content: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Message");
        shown.field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Message {
    /// Calls `send` with each packet of the message.
    ///
    /// # Errors
    /// The first error of `send`.
    pub fn send<E>(&self, mut send: impl FnMut(&Packet) -> Result<(), E>) -> Result<(), E> {
        let length = u32::try_from(self.content.len())
            .expect("because what is signed is shorter than a message may be");
        let mut stream = Zeroizing::new(Vec::with_capacity(HEADER_BYTES + self.content.len()));
        stream.extend(MAGIC);
        stream.extend(self.kind.to_be_bytes());
        stream.extend(length.to_be_bytes());
        stream.extend_from_slice(&self.content);
        for chunk in stream.chunks(PACKET_BYTES - 1) {
            let mut packet = Zeroizing::new([0; PACKET_BYTES]);
            packet[0] = REPORT_ID;
            packet[1..=chunk.len()].copy_from_slice(chunk);
            send(&packet)?;
        }
        Ok(())
    }
}

/// A message that is being received.
#[derive(Debug, Default)]
pub struct Assembly {
    /// The type and length of the message, once the first packet has arrived.
    header: Option<(u16, usize)>,
    content: Vec<u8>,
}

impl Assembly {
    /// Adds a packet; returns the message once it is complete.
    ///
    /// # Errors
    /// If the packet does not belong to a message, or the message is too long.
    pub fn push(&mut self, packet: &Packet) -> Result<Option<Message>, TrezorError> {
        let [REPORT_ID, body @ ..] = packet else {
            return Err(TrezorError::InvalidHeader);
        };
        let (kind, length, part) = match (self.header, body) {
            (Some((kind, length)), body) => (kind, length, &body[..]),
            (None, [b'#', b'#', k0, k1, l0, l1, l2, l3, part @ ..]) => {
                let length = u32::from_be_bytes([*l0, *l1, *l2, *l3]);
                let bounded = usize::try_from(length)
                    .ok()
                    .filter(|length| *length <= MAX_TREZOR_MESSAGE_BYTES)
                    .ok_or(TrezorError::TooLong(length))?;
                (u16::from_be_bytes([*k0, *k1]), bounded, &part[..])
            }
            (None, _) => return Err(TrezorError::InvalidHeader),
        };
        self.header = Some((kind, length));
        let missing = length - self.content.len();
        self.content
            .extend_from_slice(&part[..missing.min(part.len())]);
        if self.content.len() < length {
            return Ok(None);
        }
        self.header = None;
        Ok(Some(Message {
            kind,
            content: Zeroizing::new(std::mem::take(&mut self.content)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Password, trezor::Request};

    #[test]
    fn a_secret_is_never_printed() {
        let pin = Password::from("7139");
        let request = Request::PinMatrixAck(&pin);
        let shown = format!("{request:?} {:?}", request.encode());
        let want = "PinMatrixAck(Password(redacted)) Message { kind: 19, .. }";
        assert_eq!(shown, want);
    }
}
