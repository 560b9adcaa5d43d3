//! AES-128 in key files: CTR in version 3, CBC in version 1 and in presale wallets.

use aes::{
    Aes128,
    cipher::{BlockDecryptMut, KeyIvInit, StreamCipher, block_padding::Pkcs7},
};
use zeroize::Zeroizing;

use crate::KeyError;

/// Length in bytes of a key, of an IV, and of a cipher block.
pub(crate) const BLOCK_BYTES: usize = 16;

/// Encrypts or decrypts in place, in CTR mode. `key` has 16 bytes.
pub(crate) fn apply_ctr(key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<(), KeyError> {
    let mut cipher = ctr::Ctr128BE::<Aes128>::new_from_slices(key, iv)
        .map_err(|_| KeyError::Format("the iv must have 16 bytes".into()))?;
    cipher.apply_keystream(data);
    Ok(())
}

/// Decrypts in CBC mode and removes the padding (PKCS #7). Returns `None` if the padding is
/// invalid, or if `iv` has not 16 bytes.
pub(crate) fn decrypt_cbc(
    key: &[u8; BLOCK_BYTES],
    iv: &[u8],
    ciphertext: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let cipher = cbc::Decryptor::<Aes128>::new_from_slices(key, iv).ok()?;
    let mut plain = Zeroizing::new(ciphertext.to_vec());
    let length = cipher.decrypt_padded_mut::<Pkcs7>(&mut plain).ok()?.len();
    plain.truncate(length);
    Some(plain)
}
