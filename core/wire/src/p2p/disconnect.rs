//! Why a connection ends.

use std::fmt;

use actoreum_primitives::rlp::{self, Encode, List};

use crate::rlp::put_list;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $text:literal;)+) => {
        /// The reason in a Disconnect message. Codes and texts are devp2p's.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum DisconnectReason {
            $($(#[doc = $doc])+ $name,)+
            /// A code that has no meaning. Nothing is done with it but to show it.
            Unknown(u8),
        }

        impl DisconnectReason {
            /// Every reason with a meaning.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code on the wire.
            pub fn code(self) -> u8 {
                match self {
                    $(Self::$name => $code,)+
                    Self::Unknown(code) => code,
                }
            }

            /// The reason with this code.
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
    /// Somebody asked for it.
    Requested = 0, "disconnect requested";
    /// The socket failed. Never worth sending: the socket failed.
    NetworkError = 1, "network error";
    /// A message that does not decode, or comes at the wrong time.
    ProtocolBreach = 2, "breach of protocol";
    /// No capability in common.
    UselessPeer = 3, "useless peer";
    /// No slot is free.
    TooManyPeers = 4, "too many peers";
    /// There is another connection to the same node.
    AlreadyConnected = 5, "already connected";
    /// A base protocol version that cannot be spoken: one before 4 in the other's Hello. geth knows
    /// the reason when it hears it, and from 1.8 to 1.13 it says it to nobody.
    IncompatibleVersion = 6, "incompatible p2p protocol version";
    /// A Hello without a valid key.
    InvalidIdentity = 7, "invalid node identity";
    /// The node stops.
    Quitting = 8, "client quitting";
    /// A key other than the one that was dialled or authenticated.
    UnexpectedIdentity = 9, "unexpected identity";
    /// We dialled ourselves.
    Self_ = 10, "connected to self";
    /// Nothing was heard for too long.
    ReadTimeout = 11, "read timeout";
    /// A capability's protocol ended with an error.
    SubprotocolError = 16, "subprotocol error";
}

impl DisconnectReason {
    /// Appends the message's payload: a list with the code.
    pub(crate) fn encode_payload(self, out: &mut Vec<u8>) {
        put_list(out, |out| u64::from(self.code()).encode(out));
    }

    /// Reads a payload: a list with the code, or the code alone (old clients). What does not
    /// decode, an empty list above all, is [`Self::Requested`].
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
    fn every_code_survives_the_wire() {
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
    fn reasons_without_a_meaning_can_be_shown() {
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
    fn old_and_broken_payloads_have_a_reason() {
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
