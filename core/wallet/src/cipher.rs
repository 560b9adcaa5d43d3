//! AES-128 as key files use it: CTR in version 3, CBC in version 1 and in wallets of the presale.

use aes::{
    Aes128,
    cipher::{BlockDecrypt, KeyInit, generic_array::GenericArray},
};
use ctr::cipher::{KeyIvInit, StreamCipher};
use zeroize::Zeroizing;

use crate::KeyError;

/// Bytes of a key, of an iv, and of what is encrypted at once.
pub(crate) const BLOCK_BYTES: usize = 16;

/// Encrypts or decrypts in place, in CTR mode. `key` is its 16 bytes.
pub(crate) fn apply_ctr(key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<(), KeyError> {
    let mut cipher = ctr::Ctr128BE::<Aes128>::new_from_slices(key, iv)
        .map_err(|_| KeyError::Format("the iv must have 16 bytes".into()))?;
    cipher.apply_keystream(data);
    Ok(())
}

/// Decrypts in CBC mode, and takes the padding (PKCS #7) away; `None` where the padding is wrong.
pub(crate) fn decrypt_cbc(
    key: &[u8; BLOCK_BYTES],
    iv: &[u8],
    ciphertext: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    if ciphertext.is_empty() || !ciphertext.len().is_multiple_of(BLOCK_BYTES) {
        return None;
    }
    let cipher = Aes128::new(GenericArray::from_slice(key));
    let mut plain = Zeroizing::new(ciphertext.to_vec());
    let mut previous = iv;
    let blocks = plain.chunks_exact_mut(BLOCK_BYTES);
    for (block, encrypted) in blocks.zip(ciphertext.chunks_exact(BLOCK_BYTES)) {
        cipher.decrypt_block(GenericArray::from_mut_slice(block));
        for (byte, mask) in block.iter_mut().zip(previous) {
            *byte ^= mask;
        }
        previous = encrypted;
    }
    let padding = usize::from(*plain.last()?);
    let length = plain.len().checked_sub(padding)?;
    let is_padded = (1..=BLOCK_BYTES).contains(&padding)
        && plain[length..]
            .iter()
            .all(|byte| usize::from(*byte) == padding);
    is_padded.then(|| {
        plain.truncate(length);
        plain
    })
}
