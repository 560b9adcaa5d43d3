//! Requests and replies.

use actoreum_primitives::{Address, B256};

use super::{
    Part, TrezorError,
    frames::Message,
    protobuf::{Encoder, Value, decode},
};
use crate::{DerivationPath, Password, limits::MAX_DEVICE_TEXT};

const INITIALIZE: u16 = 0;
const PING: u16 = 1;
const SUCCESS: u16 = 2;
const FAILURE: u16 = 3;
const FEATURES: u16 = 17;
const PIN_MATRIX_REQUEST: u16 = 18;
const PIN_MATRIX_ACK: u16 = 19;
const CANCEL: u16 = 20;
const BUTTON_REQUEST: u16 = 26;
const BUTTON_ACK: u16 = 27;
const PASSPHRASE_REQUEST: u16 = 41;
const PASSPHRASE_ACK: u16 = 42;
const GET_ADDRESS: u16 = 56;
const ADDRESS: u16 = 57;
const TX_REQUEST: u16 = 59;
const TX_ACK: u16 = 60;
const SIGN_MESSAGE: u16 = 64;
const MESSAGE_SIGNATURE: u16 = 66;
const SIGN_TYPED_DATA: u16 = 464;
const STRUCT_REQUEST: u16 = 465;
const VALUE_REQUEST: u16 = 467;
const TYPED_DATA_SIGNATURE: u16 = 469;
const SIGN_TYPED_HASH: u16 = 470;

/// The `FailureType`s of a refusal by the user.
const ACTION_CANCELLED: u64 = 4;
const PIN_CANCELLED: u64 = 6;

/// Maximum length of a transaction's input in one message, in bytes.
pub const MAX_DATA_CHUNK: usize = 1024;

/// The requests to the device, except transactions.
#[derive(Debug, Clone, Copy)]
pub enum Request<'a> {
    /// Requests the features; the device forgets passphrases.
    Initialize,
    /// Checks the connection.
    Ping,
    /// Cancels the current request.
    Cancel,
    /// Acknowledges a button request: the device may ask the user now.
    ButtonAck,
    /// The PIN, as positions in the matrix.
    PinMatrixAck(&'a Password),
    /// The passphrase.
    PassphraseAck(&'a Password),
    /// Requests the address at a path, without confirmation by the user.
    GetAddress(&'a DerivationPath),
    /// The next chunk of a transaction's input.
    TxAck(&'a [u8]),
    /// Requests the signature of a personal message (EIP-191).
    SignMessage(&'a DerivationPath, &'a [u8]),
    /// Requests the signature of typed data (EIP-712) with this primary type; the device requests
    /// its parts.
    SignTypedData(&'a DerivationPath, &'a str),
    /// Requests the signature of typed data, given by the hashes of its domain and its message.
    /// Supported by firmwares of the first model only.
    SignTypedHash(&'a DerivationPath, B256, Option<B256>),
}

impl Request<'_> {
    /// Encodes the request.
    pub fn encode(self) -> Message {
        let fields = Encoder::default();
        let (kind, fields) = match self {
            Self::Initialize => (INITIALIZE, fields),
            Self::Ping => (PING, fields),
            Self::Cancel => (CANCEL, fields),
            Self::ButtonAck => (BUTTON_ACK, fields),
            Self::PinMatrixAck(pin) => (PIN_MATRIX_ACK, fields.bytes(1, pin.as_bytes())),
            Self::PassphraseAck(phrase) => (PASSPHRASE_ACK, fields.bytes(1, phrase.as_bytes())),
            Self::GetAddress(path) => (GET_ADDRESS, fields.numbers(1, path.components())),
            Self::TxAck(chunk) => (TX_ACK, fields.bytes(1, chunk)),
            Self::SignMessage(path, message) => (
                SIGN_MESSAGE,
                fields.numbers(1, path.components()).bytes(2, message),
            ),
            Self::SignTypedData(path, primary_type) => {
                let fields = fields.numbers(1, path.components());
                (SIGN_TYPED_DATA, fields.bytes(2, primary_type.as_bytes()))
            }
            Self::SignTypedHash(path, domain, message) => {
                let fields = fields.numbers(1, path.components());
                let fields = fields.bytes(2, domain.as_slice());
                let fields = match message {
                    Some(message) => fields.bytes(3, message.as_slice()),
                    None => fields,
                };
                (SIGN_TYPED_HASH, fields)
            }
        };
        Message {
            kind,
            content: fields.finish(),
        }
    }
}

/// The features that the device reports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Features {
    /// The firmware version: major, minor, patch.
    pub version: [u64; 3],
    /// The name that the user gave the device.
    pub label: String,
}

/// A reply while a transaction is being signed: a request for more input, or the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TxRequest {
    /// The number of further bytes requested.
    More(usize),
    /// r and s, each big-endian and at most 32 bytes. The parity depends on the firmware and is not
    /// read.
    Signature(Vec<u8>, Vec<u8>),
}

/// The replies of the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Success.
    Success,
    /// The device shows its PIN matrix.
    PinMatrixRequest,
    /// The device requests the passphrase.
    PassphraseRequest,
    /// The device needs a confirmation by the user.
    ButtonRequest,
    /// The features.
    Features(Features),
    /// The requested address.
    Address(Address),
    /// The next step of signing a transaction.
    TxRequest(TxRequest),
    /// A request for a part of typed data.
    PartRequest(Part),
    /// A signature of a message or of typed data: 65 bytes.
    Signature([u8; 65]),
    /// Any other message, by its type.
    Other(u16),
}

