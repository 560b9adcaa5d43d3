//! Transaction announcements.

use actoreum_primitives::B256;
use actoreum_primitives::rlp::{self, DecodeError, Encode, List};

use super::EthVersion;
use crate::limits::MAX_TRANSACTION_ANNOUNCEMENTS;
use crate::rlp::{count_bounded, decode_bounded, next_str, put_list};

/// An announced transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionAnnouncement {
    /// Hash of the transaction.
    pub hash: B256,
    /// Type (EIP-2718) and size in bytes of the encoding, as the sender claims; from eth/68 on.
    pub type_and_size: Option<(u8, u32)>,
}

/// Encodes announcements: before eth/68 a list of hashes; from then on types (a string, one byte
/// each), sizes and hashes, all of the same length (EIP-5793).
pub(super) fn encode(
    announcements: &[TransactionAnnouncement],
    version: EthVersion,
    out: &mut Vec<u8>,
) {
    let put_hashes = |out: &mut Vec<u8>| {
        put_list(out, |out| {
            announcements.iter().for_each(|one| one.hash.encode(out))
        });
    };
    if !version.has_typed_announcements() {
        put_hashes(out);
        return;
    }
    let described = || {
        announcements
            .iter()
            .map(|one| one.type_and_size.unwrap_or_default())
    };
    put_list(out, |out| {
        let kinds: Vec<u8> = described().map(|(kind, _)| kind).collect();
        rlp::encode_str(&kinds, out);
        put_list(out, |out| {
            described().for_each(|(_, size)| size.encode(out))
        });
        put_hashes(out);
    });
}

pub(super) fn decode(
    version: EthVersion,
    message: &[u8],
) -> Result<Vec<TransactionAnnouncement>, DecodeError> {
    let mut list = List::open_exact(message)?;
    if !version.has_typed_announcements() {
        let hashes = decode_bounded::<B256>(list, MAX_TRANSACTION_ANNOUNCEMENTS)?;
        let untyped = |hash| TransactionAnnouncement {
            hash,
            type_and_size: None,
        };
        return Ok(hashes.into_iter().map(untyped).collect());
    }
    let kinds = next_str(&mut list)?;
    let mut sizes = list.next_list()?;
    let mut hashes = list.next_list()?;
    list.finish()?;
    let count = count_bounded(&hashes, MAX_TRANSACTION_ANNOUNCEMENTS)?;
    if kinds.len() != count || count_bounded(&sizes, MAX_TRANSACTION_ANNOUNCEMENTS)? != count {
        return Err(DecodeError::Custom(
            "types, sizes and hashes differ in number",
        ));
    }
    let mut announcements = Vec::with_capacity(count);
    for kind in kinds {
        let type_and_size = Some((*kind, sizes.next()?));
        announcements.push(TransactionAnnouncement {
            hash: hashes.next()?,
            type_and_size,
        });
    }
    Ok(announcements)
}
