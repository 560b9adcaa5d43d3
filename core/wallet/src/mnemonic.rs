//! Keys from a mnemonic (BIP-39, BIP-32), for development chains.

use actoreum_primitives::SecretKey;
use bip32::{DerivationPath, XPrv};
use bip39::Mnemonic;
use rand::Rng;
use zeroize::Zeroizing;

use crate::{KeyError, limits::MAX_MNEMONIC_KEYS};

/// The mnemonic that development tools share. Its keys are public.
pub const DEVELOPMENT: &str = "test test test test test test test test test test test junk";

/// Bytes of entropy of a new mnemonic, which give twelve words.
const ENTROPY_BYTES: usize = 16;

/// Generates a mnemonic of twelve words.
pub fn generate() -> Zeroizing<String> {
    let mut entropy = Zeroizing::new([0_u8; ENTROPY_BYTES]);
    rand::rng().fill(entropy.as_mut_slice());
    let mnemonic = Mnemonic::from_entropy(entropy.as_slice())
        .expect("because 128 bits are a length that BIP-39 knows");
    Zeroizing::new(mnemonic.to_string())
}

/// Derives the first `count` keys of a mnemonic, at `m/44'/60'/0'/0/n` (BIP-44).
pub fn keys(phrase: &str, count: u32) -> Result<Vec<SecretKey>, KeyError> {
    if count > MAX_MNEMONIC_KEYS {
        return Err(KeyError::Limit("too many keys of one mnemonic"));
    }
    let mnemonic =
        Mnemonic::parse(phrase).map_err(|error| KeyError::Mnemonic(error.to_string()))?;
    let seed = Zeroizing::new(mnemonic.to_seed(""));
    let derive = |index: u32| {
        let path: DerivationPath = format!("m/44'/60'/0'/0/{index}").parse()?;
        XPrv::derive_from_path(seed.as_slice(), &path)
    };
    (0..count)
        .map(|index| {
            let derived = derive(index).map_err(|error| KeyError::Mnemonic(error.to_string()))?;
            let bytes = Zeroizing::new(derived.to_bytes());
            SecretKey::from_bytes(&bytes).map_err(|_| KeyError::InvalidKey)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use actoreum_primitives::address;

    use super::*;

    #[test]
    fn new_mnemonics_have_twelve_words_and_are_readable() {
        let (one, other) = (generate(), generate());
        assert_ne!(one, other);
        assert_eq!(one.split(' ').count(), 12);
        assert_eq!(keys(&one, 2).unwrap().len(), 2);
    }

    #[test]
    fn vectors_accounts_are_those_of_anvil_and_hardhat() {
        let addresses: Vec<_> = keys(DEVELOPMENT, 10)
            .unwrap()
            .iter()
            .map(SecretKey::address)
            .collect();
        assert_eq!(addresses.len(), 10);
        assert_eq!(
            addresses[0],
            address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
        );
        assert_eq!(
            addresses[1],
            address!("70997970C51812dc3A010C7d01b50e0d17dc79C8")
        );
        assert_eq!(
            addresses[9],
            address!("a0Ee7A142d267C1f36714E4a8F75612F20a79720")
        );
    }

    #[test]
    fn invalid_mnemonics_are_refused() {
        assert!(matches!(keys("test test", 1), Err(KeyError::Mnemonic(_))));
        assert!(matches!(
            keys(DEVELOPMENT, u32::MAX),
            Err(KeyError::Limit(_))
        ));
    }
}
