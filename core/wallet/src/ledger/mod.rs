//! The protocol of Ledger's Ethereum application (`doc/ethapp.adoc` of LedgerHQ's app-ethereum),
//! sans IO: commands, answers and their packets. The owner of the device writes and reads the
//! packets.
//!
//! ```text
//!   Command --Exchange::begin--> packets --> device
//!                                              |
//!   answer  <--Step::Done-- Exchange::receive <-'    (Step::Send: the command's next part)
//! ```

mod packets;

use actoreum_primitives::{Address, B256, Signature, U256};

use crate::{DerivationPath, signing};
pub use packets::{Exchange, Step};

/// The class byte of all of the application's commands.
const CLASS: u8 = 0xe0;
const GET_ADDRESS: u8 = 0x02;
const SIGN_TRANSACTION: u8 = 0x04;
const GET_CONFIGURATION: u8 = 0x06;
const SIGN_MESSAGE: u8 = 0x08;
const SIGN_TYPED_DATA: u8 = 0x0c;

/// P1 of a command's first part.
const FIRST: u8 = 0x00;
/// P1 of a command's further parts.
const FURTHER: u8 = 0x80;

/// Maximum length of the data in an APDU, in bytes.
const MAX_DATA_BYTES: usize = 255;
/// Length of chain id, r and s at the end of a legacy transaction (EIP-155), in bytes.
const PROTECTION_BYTES: usize = 3;

/// The status word of success.
const OK: u16 = 0x9000;

/// A command to the device: a list of APDUs, each of which is answered before the next is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    parts: Vec<Vec<u8>>,
}

impl Command {
    /// Requests the address at a path, without confirmation by the user.
    pub fn address(path: &DerivationPath) -> Self {
        Self::new(GET_ADDRESS, &path_bytes(path), MAX_DATA_BYTES)
    }

    /// Requests the application's version.
    pub fn version() -> Self {
        Self::new(GET_CONFIGURATION, &[], MAX_DATA_BYTES)
    }

    /// Requests the signature of a transaction, given in its encoding for signing.
    pub fn sign_transaction(path: &DerivationPath, unsigned: &[u8]) -> Self {
        let data = [&path_bytes(path)[..], unsigned].concat();
        // The application fails if the last part holds only the end of a legacy transaction, or a
        // fraction of it.
        let mut size = MAX_DATA_BYTES;
        while data.len() % size <= PROTECTION_BYTES {
            size -= 1;
        }
        Self::new(SIGN_TRANSACTION, &data, size)
    }

    /// Requests the signature of a personal message (EIP-191). `None` if the length of the message
    /// exceeds 32 bits.
    pub fn sign_message(path: &DerivationPath, message: &[u8]) -> Option<Self> {
        let length = u32::try_from(message.len()).ok()?.to_be_bytes();
        let data = [&path_bytes(path)[..], &length, message].concat();
        Some(Self::new(SIGN_MESSAGE, &data, MAX_DATA_BYTES))
    }

    /// Requests the signature of typed data (EIP-712), given by the hashes of its domain and its
    /// message.
    pub fn sign_typed_data(path: &DerivationPath, domain: B256, message: B256) -> Self {
        let data = [&path_bytes(path)[..], domain.as_slice(), message.as_slice()].concat();
        Self::new(SIGN_TYPED_DATA, &data, MAX_DATA_BYTES)
    }

    fn new(instruction: u8, data: &[u8], size: usize) -> Self {
        let mut chunks: Vec<&[u8]> = data.chunks(size).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        let part = |(index, chunk): (usize, &&[u8])| {
            let order = if index == 0 { FIRST } else { FURTHER };
            let length = u8::try_from(chunk.len()).expect("because a chunk has at most 255 bytes");
            [&[CLASS, instruction, order, 0, length], *chunk].concat()
        };
        Self {
            parts: chunks.iter().enumerate().map(part).collect(),
        }
    }
}

/// Encodes a path: the number of components, then each in four bytes, big-endian.
fn path_bytes(path: &DerivationPath) -> Vec<u8> {
    let components = path.components();
    let mut bytes = vec![u8::try_from(components.len()).expect("because a path has at most ten")];
    bytes.extend(
        components
            .iter()
            .flat_map(|component| component.to_be_bytes()),
    );
    bytes
}

