//! Disconnect, the last message of a connection, and its reasons.

use std::fmt;

use actoreum_primitives::rlp::{self, Encode, List};

use crate::rlp::put_list;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $text:literal;)+) => {
        /// The reason in a Disconnect message. Codes and texts are devp2p's.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum DisconnectReason {
            $($(#[doc = $doc])+ $name,)+
            /// A code without a meaning in devp2p. It is only displayed.
            Unknown(u8),
        }

        impl DisconnectReason {
            /// Every reason with a meaning.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Returns the code on the wire.
            pub fn code(self) -> u8 {
                match self {
                    $(Self::$name => $code,)+
                    Self::Unknown(code) => code,
                }
            }

            /// Returns the reason with this code.
            pub fn from_code(code: u8) -> Self {
                match code {
                    $($code => Self::$name,)+
                    other => Self::Unknown(other),
                }
            }
        }

        impl fmt::Display for DisconnectReason {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name => formatter.write_str($text),)+
                    Self::Unknown(code) => write!(formatter, "unknown disconnect reason {code}"),
                }
            }
        }
    };
}

reasons! {
    /// The operator or the node requested it.
    Requested = 0, "disconnect requested";
    /// The socket failed. Never worth sending, since the socket failed.
    NetworkError = 1, "network error";
    /// A message did not decode, or came at the wrong time.
    ProtocolBreach = 2, "breach of protocol";
    /// No capability is shared.
    UselessPeer = 3, "useless peer";
    /// The maximum number of peers is reached.
    TooManyPeers = 4, "too many peers";
    /// The same node is already connected.
    AlreadyConnected = 5, "already connected";
    /// The base protocol version is not supported: one before 4 in the other side's Hello. geth 1.8
    /// to 1.13 know the reason when they receive it, and never send it.
    IncompatibleVersion = 6, "incompatible p2p protocol version";
    /// The Hello has no valid key.
    InvalidIdentity = 7, "invalid node identity";
    /// The node stops.
    Quitting = 8, "client quitting";
    /// The key is another than the one that was dialled or authenticated.
    UnexpectedIdentity = 9, "unexpected identity";
    /// The node dialled itself.
    Self_ = 10, "connected to self";
    /// Nothing was received for too long.
    ReadTimeout = 11, "read timeout";
    /// The protocol of a capability ended with an error.
    SubprotocolError = 16, "subprotocol error";
}

impl DisconnectReason {
    /// Appends the message's payload: a list with the code.
    pub(crate) fn encode_payload(self, out: &mut Vec<u8>) {
        put_list(out, |out| u64::from(self.code()).encode(out));
    }

    /// Decodes a payload: a list with the code, or the code alone (old clients). A payload that
    /// does not decode, such as an empty list, is [`Self::Requested`].
    pub(crate) fn decode_payload(payload: &[u8]) -> Self {
        let mut rest = payload;
        let code = match List::open(&mut rest) {
            Ok(mut list) => list.next::<u64>(),
            Err(_) => rlp::decode_exact::<u64>(payload),
        };
        match code.map(u8::try_from) {
            Ok(Ok(code)) => Self::from_code(code),
            Ok(Err(_)) => Self::Unknown(u8::MAX),
            Err(_) => Self::Requested,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_round_trips() {
        for code in 0..=u8::MAX {
            let reason = DisconnectReason::from_code(code);
            assert_eq!(reason.code(), code);
            let mut payload = Vec::new();
            reason.encode_payload(&mut payload);
            assert_eq!(DisconnectReason::decode_payload(&payload), reason);
        }
        assert_eq!(DisconnectReason::ALL.len(), 13);
    }

    #[test]
    fn unknown_reasons_can_be_displayed() {
        assert_eq!(
            DisconnectReason::from_code(17).to_string(),
            "unknown disconnect reason 17"
        );
        assert_eq!(
            DisconnectReason::from_code(12).to_string(),
            "unknown disconnect reason 12"
        );
    }

    #[test]
    fn old_and_malformed_payloads_have_a_reason() {
        assert_eq!(
            DisconnectReason::decode_payload(&[4]),
            DisconnectReason::TooManyPeers
        );
        assert_eq!(
            DisconnectReason::decode_payload(&[0xc0]),
            DisconnectReason::Requested
        );
        assert_eq!(
            DisconnectReason::decode_payload(&[]),
            DisconnectReason::Requested
        );
        assert_eq!(
            DisconnectReason::decode_payload(&[0xff; 9]),
            DisconnectReason::Requested
        );
        let large = [0xc3, 0x82, 0xff, 0xff];
        assert_eq!(
            DisconnectReason::decode_payload(&large),
            DisconnectReason::Unknown(255)
        );
    }
}
