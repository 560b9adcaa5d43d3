//! RLPx frames: length-prefixed, encrypted, with a MAC for the header and one for the body.
//!
//! ```text
//!   header (16)            tag (16)   body (padded to 16)       tag (16)
//!   +-------------------+ +--------+ +-----------------------+ +--------+
//!   | length 3 | c28080 | |  MAC   | | code ‖ payload ‖ 0... | |  MAC   |
//!   +-------------------+ +--------+ +-----------------------+ +--------+
//!     \____ AES-256-CTR, one stream a direction, zero IV ____/
//! ```

use aes::Aes256;
use aes::cipher::{KeyIvInit, StreamCipher};
use bytes::{Bytes, BytesMut};
use ctr::Ctr128BE;

use super::Secrets;
use super::mac::MacState;
use crate::limits::MAX_FRAME_SIZE;

const HEADER_LENGTH: usize = 16;
const TAG_LENGTH: usize = 16;

/// The RLP list [0, 0] that follows the length: capability and context id, never used.
const HEADER_DATA: [u8; 3] = [0xc2, 0x80, 0x80];

/// Reason why a frame was refused. The stream cannot be read on: close the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The header was changed, or encrypted with other secrets.
    #[error("bad header mac")]
    BadHeaderMac,
    /// The body was changed.
    #[error("bad frame mac")]
    BadBodyMac,
    /// An authenticated header announces more bytes than are acceptable now.
    #[error("frame of {size} bytes exceeds the limit of {limit}")]
    TooLarge {
        /// Size that the header announces.
        size: usize,
        /// Maximum size.
        limit: usize,
    },
    /// A message to send does not fit in a frame.
    #[error("message size overflows uint24")]
    Overflow,
}

/// Codec that encrypts and decrypts the frames of one connection.
#[cfg_attr(feature = "fuzz", derive(Clone))]
pub struct FrameCodec {
    encrypt: Ctr128BE<Aes256>,
    decrypt: Ctr128BE<Aes256>,
    egress: MacState,
    ingress: MacState,
    /// The body that is being read, between a header and the body's tag.
    body: Option<PartialBody>,
}

/// A frame's body that has not arrived completely. It is authenticated and decrypted as it arrives,
/// so that the end of a large frame costs no more than any other part of it; none of it is returned
/// before its tag was verified.
#[cfg_attr(feature = "fuzz", derive(Clone))]
struct PartialBody {
    /// Bytes without the padding.
    length: usize,
    /// Bytes, padding included, that have not arrived.
    missing: usize,
    /// The decrypted part. It grows with the input, whatever size the header claims.
    plain: BytesMut,
}

impl FrameCodec {
    /// Creates the codec of a session.
    pub fn new(secrets: Secrets) -> Self {
        let key = (&*secrets.aes).into();
        let iv = (&[0; 16]).into();
        Self {
            encrypt: Ctr128BE::<Aes256>::new(key, iv),
            decrypt: Ctr128BE::<Aes256>::new(key, iv),
            egress: secrets.egress,
            ingress: secrets.ingress,
            body: None,
        }
    }

    /// Appends a frame to `out`. `write` appends the frame's body.
    pub fn encode(
        &mut self,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), FrameError> {
        let start = out.len();
        out.resize(start + HEADER_LENGTH + TAG_LENGTH, 0);
        let body_start = out.len();
        write(out);
        let length = out.len() - body_start;
        if length > MAX_FRAME_SIZE {
            out.truncate(start);
            return Err(FrameError::Overflow);
        }
        out.resize(body_start + padded(length), 0);

        let (head, body) = out
            .get_mut(start..)
            .and_then(|frame| frame.split_at_mut_checked(32))
            .expect("because header, tag and body were appended above");
        let (header, header_tag) = head.split_at_mut(HEADER_LENGTH);
        let [_, length_bytes @ ..] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        for (to, from) in header
            .iter_mut()
            .zip(length_bytes.into_iter().chain(HEADER_DATA))
        {
            *to = from;
        }
        self.encrypt.apply_keystream(header);
        let header: &[u8; HEADER_LENGTH] = (&*header)
            .try_into()
            .expect("because the header has 16 bytes");
        header_tag.copy_from_slice(&self.egress.header_tag(header));
        self.encrypt.apply_keystream(body);
        let body_tag = self.egress.body_tag(body);
        out.extend_from_slice(&body_tag);
        Ok(())
    }

    /// Takes the next frame's body from the start of `input`, if it is complete; the bytes of an
    /// incomplete one are taken as well. A header that announces more than `limit` bytes is refused
    /// before its body arrives.
    pub fn decode(
        &mut self,
        input: &mut BytesMut,
        limit: usize,
    ) -> Result<Option<Bytes>, FrameError> {
        if self.body.is_none() {
            let Some(length) = self.decode_header(input)? else {
                return Ok(None);
            };
            if length > limit {
                return Err(FrameError::TooLarge {
                    size: length,
                    limit,
                });
            }
            self.body = Some(PartialBody {
                length,
                missing: padded(length),
                plain: BytesMut::new(),
            });
        }
        let Some(body) = &mut self.body else {
            return Ok(None);
        };
        let mut part = input.split_to(body.missing.min(input.len()));
        self.ingress.update(&part);
        self.decrypt.apply_keystream(&mut part);
        body.missing -= part.len();
        if body.plain.is_empty() {
            body.plain = part;
        } else {
            body.plain.extend_from_slice(&part);
        }
        if body.missing > 0 || input.len() < TAG_LENGTH {
            return Ok(None);
        }
        let tag = input.split_to(TAG_LENGTH);
        if !equal(&self.ingress.finish_body(), &tag) {
            return Err(FrameError::BadBodyMac);
        }
        let body = self.body.take();
        Ok(body.map(|PartialBody { length, plain, .. }| {
            let mut plain = plain;
            plain.truncate(length);
            plain.freeze()
        }))
    }

    fn decode_header(&mut self, input: &mut BytesMut) -> Result<Option<usize>, FrameError> {
        if input.len() < HEADER_LENGTH + TAG_LENGTH {
            return Ok(None);
        }
        let header = input.split_to(HEADER_LENGTH);
        let tag = input.split_to(TAG_LENGTH);
        let mut header: [u8; HEADER_LENGTH] = header
            .as_ref()
            .try_into()
            .expect("because 16 bytes were split off");
        if !equal(&self.ingress.header_tag(&header), &tag) {
            return Err(FrameError::BadHeaderMac);
        }
        self.decrypt.apply_keystream(&mut header);
        let [high, middle, low, ..] = header;
        Ok(Some(
            usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low),
        ))
    }
}

fn padded(length: usize) -> usize {
    length.next_multiple_of(16)
}

/// Compares tags in constant time.
fn equal(ours: &[u8; 16], theirs: &[u8]) -> bool {
    ours.len() == theirs.len()
        && ours
            .iter()
            .zip(theirs)
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            == 0
}