/// Reads the answer to [`Command::address`].
///
/// # Errors
/// If the answer has no valid address.
pub fn read_address(answer: &[u8]) -> Result<Address, LedgerError> {
    let field = |bytes: &[u8]| {
        let (length, rest) = bytes.split_first()?;
        let (field, rest) = rest.split_at_checked(usize::from(*length))?;
        Some((field.to_vec(), rest.to_vec()))
    };
    let digits = field(answer)
        .and_then(|(_public_key, rest)| field(&rest))
        .map(|(digits, _)| digits)
        .ok_or(LedgerError::Malformed("reply lacks address entry"))?;
    let mut address = Address::ZERO;
    hex::decode_to_slice(digits, address.as_mut_slice())
        .map_err(|_| LedgerError::Malformed("the address is none"))?;
    Ok(address)
}

/// Reads the answer to [`Command::version`].
///
/// # Errors
/// If the answer has no version.
pub fn read_version(answer: &[u8]) -> Result<Version, LedgerError> {
    match answer {
        [_flags, major, minor, patch] => Ok(Version([*major, *minor, *patch])),
        _ => Err(LedgerError::Malformed("invalid version reply")),
    }
}

/// A version of the application: major, minor, patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub [u8; 3]);

impl Version {
    /// Checks that the application is new enough to sign `what`.
    ///
    /// # Errors
    /// If it is not.
    pub fn at_least(self, needed: Self, what: &'static str) -> Result<(), LedgerError> {
        if self >= needed {
            return Ok(());
        }
        Err(LedgerError::TooOld {
            have: self,
            needed,
            what,
        })
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self([major, minor, patch]) = self;
        write!(f, "v{major}.{minor}.{patch}")
    }
}

/// Reads the answer to a signing command: the signature of `hash` by `address`. The parity that the
/// device returns may be part of a chain id or truncated, so that it is determined from the
/// address.
///
/// # Errors
/// If the answer is not a signature, or is that of another key.
pub fn read_signature(
    answer: &[u8],
    hash: B256,
    address: Address,
) -> Result<Signature, LedgerError> {
    let lacking = LedgerError::Malformed("reply lacks signature");
    let Some((_v, r_and_s)) = answer.split_first() else {
        return Err(lacking);
    };
    let Some((r, s)) = r_and_s.split_at_checked(32).filter(|(_, s)| s.len() == 32) else {
        return Err(lacking);
    };
    let (r, s) = (U256::from_be_slice(r), U256::from_be_slice(s));
    signing::signature_by(address, hash, r, s).ok_or(LedgerError::WrongSigner)
}

/// The reason why a request to a Ledger failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The device is in browser mode, or another program is using it.
    #[error("ledger: invalid reply header")]
    InvalidHeader,
    /// The content of an answer is malformed.
    #[error("ledger: {0}")]
    Malformed(&'static str),
    /// The packets of an answer are malformed.
    #[error("ledger: {0}")]
    Framing(&'static str),
    /// The user refused on the device.
    #[error("ledger: refused on the device")]
    Refused,
    /// The device waits for its PIN.
    #[error("ledger: the device is locked")]
    Locked,
    /// Another application is open, or none.
    #[error("ledger: the Ethereum application is not open on the device")]
    OtherApplication,
    /// The application refused the data.
    #[error("ledger: the application refused the data (is blind signing allowed there?)")]
    InvalidData,
    /// The user refused to sign typed data or, with an old firmware, the device is locked.
    #[error("ledger: refused on the device, or the device is locked")]
    NotAllowed,
    /// The application does not support the transaction's type.
    #[error("ledger: the application does not sign this type of transaction")]
    TransactionType,
    /// The application is too old for the request. The text is geth's.
    #[error(
        "Ledger {have} doesn't support signing this {what}, please update to {needed} at least"
    )]
    TooOld {
        /// The application's version.
        have: Version,
        /// The first version that supports the request.
        needed: Version,
        /// The kind of data that was to be signed.
        what: &'static str,
    },
    /// The signature is that of another key: another device was plugged in.
    #[error("ledger: signed by another account")]
    WrongSigner,
    /// Any other status word.
    #[error("ledger: status {0:#06x}")]
    Status(u16),
}

impl LedgerError {
    /// Returns true if the packets read were not an answer, so that no later packet can be trusted
    /// to be one.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::InvalidHeader | Self::Framing(_))
    }

    fn check(status: u16) -> Result<(), Self> {
        Err(match status {
            OK => return Ok(()),
            0x6985 | 0x5501 => Self::Refused,
            0x5515 | 0x6804 | 0x6b0c => Self::Locked,
            0x6511 | 0x6d00..=0x6d02 | 0x6e00 | 0x6e01 => Self::OtherApplication,
            0x6982 => Self::NotAllowed,
            0x6501 => Self::TransactionType,
            0x6a80 => Self::InvalidData,
            status => Self::Status(status),
        })
    }
}
