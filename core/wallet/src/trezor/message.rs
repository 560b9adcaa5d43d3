//! What is asked, and what is answered.

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

/// `FailureType`s that are its owner's decision.
const ACTION_CANCELLED: u64 = 4;
const PIN_CANCELLED: u64 = 6;

/// The most bytes of a transaction's input in one message.
pub const MAX_DATA_CHUNK: usize = 1024;

/// What is asked of the device, save for transactions.
#[derive(Debug, Clone, Copy)]
pub enum Request<'a> {
    /// Who it is; forgets passphrases.
    Initialize,
    /// Whether it is there.
    Ping,
    /// Forget what was asked.
    Cancel,
    /// Its owner may be asked now.
    ButtonAck,
    /// The PIN, as places on the grid.
    PinMatrixAck(&'a Password),
    /// The passphrase.
    PassphraseAck(&'a Password),
    /// The address at a path, without a question to its owner.
    GetAddress(&'a DerivationPath),
    /// More of a transaction's input.
    TxAck(&'a [u8]),
    /// A signature of a personal message (EIP-191).
    SignMessage(&'a DerivationPath, &'a [u8]),
    /// A signature of typed data (EIP-712) whose message is of this type; the device asks for its
    /// parts.
    SignTypedData(&'a DerivationPath, &'a str),
    /// A signature of typed data, by the hashes of its domain and its message. Firmwares of the first
    /// model alone know it.
    SignTypedHash(&'a DerivationPath, B256, Option<B256>),
}

impl Request<'_> {
    /// The message that says so.
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

/// What the device says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Features {
    /// Of its firmware: major, minor, patch.
    pub version: [u64; 3],
    /// The name that its owner gave it.
    pub label: String,
}

/// Either more input is asked for, or the signature is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TxRequest {
    /// So many more bytes.
    More(usize),
    /// r and s, each big-endian and at most 32 bytes. What is said about the parity depends on the
    /// firmware and is not read.
    Signature(Vec<u8>, Vec<u8>),
}

/// What the device answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Done.
    Success,
    /// It shows the grid for its PIN.
    PinMatrixRequest,
    /// It wants the passphrase.
    PassphraseRequest,
    /// It wants to ask its owner.
    ButtonRequest,
    /// Who it is.
    Features(Features),
    /// The address that was asked for.
    Address(Address),
    /// How signing a transaction goes on.
    TxRequest(TxRequest),
    /// It asks for a part of typed data.
    PartRequest(Part),
    /// A signature of a message or of typed data: 65 bytes.
    Signature([u8; 65]),
    /// Any other message, by its type.
    Other(u16),
}

impl Reply {
    /// Reads a message.
    ///
    /// # Errors
    /// Where it makes no sense, and where it says that the device failed.
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

    /// The message's name in the protocol.
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

/// A text of the device, fit to be shown.
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

/// Old firmwares answer with the address's bytes, new ones with its hex digits.
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
    match fits(&r) && fits(&s) {
        true => Ok(TxRequest::Signature(r, s)),
        false => Err(lacking),
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