impl Reply {
    /// Decodes a message.
    ///
    /// # Errors
    /// If the message is malformed, or reports a failure of the device.
    pub fn decode(message: &Message) -> Result<Self, TrezorError> {
        let content = message.content.as_slice();
        Ok(match message.kind {
            SUCCESS => Self::Success,
            FAILURE => return Err(failure(content)?),
            PIN_MATRIX_REQUEST => Self::PinMatrixRequest,
            PASSPHRASE_REQUEST => Self::PassphraseRequest,
            BUTTON_REQUEST => Self::ButtonRequest,
            FEATURES => Self::Features(features(content)?),
            ADDRESS => Self::Address(address(content)?),
            TX_REQUEST => Self::TxRequest(tx_request(content)?),
            MESSAGE_SIGNATURE => Self::Signature(signature(content, 2)?),
            STRUCT_REQUEST => Self::PartRequest(struct_request(content)?),
            VALUE_REQUEST => Self::PartRequest(value_request(content)?),
            TYPED_DATA_SIGNATURE => Self::Signature(signature(content, 1)?),
            other => Self::Other(other),
        })
    }

    /// Returns the message's name in the protocol.
    pub fn name(&self) -> String {
        match self {
            Self::Success => "Success",
            Self::PinMatrixRequest => "PinMatrixRequest",
            Self::PassphraseRequest => "PassphraseRequest",
            Self::ButtonRequest => "ButtonRequest",
            Self::Features(_) => "Features",
            Self::Address(_) => "EthereumAddress",
            Self::TxRequest(_) => "EthereumTxRequest",
            Self::PartRequest(Part::Struct(_)) => "EthereumTypedDataStructRequest",
            Self::PartRequest(Part::Value(_)) => "EthereumTypedDataValueRequest",
            Self::Signature(_) => "EthereumMessageSignature",
            Self::Other(kind) => return format!("message {kind}"),
        }
        .to_owned()
    }
}

/// Converts a text of the device for display.
fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let shown = text.chars().filter(|char| !char.is_control());
    shown.take(MAX_DEVICE_TEXT).collect()
}

fn failure(content: &[u8]) -> Result<TrezorError, TrezorError> {
    let (mut code, mut message) = (0, String::new());
    decode(content, |field, value| {
        match field {
            1 => code = value.number()?,
            2 => message = text(value.bytes()?),
            _ => {}
        }
        Ok(())
    })?;
    if message.is_empty() {
        message = format!("failure {code}");
    }
    Ok(match code {
        ACTION_CANCELLED | PIN_CANCELLED => TrezorError::Refused(message),
        _ => TrezorError::Failure(message),
    })
}

fn features(content: &[u8]) -> Result<Features, TrezorError> {
    let mut features = Features::default();
    decode(content, |field, value| {
        match field {
            2 => features.version[0] = value.number()?,
            3 => features.version[1] = value.number()?,
            4 => features.version[2] = value.number()?,
            10 => features.label = text(value.bytes()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(features)
}

/// Reads the address. Old firmwares return the bytes, new ones the hex digits.
fn address(content: &[u8]) -> Result<Address, TrezorError> {
    let none = TrezorError::Malformed("missing derived address");
    let mut address = None;
    decode(content, |field, value| {
        match field {
            1 => address = Address::try_from(value.bytes()?).ok(),
            2 => {
                let digits = value.bytes()?;
                let digits = digits.strip_prefix(b"0x").unwrap_or(digits);
                let mut read = Address::ZERO;
                address = hex::decode_to_slice(digits, read.as_mut_slice())
                    .ok()
                    .map(|()| read);
            }
            _ => {}
        }
        Ok(())
    })?;
    address.ok_or(none)
}

fn tx_request(content: &[u8]) -> Result<TxRequest, TrezorError> {
    let lacking = TrezorError::Malformed("reply lacks signature");
    let (mut more, mut r, mut s) = (0, Vec::new(), Vec::new());
    decode(content, |field, value| {
        match field {
            1 => more = value.number()?,
            3 => r = value.bytes()?.to_vec(),
            4 => s = value.bytes()?.to_vec(),
            _ => {}
        }
        Ok(())
    })?;
    if more > 0 {
        return match usize::try_from(more) {
            Ok(more) if more <= MAX_DATA_CHUNK => Ok(TxRequest::More(more)),
            _ => Err(TrezorError::Malformed("it asks for more input than fits")),
        };
    }
    let fits = |part: &Vec<u8>| !part.is_empty() && part.len() <= 32;
    if fits(&r) && fits(&s) {
        Ok(TxRequest::Signature(r, s))
    } else {
        Err(lacking)
    }
}

fn struct_request(content: &[u8]) -> Result<Part, TrezorError> {
    let mut name = None;
    decode(content, |field, value| {
        if field == 1 {
            name = std::str::from_utf8(value.bytes()?).ok().map(str::to_owned);
        }
        Ok(())
    })?;
    let none = TrezorError::Malformed("it asks for a struct without a name");
    name.map(Part::Struct).ok_or(none)
}

fn value_request(content: &[u8]) -> Result<Part, TrezorError> {
    let mut path = Vec::new();
    let none = || TrezorError::Malformed("it asks for a value that there is not");
    decode(content, |field, value| {
        match (field, value) {
            (1, Value::Number(at)) => path.push(u32::try_from(at).map_err(|_| none())?),
            (1, Value::Bytes(_)) => return Err(none()),
            _ => {}
        }
        Ok(())
    })?;
    Ok(Part::Value(path))
}

fn signature(content: &[u8], at: u64) -> Result<[u8; 65], TrezorError> {
    let mut signature = None;
    decode(content, |field, value| {
        if field == at {
            signature = value.bytes()?.try_into().ok();
        }
        Ok(())
    })?;
    signature.ok_or(TrezorError::Malformed("reply lacks signature"))
}
